"""The pages of the console, through Flask's test client and in a real browser."""
