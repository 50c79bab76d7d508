"""`tlimb schema`: the JSON Schemas, and what an editor reads beside one study."""

from pathlib import Path
from typing import Annotated, Any

import typer

from tlimb.cli import options
from tlimb.problems import ExitCode


def register(app: Any) -> None:
    """Add the command."""
    app.command("schema")(schema)


def schema(
    manifest: Annotated[bool, typer.Option("--manifest", help="the schema of manifests, not of studies")] = False,
    project: Annotated[
        Path | None,
        typer.Option("--project", metavar="SPEC", help="write .tlimb/ with what this study names itself"),
    ] = None,
    allow: options.Allow = None,
) -> int:
    """Print the JSON Schema of studies, or write one that knows the names and classes of a study."""
    from tlimb import resources

    if project is None:
        name = "manifest.json" if manifest else "spec.json"
        print((resources.folder("schema") / "v1" / name).read_text(encoding="utf-8"), end="")
        return int(ExitCode.DONE)
    if manifest:
        raise typer.BadParameter("--manifest and --project do not go together")
    return _write(project, tuple(allow or ()))


def _write(spec: Path, allow: tuple[str, ...]) -> int:
    from tlimb.api.editor import Files
    from tlimb.cli import show
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
