"""The version of tlimb, on its own: what names it must not import the package above it."""

__version__ = "0.1.0"
