"""From the components of a manifest to the modules of one run, and the weights that they start from."""
