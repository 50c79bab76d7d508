"""Loading and preprocessing of images."""
