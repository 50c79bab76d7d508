"""The application and the options that commands share."""

from pathlib import Path
from typing import Annotated

import typer

from tlimb.cli import commands

Spec = Annotated[Path, typer.Argument(help="the study, a YAML file", show_default=False)]


def application(word: str = "") -> typer.Typer:
    """Give the application, with the command that `word` names or with all of them."""
    app = typer.Typer(
        name="tlimb",
        help="Compile transfer-learning studies on brain images.",
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        add_completion=True,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(root)
    commands.register(app, word)
    return app


def _version(asked: bool) -> None:
    if asked:
        from tlimb.version import __version__

        typer.echo(__version__)
        raise typer.Exit


def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="print the version")
    ] = False,
) -> None:
    """Compile transfer-learning studies on brain images."""
