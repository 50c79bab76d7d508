"""`tlimb status` and `tlimb logs`: what became of a study's runs, whichever engine runs them."""

from typing import Any


def register(app: Any) -> None:
    """Add the commands."""
