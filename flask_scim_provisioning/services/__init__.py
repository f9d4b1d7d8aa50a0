"""The use cases, one transaction each; they know no Flask."""
