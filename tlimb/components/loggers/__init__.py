"""What is told the numbers of a training while it runs; Lightning loggers, outside of what is computed."""
