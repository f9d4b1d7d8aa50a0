"""Use cases with a plain session: they need no application."""
