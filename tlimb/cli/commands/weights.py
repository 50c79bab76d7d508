"""`tlimb weights`: look at files of public weights, and bring them into a form that needs no trust."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tlimb.problems import ExitCode

if TYPE_CHECKING:
    from tlimb.api.weights import Inspected

File = Annotated[Path, typer.Argument(metavar="FILE", help="weights as they were handed out", show_default=False)]


def register(app: Any) -> None:
    """Add the group of commands."""
    group = typer.Typer(help="Look at files of public weights.", no_args_is_help=True, rich_markup_mode=None)
    group.command("inspect")(inspect)
    group.command("convert")(convert)
    app.add_typer(group, name="weights")


def inspect(
    file: File,
    layout: Annotated[str, typer.Option("--layout", metavar="NAME", help="how the file names its tensors")] = "plain",
) -> int:
    """Say what a file of weights holds under the names of a layout, and how a study names it; no code in it is run."""
    from tlimb.api import weights
    from tlimb.cli import show

    found = weights.inspect(file, layout)
    print(f"{file.name}: {show.size(found.size)}, {', '.join(found.kinds) or 'no tensors'}")
    if found.unwrapped is not None:
        print(f"tensors stand under `{found.unwrapped}`; at the top are {', '.join(found.keys)}")
    rows = [(part.name, part.tensors, f"{part.numbers:,}") for part in found.parts]
    total = (sum(part.tensors for part in found.parts), f"{sum(part.numbers for part in found.parts):,}")
    print(show.table(("module", "tensors", "numbers"), [*rows, ("all", *total)]))
    print(f"layout {layout}: {found.dropped} tensors left out" + (f", {found.folded} folded" if found.folded else ""))
    if found.first is not None:
        name, shape = found.first
        print(f"first convolution: {name}, {' x '.join(map(str, shape))} (out, in, ..)")
    if found.infinite:
        named = ", ".join(found.infinite[:5]) + (" .." if len(found.infinite) > 5 else "")
        print(f"warning: {len(found.infinite)} tensors hold NaN or infinity, and cannot be used: {named}")
    print(f"licence: {found.licence}; trained on: {', '.join(found.cohorts) or 'see where the file comes from'}")
    print("\nin a study:\n")
    print("\n".join(_entry(file, found)))
    return int(ExitCode.DONE)


def _entry(file: Path, found: "Inspected") -> list[str]:
    return [
        "pretrained:",
        "  public:",
        f"    file: {file.name}",
        f"    layout: {found.layout}",
        f"    digest: sha256:{found.sha256}",
    ]


def convert(
    file: File,
    layout: Annotated[str, typer.Option("--layout", metavar="NAME", help="how it names its tensors")],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="OUT.safetensors", help="the file to write")],
    force: Annotated[bool, typer.Option("--force", help="write over files that are there")] = False,
) -> int:
    """Write the encoder's tensors under their names here, and a description with digests and licence beside them."""
    from tlimb.api import weights

    if out.suffix != ".safetensors":
        raise typer.BadParameter(f"{out.name!r} does not end with .safetensors", param_hint="--out")
    beside = weights.convert(file, layout, out, force=force)
    print(f"wrote {out} and {beside}\n\nin a study:\n")
    print("\n".join(_entry(out, weights.inspect(out, layout))))
    return int(ExitCode.DONE)
