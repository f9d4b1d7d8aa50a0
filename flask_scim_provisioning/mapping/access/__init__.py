"""Reading, searching and writing resources in the host's tables."""
