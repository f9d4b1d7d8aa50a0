"""The tests; ``tests/portal.py`` is the portal that they provision."""
