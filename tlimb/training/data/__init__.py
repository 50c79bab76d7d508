"""From the private file of a view to the batches of a training: rows, decoded volumes, their order."""
