"""`tlimb fmt`, `tlimb upgrade` and `tlimb show`: specs written anew."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tlimb.cli import options
from tlimb.problems import ExitCode, TlimbError

if TYPE_CHECKING:
    from tlimb.language.source import Source

Check = Annotated[bool, typer.Option("--check", help="write nothing; exit with 1 if a file would change")]
Diff = Annotated[bool, typer.Option("--diff", help="write nothing; print what would change")]


def register(app: Any) -> None:
    """Add the commands."""
    app.command("fmt")(fmt)
    app.command("upgrade")(upgrade)
    app.command("show")(show)


def fmt(specs: options.Specs, check: Check = False, diff: Diff = False) -> int:
    """Put studies into their stable form: keys in the order of the reference; comments and meaning stay."""
    from tlimb.language import installed
    from tlimb.language.grammar import grammar
    from tlimb.language.rewriting.formatting import formatted

    language = grammar(installed.load())
    keep = not (check or diff)
    return _rewrite(
        specs, lambda source: formatted(source, language), check, diff, "formatted", "already formatted", writes=keep
    )


def upgrade(specs: options.Specs, check: Check = False) -> int:
    """Rewrite studies of an older version of the language; comments and layout stay, the difference is printed."""
    from tlimb.language.rewriting.upgrading import upgraded

    return _rewrite(specs, upgraded, check, True, "upgraded", "already in the present version", writes=not check)


def show(
    spec: options.Spec,
    resolved: Annotated[bool, typer.Option("--resolved", help="write every default out, marked as such")] = False,
) -> int:
    """Show a study with `defaults` and `like` merged into each stage: the same study, which plans to the same runs."""
    from tlimb.api.load import load
    from tlimb.cli import show as showing
    from tlimb.language.grammar import grammar
    from tlimb.language.rewriting.showing import shown
    from tlimb.plan.checks import default_metrics

    loaded = load(spec)
    study = loaded.sound()
    showing.problems(loaded.problems, loaded.source)
    metrics = tuple(default_metrics(study, loaded.catalogue))
    print(shown(loaded.source, grammar(loaded.catalogue), resolved=resolved, metrics=metrics), end="")
    return int(ExitCode.DONE)


def _rewrite(
    specs: list[Path],
    make: "Callable[[Source], str]",
    check: bool,
    diff: bool,
    done: str,
    already: str,
    *,
    writes: bool,
) -> int:
    """Write each file anew, or only say which would change; a file that cannot be rewritten stays as it is."""
    from tlimb.cli import show as showing
    from tlimb.language.source import read
    from tlimb.store import disk

    changed, broken = 0, False
    for path in specs:
        source = read(path)
        try:
            text = make(source)
        except TlimbError as error:
            showing.problems(source.resolve(error.problems), source)
            broken = True
            continue
        if text == source.text:
            print(f"{path}: {already}")
            continue
        changed += 1
        if diff:
            showing.difference(source.text, text, path)
        if not writes:
            print(f"{path}: would be {done}")
        else:
            disk.write_atomically(path, text.encode(), path.stat().st_mode & 0o777)
            print(f"{path}: {done}")
    return int(ExitCode.FINDINGS if broken or (check and changed) else ExitCode.DONE)
