"""Weightings of several heads' losses."""
