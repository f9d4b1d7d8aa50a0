"""What clients, databases and races do to the service, and what it answers."""
