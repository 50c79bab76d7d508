"""One module a command; each gives a function that typer reads."""

from typing import Any


def register(app: Any) -> None:
    """Add all commands to the application."""
    from tlimb.cli.commands import care, data, index, plan, rank, run, store, validate

    for module in (validate, plan, run, rank, care, data, index, store):
        module.register(app)
