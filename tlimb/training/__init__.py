"""Manifests to results: the only room that trains."""
