"""The example portal."""
