"""How files of public weights name their tensors."""
