"""What each operation costs beside the practical limit; ``python -m benchmarks.run``."""
