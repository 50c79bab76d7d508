"""Layers from features to outputs."""
