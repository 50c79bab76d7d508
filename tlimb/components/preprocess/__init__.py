"""Deterministic steps on one image."""
