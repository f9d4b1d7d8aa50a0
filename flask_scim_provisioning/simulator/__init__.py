"""Identity providers played over real HTTP; knows only a base URL and a token."""
