"""A look at every network of a plan before anything runs: it is built without memory, and what does not fit is told.

This room knows manifests, never specs: who calls it says where in the spec the settings of a run stand.
"""
