"""`tlimb doctor`, `tlimb verify` and `tlimb predictions`."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from tlimb.cli import options
from tlimb.problems import ExitCode


def register(app: Any) -> None:
    """Add the commands."""
    app.command("doctor")(doctor)
    app.command("verify")(verify)
    app.command("predictions")(predictions)


def doctor(
    spec: options.Spec,
    root: options.Roots = None,
    store: options.Store = None,
    private: options.Private = None,
    profile: options.Profile = None,
) -> int:
    """Check that this machine can run a study: roots, images, store, room, packages."""
    from tlimb.api.doctor import doctor as checks_of
    from tlimb.api.load import load
    from tlimb.project import project

    loaded = load(spec)
    place = project(loaded.sound(), spec, options.asked(root, store, private, profile))
    checks = list(checks_of(loaded, place))
    for check in checks:
        print(f"{'ok  ' if check.well else 'BAD '} {check.what}: {check.seen}")
        if not check.well and check.help:
            print(f"       {check.help}")
    bad = sum(not check.well for check in checks)
    print(f"{bad} of {len(checks)} are not as a run needs them" if bad else "this machine can run the study")
    return int(ExitCode.DONE if all(check.well for check in checks) else ExitCode.FINDINGS)


def verify(
    spec: options.Spec,
    full: Annotated[bool, typer.Option("--full", help="read every byte of every image again")] = False,
    root: options.Roots = None,
    store: options.Store = None,
    private: options.Private = None,
    profile: options.Profile = None,
) -> int:
    """Check images and results of a study against their digests."""
    from tlimb.api.load import load
    from tlimb.api.verify import verify_images
    from tlimb.cli import progress, show
    from tlimb.project import project
    from tlimb.store import Store, upkeep

    loaded = load(spec)
    place = project(loaded.sound(), spec, options.asked(root, store, private, profile))
    with progress.hashing() as observer:
        for line in verify_images(loaded, place, observer, full=full):
            print(line)
    found = upkeep.verify(Store(place.store))
    print(f"store: {show.verified(found)}")
    return int(ExitCode.FINDINGS if found.damaged else ExitCode.DONE)


def predictions(
    spec: options.Spec,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="write the CSV here")] = None,
    with_ids: Annotated[bool, typer.Option("--with-ids", help="name participants; keep such a file private")] = False,
    with_private: Annotated[
        bool, typer.Option("--with-private", help="write true values of private labels; keep such a file private")
    ] = False,
    root: options.Roots = None,
    store: options.Store = None,
    private: options.Private = None,
    profile: options.Profile = None,
) -> int:
    """Give every prediction of the tests as CSV, from which each number of the ranking can be recomputed.

    True values of private labels are left out, unless --with-private asks for them; predictions of them are written,
    as they are what the models say and not what the table holds.
    """
    from tlimb.api.load import load
    from tlimb.api.planning import make_plan
    from tlimb.api.predictions import predictions as predictions_of
    from tlimb.project import project
    from tlimb.store import disk

    loaded = load(spec)
    place = project(loaded.sound(), spec, options.asked(root, store, private, profile))
    plan = make_plan(loaded, place, allow_leak=True)
    text, left_out = predictions_of(plan, place, with_ids=with_ids, with_private=with_private)
    if output is None:
        print(text, end="")
    elif with_ids or with_private:
        disk.write_atomically(output, text.encode(), 0o600)
    else:
        disk.write_output(output, text.encode())
    if left_out:
        print(
            f"true values of private labels are left out ({', '.join(left_out)}); see --with-private", file=sys.stderr
        )
    return int(ExitCode.DONE)
