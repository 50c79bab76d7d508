"""`tlimb validate`: find the mistakes of a spec before anything runs."""

import sys
from typing import Annotated, Any

import typer

from tlimb.cli import options
from tlimb.problems import ExitCode, TlimbError


def register(app: Any) -> None:
    """Add the command."""
    app.command("validate")(validate)


def validate(
    specs: options.Specs,
    data: Annotated[bool, typer.Option("--data", help="also read tables and file lists")] = False,
    deep: Annotated[
        bool, typer.Option("--deep", help="also build every network without memory, and say what it needs")
    ] = False,
    root: options.Roots = None,
    private: options.Private = None,
    profile: options.Profile = None,
    allow: options.Allow = None,
    with_names: options.WithNames = False,
    form: Annotated[str, typer.Option("--format", help="text, json (a problem a line), sarif or github")] = "text",
) -> int:
    """Find the mistakes of a study: all at once, each with its line and what to do."""
    from tlimb.api.load import load, mismatches
    from tlimb.cli import show
    from tlimb.editor import dot_folder
    from tlimb.project import roots_of

    code: int = ExitCode.DONE
    presenter = show.Presenter(form, sys.stdout)
    for path in specs:
        try:
            loaded = load(path)
            if not loaded.broken:
                roots_of(loaded.sound(), profile)
        except TlimbError as error:
            presenter.add(error.problems)
            code = error.exit_code
            continue
        found = [*loaded.problems, *mismatches(loaded)]
        if dot_folder.there(loaded.source):
            from tlimb.editor.editor_files import refresh

            found += refresh(loaded.source)
        networks = ""
        if deep and not loaded.broken:
            from tlimb.cli import networks as network_table

            more, networks = network_table.checked(
                loaded, options.asked(root, None, private, profile, allow), with_names=with_names
            )
            found += more
        elif data and not loaded.broken:
            from tlimb.api.planning import check_data

            found += check_data(loaded, options.asked(root, None, private, profile), with_names=with_names)
        presenter.add(found, loaded.source)
        bad = any(problem.severity == "error" for problem in found)
        code = ExitCode.FINDINGS if bad and not code else code
        if presenter.for_people:
            counts = f" ({show.summary(found)})" if found else ""
            print(f"{path}: {show.summary(found)}" if bad else f"{path}: valid{counts}")
        if presenter.for_people and networks:
            print(f"\n{networks}")
    presenter.close()
    return int(code)
