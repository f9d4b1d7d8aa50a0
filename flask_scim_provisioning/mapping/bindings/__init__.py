"""Where one SCIM attribute lives in the host, and how it is read, written and searched there."""
