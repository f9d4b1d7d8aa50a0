"""What identity providers send otherwise than the RFC, one module each."""
