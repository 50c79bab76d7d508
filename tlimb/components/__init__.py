"""Components: one file, one public class, named as in YAML; found by their file, listed nowhere."""
