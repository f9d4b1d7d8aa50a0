"""What a portal team writes: schemas and their fields."""
