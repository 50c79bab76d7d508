"""`tlimb components`: what there is to write, how, and where it comes from."""

import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tlimb.cli import completing, show
from tlimb.problems import ExitCode

if TYPE_CHECKING:
    from tlimb.language.catalogue import Catalogue, Listing


def register(app: Any) -> None:
    """Add the command."""
    app.command("components")(components)


def components(
    kind: Annotated[
        str | None,
        typer.Argument(help="one kind, such as architecture", show_default=False, autocompletion=completing.kinds),
    ] = None,
    name: Annotated[
        str | None,
        typer.Argument(help="one component of it", show_default=False, autocompletion=completing.names_of_kind),
    ] = None,
) -> int:
    """List the components there are; of one kind with their options; of one with an example to copy."""
    from tlimb.editor import dot_folder
    from tlimb.language import catalogue, installed

    known = installed.load().with_extra(dot_folder.stored(dot_folder.above(Path.cwd())).get("kinds", {}))
    if kind is None:
        print("\n".join(_overview(known)))
    else:
        _known("kind", kind, [one for one in catalogue.KINDS if known.names(one)])
        if name is None:
            print("\n".join(_kind(known, kind)))
        else:
            _known(kind, name, known.names(kind))
            print("\n".join(_one(known, kind, name)))
    return int(ExitCode.DONE)


def _known(what: str, word: str, names: Any) -> None:
    from tlimb.language.suggest import closest

    if word not in names:
        meant = closest(word, names)
        help_ = f"did you mean {meant}?" if meant else ", ".join(names)
        raise typer.BadParameter(f"{word!r} is no {what}; {help_}")


def _overview(known: "Catalogue") -> Iterator[str]:
    """Give one line a component, with the options it needs."""
    from tlimb.language.catalogue import KINDS

    rows: list[tuple[str, ...]] = [
        (kind, listing.name, " ".join(listing.required), " ".join(listing.doc.split()))
        for kind in KINDS
        for listing in known.all(kind)
    ]
    yield from show.columns(("kind", "name", "needs", "what it is"), rows)
    yield ""
    yield "more: tlimb components KIND, and tlimb components KIND NAME"


def _kind(known: "Catalogue", kind: str) -> Iterator[str]:
    for position, listing in enumerate(known.all(kind)):
        if position:
            yield ""
        yield from _head(listing)
        yield from _options(listing)
    yield ""
    yield f"* must be written; an example of each: tlimb components {kind} NAME"


def _one(known: "Catalogue", kind: str, name: str) -> Iterator[str]:
    from tlimb.language import examples

    listing = known.get(kind, name)
    assert listing is not None
    yield from _head(listing)
    yield from _options(listing)
    if listing.required:
        yield ""
        yield "* must be written"
    yield ""
    yield f"A study with it. {examples.images(listing)}:"
    yield ""
    yield from (f"  {line}".rstrip() for line in examples.study(listing, known).splitlines())


def _head(listing: "Listing") -> Iterator[str]:
    """Give name, sentence, source and other names of a component."""
    yield f"{listing.kind} {listing.name}"
    said = [" ".join(listing.doc.split())]
    if listing.package:
        said.append(f"From the package {listing.package}: `{listing.cls}`")
    if listing.source:
        said.append(f"Source: {listing.source}")
    if listing.facts.get("licence"):
        said.append(f"Licence of the weights: {listing.facts['licence']}")
    if listing.aka:
        said.append("Elsewhere: " + "; ".join(f"{word} is {here}" for word, here in listing.aka.items()))
    for text in said:
        yield from textwrap.wrap(text, show.width() - 2, initial_indent="  ", subsequent_indent="  ")


def _options(listing: "Listing") -> Iterator[str]:
    from tlimb.language.describing import default_of, value_of

    rows: list[tuple[str, ...]] = [
        (
            f"{option.name}{' *' if option.required else ''}",
            value_of(option),
            "" if option.required else default_of(option),
            option.unit,
            " ".join(option.doc.split()),
        )
        for option in listing.options.values()
    ]
    if rows:
        yield ""
        yield from (f"  {line}" for line in show.columns(("option", "value", "default", "unit", "meaning"), rows))
