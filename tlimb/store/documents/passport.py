"""What weights need to be used rightly, and which rows they have seen: the `passport.json` of a training."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from attrs import frozen

from tlimb.manifest.canonical import Json
from tlimb.manifest.fields import Digest, entry
from tlimb.manifest.forms import fits
from tlimb.manifest.parsing import MOST_BYTES, check_format, parse_object
from tlimb.manifest.parts import Component, Head, Parts
from tlimb.store import disk
from tlimb.store.documents.result import Counts

PASSPORT = "passport.json"
FORMAT = 1
"""Format of `passport.json` that is written, and the highest that is read."""


@frozen
class Images:
    """The images that a network is built for."""

    channels: int = entry("Channels of an image.", minimum=1)
    shape: tuple[int, ...] = entry("Voxels along each axis.", items={"minimum": 1})

    @property
    def whole(self) -> tuple[int, ...]:
        """Return channels and voxels along each axis."""
        return (self.channels, *self.shape)


@frozen
class Arithmetic:
    """How weights are applied as they were trained; null where the manifest did not say it."""

    batch_size: int | None = entry("Samples at a time.", minimum=1)
    precision: Literal["fp32", "bf16", "fp16"] | None = entry("Arithmetic of the forward pass.")
    threads: int | None = entry("CPU threads; other counts give other bits.", minimum=1)
    device: Literal["any", "cpu", "cuda"] | None = entry("`cpu` or `cuda` where it was pinned.")

    @property
    def batch(self) -> int:
        """Return the samples at a time; one where the manifest did not say it."""
        return self.batch_size or 1

    @property
    def pinned_to_cpu(self) -> bool:
        """Return whether the weights must not be applied on a GPU although there is one."""
        return self.device == "cpu"


@frozen(kw_only=True)
class Passport:
    """What weights need to be used rightly, and which rows they have seen."""

    tlimb: Literal[1] = entry("Version of the form of manifests.")
    work: Digest = entry("The training.")
    data: Component = entry("Data module.")
    preprocessing: Mapping[str, Json] = entry("What decides the values of a volume.")
    architecture: Component = entry("The encoder.")
    inputs: Images = entry("The images that the network is built for.")
    heads: tuple[Head, ...] = entry("Tasks, in order; without the scale of private numbers.")
    trainer: Arithmetic = entry("How the weights are applied as they were trained.")
    views: Mapping[str, Parts] = entry("Role -> part -> digest of the rows.")
    seen: tuple[Digest, ...] = entry("Rows that formed the weights, ancestors included.")
    licence: str | None = entry("Licence of the weights; null where nobody has said one.")
    counts: Counts = entry("Parameters of encoder and heads.")
    format: int = entry("Format of this file; 0, the form before there were formats, where it is absent.", default=0)

    def head(self, name: str | None) -> Head:
        """Return the head of a name, or the first one for None.

        Raises:
            ValueError: there is none of this name.
        """
        for one in self.heads:
            if name in (None, one.name):
                return one
        raise ValueError(f"the weights of {self.work[:16]} have no head {name}")

    @property
    def heads_json(self) -> list[dict[str, Any]]:
        """Return the heads as a manifest holds them."""
        from tlimb.manifest.structure import unstructure

        return [unstructure(one) for one in self.heads]


def read_passport(folder: Path) -> Passport:
    """Read the passport in the folder of a training.

    Raises:
        NewerFormatError: a newer tlimb wrote it.
        ValueError: it is not of its form.
        OSError: it cannot be read, or there is none.
    """
    path = folder / PASSPORT
    try:
        whole = parse_object(disk.read(path, MOST_BYTES))
        check_format(whole, FORMAT, Path(*path.parts[-4:]))
        if not fits(whole, Passport):
            raise ValueError("it is not of the form of a passport")
    except ValueError as error:
        raise ValueError(f"{PASSPORT} is damaged: {error}") from error
    from tlimb.manifest.structure import structure

    return structure(whole, Passport)
