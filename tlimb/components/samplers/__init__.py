"""Orders in which samples are drawn."""
