"""The SCIM 2.0 protocol (RFC 7643, RFC 7644, RFC 9865), with the standard library only."""
