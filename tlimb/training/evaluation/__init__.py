"""Predictions of trained networks, and what is computed of them on the validation part."""
