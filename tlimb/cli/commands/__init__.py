"""One module a command; each gives a function that typer reads."""

from typing import Any


def register(app: Any) -> None:
    """Add all commands to the application."""
    from tlimb.cli.commands import (
        care,
        components,
        data,
        emit,
        explain,
        fmt,
        index,
        init,
        launch,
        plan,
        rank,
        run,
        schema,
        select,
        store,
        validate,
        watch,
    )

    for module in (
        init,
        validate,
        explain,
        fmt,
        plan,
        emit,
        run,
        launch,
        watch,
        rank,
        select,
        components,
        care,
        data,
        index,
        schema,
        store,
    ):
        module.register(app)
