"""`tlimb init`: begin a project."""

from pathlib import Path
from typing import Annotated, Any

import typer

from tlimb.cli import completing
from tlimb.problems import ExitCode


def register(app: Any) -> None:
    """Add the command."""
    app.command("init")(init)


def init(
    folder: Annotated[Path, typer.Argument(help="where the study will lie [here]", show_default=False)] = Path(),
    bids: Annotated[
        list[Path] | None,
        typer.Option("--bids", metavar="FOLDER", help="write the study for the images of this folder; repeatable"),
    ] = None,
    template: Annotated[
        str | None,
        typer.Option("--template", metavar="NAME", help="begin with an example", autocompletion=completing.templates),
    ] = None,
    show_list: Annotated[bool, typer.Option("--list", help="list the examples, and do nothing else")] = False,
    force: Annotated[bool, typer.Option("--force", help="write the study even if one is there")] = False,
) -> int:
    """Write a commented study to begin with, settings for editors and a .gitignore; nothing is overwritten."""
    from tlimb.starting.project_files import start

    if show_list:
        print(_examples())
        return int(ExitCode.DONE)
    if bids and template is not None:
        raise typer.BadParameter("--bids or --template, not both: an example is written for other images")
    if folder.suffix in (".yaml", ".yml"):
        raise typer.BadParameter(f"{folder} is to be a folder; the study in it is called study.yaml")
    made = start(folder, bids or (), template, force=force)
    for name in made.written:
        print(f"wrote {folder / name}")
    for name in made.kept:
        print(f"kept {folder / name} as it is")
    print("\nnext:")
    if folder != Path():
        print(f"  cd {folder}")
    for line in (made.before, f"tlimb validate {made.spec.name}", f"tlimb plan {made.spec.name}"):
        if line:
            print(f"  {line}")
    print("completion and hints in VS Code, JetBrains and Neovim: .tlimb/editors.md")
    return int(ExitCode.DONE)


def _examples() -> str:
    from tlimb.cli import show
    from tlimb.starting.examples import templates

    lines = [(one.name, one.what) for one in templates()]
    return "\n".join(show.columns(("name", "what it asks"), lines))
