"""Which device a run has, what of it decides bits, and the processes of a run that has several."""
