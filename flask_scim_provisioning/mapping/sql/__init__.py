"""SQL as SCIM means it, on each database; nothing here knows the host's models."""
