"""One module a command; each gives a function that typer reads."""

from importlib import import_module
from typing import Any

MODULES = (
    "init",
    "validate",
    "explain",
    "fmt",
    "plan",
    "emit",
    "run",
    "launch",
    "watch",
    "rank",
    "select",
    "components",
    "care",
    "data",
    "index",
    "schema",
    "store",
    "weights",
)
"""In the order of the help."""
NO_COMMANDS = ("care", "data", "watch")
"""Modules whose name is not that of a command of theirs."""


def register(app: Any, word: str = "") -> None:
    """Add commands to the application.

    Args:
        app: the application.
        word: the first word that was typed. Where it is a command, only its module is added, for typer takes a
            millisecond to read a command; where it is none, all are, so that the help and the shell know them.
    """
    for name in (word,) if word in MODULES and word not in NO_COMMANDS else MODULES:
        import_module(f"tlimb.cli.commands.{name}").register(app)
