"""What installed packages offer by entry points, and whose a class path is: read from metadata, importing nothing.

A package offers a component by an entry point of the group `tlimb.architectures` and so on, named after the folders of
`tlimb/components`, and a reader of cohorts by one of `tlimb.cohorts`. Its identity is the distribution's name and
version together with the meaning of its code, so that neither a new release nor an edit of a package that is installed
for development passes for the old one.
"""

import importlib.util
import sys
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import metadata
from pathlib import Path

from attrs import frozen

from tlimb.describe import code

GROUPS: Mapping[str, str] = {
    "tlimb.architectures": "architecture",
    "tlimb.augments": "augment",
    "tlimb.auxiliaries": "auxiliary",
    "tlimb.callbacks": "callback",
    "tlimb.cohorts": "cohort",
    "tlimb.data": "data",
    "tlimb.heads": "head",
    "tlimb.layouts": "layout",
    "tlimb.loggers": "logger",
    "tlimb.metrics": "metric",
    "tlimb.objectives": "objective",
    "tlimb.optimizers": "optimizer",
    "tlimb.preprocess": "preprocess",
    "tlimb.samplers": "sampler",
    "tlimb.scenarios": "scenario",
    "tlimb.schedulers": "scheduler",
    "tlimb.weightings": "weighting",
}
"""Entry points by which installed packages offer components -> kind."""


RECORDED = ("torch", "lightning", "timm", "monai", "numpy", "scipy", "nibabel", "pillow")
"""Packages whose versions stand in every result: part of a file's form, which changes only with a reason.

Name and version are the whole identity of a class of theirs: their code is what the version says, and hashing all of it
would take seconds. MONAI is not installed with tlimb; user code that builds on it computes other bits with another
version.
"""


@frozen(order=True)
class Offer:
    """A component of an installed package.

    Attributes:
        kind: kind of component.
        name: as it is written in YAML.
        path: class path.
        package: distribution and version, such as `acme-nets 1.2.0`.
    """

    kind: str
    name: str
    path: str
    package: str


@cache
def offers() -> tuple[Offer, ...]:
    """Give what installed packages offer, sorted; a package that is found twice on the path counts once."""
    everything = metadata.entry_points()
    found = {
        Offer(kind, entry.name, entry.value.replace(":", "."), _named(entry.dist))
        for group, kind in GROUPS.items()
        for entry in everything.select(group=group)
    }
    return tuple(sorted(found))


def folders(class_path: str) -> list[Path]:
    """Give the folders that hold the top-level module of an installed class; it is found, but not imported."""
    top = class_path.split(".")[0]
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return []
    if spec is None:
        return []
    if spec.submodule_search_locations is not None:
        return [Path(place).parent for place in spec.submodule_search_locations]
    return [] if spec.origin is None or not spec.has_location else [Path(spec.origin).parent]


@cache
def package(class_path: str) -> str | None:
    """Give distribution and version of an installed class; None where no distribution has its module."""
    top = class_path.split(".")[0]
    known = [offer.package for offer in offers() if offer.path.split(".")[0] == top]
    if known:
        return known[0]
    names = metadata.packages_distributions().get(top, ())
    return next((_named(metadata.distribution(name)) for name in sorted(names)), None)


@cache
def _identity(class_path: str) -> tuple[tuple[str, str], ...]:
    top = class_path.split(".")[0]
    if top == "tlimb" or top in sys.stdlib_module_names:
        return ()  # named by its own revision, or part of the environment
    owner = package(class_path)
    if owner is not None and owner.partition(" ")[0].lower() in RECORDED:
        return (("package", owner),)
    meaning = code.identity(class_path, folders(class_path), alone=True)
    fields = {"package": owner, "code": meaning}
    return tuple((name, value) for name, value in fields.items() if value is not None)


def identity(class_path: str, own: Iterable[Path]) -> dict[str, str]:
    """Give the fields of a manifest that say which code is behind a class path, the user's own or an installed one.

    Args:
        class_path: module and class.
        own: code folders of the study, searched first.

    Returns:
        `code`, the hash of what the code means, and for an installed class `package`, its distribution and version;
        `package` alone for one of a package whose version every result records; nothing where the class is not found.
    """
    meaning = code.identity(class_path, own)
    return {"code": meaning} if meaning is not None else dict(_identity(class_path))


def _named(dist: metadata.Distribution | None) -> str:
    return "an unnamed package" if dist is None else f"{dist.name} {dist.version}"
