"""Lightning's callbacks and loggers in a training: those that take part, and those that look on."""
