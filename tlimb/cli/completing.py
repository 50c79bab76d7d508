"""What the shell offers after a tab: names that are cheap to find; nothing here loads numpy, torch or user code."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tlimb.problems import TlimbError

Offered = list[tuple[str, str]]
SPECS = (".yaml", ".yml")
MANIFESTS = (".json", ".jsonl")


def specs(incomplete: str) -> Offered:
    """Give YAML files, and those in folders; a folder is offered with what lies in it."""
    return [(name, "") for name in _files(incomplete, SPECS)]


def runnable(incomplete: str) -> Offered:
    """Give YAML files and manifests."""
    return [(name, "") for name in _files(incomplete, (*SPECS, *MANIFESTS))]


def _files(incomplete: str, endings: tuple[str, ...]) -> Iterator[str]:
    head, _, _ = incomplete.rpartition("/")
    folder = Path(os.path.expandvars(head or (incomplete[:1] == "/" and "/") or ".")).expanduser()
    prefix = head + "/" if head or incomplete.startswith("/") else ""
    for path in _listed(folder):
        name = prefix + path.name
        hidden = path.name.startswith(".") and not incomplete[len(prefix) :].startswith(".")
        if not name.startswith(incomplete) or hidden:
            continue
        if path.is_dir():
            # With the files inside, the folder is no end: the shell adds a slash and goes on.
            inside = [f"{name}/{one.name}" for one in _listed(path) if one.name.endswith(endings)]
            deeper = [f"{name}/{one.name}/" for one in _listed(path) if one.is_dir() and not one.name.startswith(".")]
            yield from [f"{name}/", *inside, *deeper] if inside or deeper else []
        elif path.name.endswith(endings):
            yield name


def _listed(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def one_of(*names: str) -> Callable[[str], list[str]]:
    """Give a function that offers some names."""
    return lambda incomplete: [name for name in names if name.startswith(incomplete)]


def kinds(incomplete: str) -> Offered:
    """Give the component kinds of which there are components."""
    from tlimb.language.catalogue import KINDS
    from tlimb.language.installed import load

    known = load()
    listed = ((kind, ", ".join(known.names(kind))) for kind in KINDS if known.names(kind))
    return [(kind, names) for kind, names in listed if kind.startswith(incomplete)]


def names_of_kind(ctx: Any, incomplete: str) -> Offered:
    """Give the components of the kind that is written before."""
    from tlimb.language.installed import load

    listings = load().all(str(ctx.params.get("kind") or ""))
    return [(one.name, " ".join(one.doc.split())) for one in listings if one.name.startswith(incomplete)]


def runs(ctx: Any, incomplete: str) -> Offered:
    """Give the runs of the study that is written before, as it was last planned."""
    # While the value of an option is still missing, what stands before it has not become a parameter.
    written = [ctx.params.get("spec"), *(word for word in ctx.args if word.endswith(SPECS))]
    spec = next((word for word in written if word), None)
    if spec is None:
        return []
    path = Path(str(spec)).resolve()
    private = Path(ctx.params.get("private") or os.environ.get("TLIMB_ROOT_PRIVATE") or path.parent / "tlimb-private")
    try:
        lines = (private / "plans" / f"{path.stem}.runs").read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    pairs = (line.partition("\t") for line in lines)
    return [(work[:16], said) for work, _, said in pairs if work.startswith(incomplete.lower())]


def templates(incomplete: str) -> Offered:
    """Give the names of the example studies."""
    from tlimb.starting.examples import templates as shipped

    return [(one.name, one.what) for one in shipped() if one.name.startswith(incomplete)]


def codes(incomplete: str) -> Offered:
    """Give the codes of problems, with what each is about."""
    from tlimb.problems.pages import registry

    return [(page.code, page.title) for page in registry().values() if page.code.startswith(incomplete)]


def profiles(ctx: Any, incomplete: str) -> list[str]:
    """Give the profiles of the study that is written before."""
    from tlimb.language.source import read

    written = [ctx.params.get("spec"), ctx.params.get("what"), *(word for word in ctx.args if word.endswith(SPECS))]
    spec = next((str(word) for word in written if word and str(word).endswith(SPECS)), None)
    try:
        tree = None if spec is None else read(Path(spec)).root
    except (OSError, TlimbError):
        return []
    execution = None if tree is None else tree.get("execution")
    found = None if execution is None else execution.get("profiles")
    return [entry.key for entry in (() if found is None else found.entries) if entry.key.startswith(incomplete)]
