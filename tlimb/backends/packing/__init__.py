"""How a plan's nodes become the tasks of an engine: steps, short runs packed or joined, shards, and sizes."""
