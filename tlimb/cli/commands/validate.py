"""`tlimb validate`: find the mistakes of a spec before anything runs."""

from typing import Annotated, Any

import typer

from tlimb.cli import options
from tlimb.problems import ExitCode


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
) -> int:
    """Find the mistakes of a study: all at once, each with its line and what to do."""
    from tlimb.api.load import load
    from tlimb.cli import show

    broken = False
    for path in specs:
        loaded = load(path)
        found = list(loaded.problems)
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
        show.problems(found, loaded.source)
        bad = any(problem.severity == "error" for problem in found)
        broken = broken or bad
        if bad:
            print(f"{path}: {show.summary(found)}")
        else:
            print(f"{path}: valid" + (f" ({show.summary(found)})" if found else ""))
        if networks:
            print(f"\n{networks}")
    return int(ExitCode.FINDINGS if broken else ExitCode.DONE)
