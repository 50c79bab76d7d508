"""Plan and store to tables and pictures."""
