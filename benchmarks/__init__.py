"""Measurements, never tests: every case runs its peer in the same invocation and prints ratios."""
