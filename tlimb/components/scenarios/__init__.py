"""Training logic: which roles are read and what one step's loss is made of."""
