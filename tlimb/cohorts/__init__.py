"""Dataset declarations to indexes of images and labels, and how their people are divided; stdlib only."""
