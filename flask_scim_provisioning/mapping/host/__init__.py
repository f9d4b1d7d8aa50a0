"""What is known of one table of the host: its mapper, its key, its links, its boundaries."""
