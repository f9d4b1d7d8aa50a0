"""What a client, a database or a race could do to hurt the service."""
