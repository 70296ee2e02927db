"""What stands outside: the model file."""
