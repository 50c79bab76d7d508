"""Makers of torch optimizers."""
