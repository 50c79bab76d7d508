"""`tlimb schema`: the JSON Schemas, and what an editor reads beside one study."""

from pathlib import Path
from typing import Annotated, Any

import typer

from tlimb.cli import completing, options
from tlimb.problems import ExitCode

FILES = ("spec", "manifest", "plan", "problems", "rank", "status")
"""What there is a schema of: files that people write, files that engines read, and what commands print as JSON."""


def register(app: Any) -> None:
    """Add the command."""
    app.command("schema")(schema)


def schema(
    of: Annotated[
        str,
        typer.Option(
            "--of",
            metavar="NAME",
            help="spec, manifest, or what a command prints as JSON: plan, problems, rank, status",
            autocompletion=completing.one_of(*FILES),
        ),
    ] = "spec",
    manifest: Annotated[bool, typer.Option("--manifest", help="the same as --of manifest")] = False,
    project: Annotated[
        Path | None,
        typer.Option("--project", metavar="SPEC", help="write .tlimb/ with what this study names itself"),
    ] = None,
    allow: options.Allow = None,
) -> int:
    """Print a JSON Schema, or write one that knows the names and classes of a study."""
    from tlimb import resources

    if of not in FILES:
        raise typer.BadParameter(f"there is no schema of {of!r}; {', '.join(FILES)}")
    name = "manifest" if manifest else of
    if project is None:
        print((resources.folder("schema") / "v1" / f"{name}.json").read_text(encoding="utf-8"), end="")
        return int(ExitCode.DONE)
    if name != "spec":
        raise typer.BadParameter("--project writes the schema of a study; leave out --of and --manifest")
    return _write(project, tuple(allow or ()))


def _write(spec: Path, allow: tuple[str, ...]) -> int:
    from tlimb.cli import show
    from tlimb.editor.editor_files import Files
    from tlimb.language.source import read

    source = read(spec)
    if source.unreadable:
        show.problems(source.problems, source)
        return int(ExitCode.FINDINGS)
    files = Files(source, allow)
    for path in files.write():
        print(f"wrote {path}")
    for space, names in files.names.spaces.items():
        if names and space != "param":
            print(f"  {space}: {', '.join(names)}")
    for kind, listings in files.kinds.items():
        for name, listing in listings.items():
            known = ", ".join(listing["options"]) or "no options"
            print(f"  {kind} {name}: {'any option' if listing.get('open') else known}")
    return int(ExitCode.DONE)
