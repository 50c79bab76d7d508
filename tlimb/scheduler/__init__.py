"""Which run is next, and in which process: knows graphs, the store and processes, never torch.

`supervise` works a graph off. `graph_state` knows which node may start and what became of each; `similar` which
trainings are alike, so that a check of one stands for all; `forkserver` is the process that imports everything once and
forks a child a manifest, `preload` says what it imports and which function executes a kind of node; `worker` is a child
that has to be a fresh process; `interrupts` turns signals into an exception.
"""
