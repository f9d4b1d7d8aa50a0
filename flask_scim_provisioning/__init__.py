"""SCIM 2.0 provisioning and its admin pages for Flask applications."""
