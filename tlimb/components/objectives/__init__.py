"""Primary objectives of heads."""
