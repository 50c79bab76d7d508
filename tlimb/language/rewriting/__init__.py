"""Specs written anew: the same study in a stable form, in a newer version, or with everything spelled out."""
