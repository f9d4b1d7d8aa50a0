"""The SCIM blueprint: routes, bearer authentication, reading and responses."""
