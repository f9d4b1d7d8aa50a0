"""How SCIM attributes are bound to the host's own SQLAlchemy models."""
