"""Options that several commands take, and how they become an `Asked`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tlimb.cli import completing
from tlimb.problems import ExitCode, Problem, TlimbError

if TYPE_CHECKING:
    from tlimb.project import Asked

Spec = Annotated[
    Path, typer.Argument(help="the study, a YAML file", show_default=False, autocompletion=completing.specs)
]
Specs = Annotated[
    list[Path], typer.Argument(help="studies, YAML files", show_default=False, autocompletion=completing.specs)
]
Roots = Annotated[
    list[str] | None,
    typer.Option("--root", metavar="NAME=PATH", help="where a named root lies on this machine; repeatable"),
]
Store = Annotated[Path | None, typer.Option("--store", help="folder of the store [beside the spec: tlimb-store]")]
Private = Annotated[
    Path | None,
    typer.Option("--private", help="folder for what may name people and files [beside the spec: tlimb-private]"),
]
Profile = Annotated[
    str | None,
    typer.Option(
        "--profile", help="a profile of the study's `execution`, such as `hpc`", autocompletion=completing.profiles
    ),
]
Allow = Annotated[
    list[str] | None,
    typer.Option("--allow", metavar="PREFIX", help="import components whose module begins so; repeatable"),
]
WithNames = Annotated[bool, typer.Option("--with-names", help="show names of people and files in messages")]

Problems = Annotated[
    str, typer.Option("--problems", metavar="FORM", help="how problems are written: text, json, sarif or github")
]


def asked(
    roots: list[str] | None,
    store: Path | None = None,
    private: Path | None = None,
    profile: str | None = None,
    allow: list[str] | None = None,
) -> "Asked":
    """Read the options about places.

    Raises:
        TlimbError: a root is not written NAME=PATH.
    """
    from tlimb.project import Asked

    found: dict[str, Path] = {}
    for text in roots or ():
        name, sign, path = text.partition("=")
        if not sign or not name or not path:
            problem = Problem("root-form", f"`{text}` is no root", help="write --root NAME=PATH")
            raise TlimbError(problem, ExitCode.USAGE)
        found[name] = Path(path)
    if store is not None:
        found["store"] = store
    if private is not None:
        found["private"] = private
    return Asked(found, profile, tuple(allow or ()))
