"""tlimb: a compiler for transfer-learning studies on brain images."""

__version__ = "0.1.0"
