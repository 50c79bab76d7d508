"""Tables and pictures from a plan and its results; nothing here is part of any run's identity."""
