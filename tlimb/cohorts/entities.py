"""Names of BIDS files: walking a dataset's folders and reading entities from names."""

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from attrs import frozen

from tlimb.cohorts import links

NAMES = {
    "sub": "subject", "ses": "session", "sample": "sample", "task": "task", "acq": "acquisition",
    "ce": "contrast", "trc": "tracer", "rec": "reconstruction", "dir": "direction", "run": "run",
    "echo": "echo", "flip": "flip", "inv": "inversion", "mt": "transfer", "part": "part",
    "hemi": "hemisphere", "space": "space", "res": "resolution", "den": "density", "label": "label",
    "desc": "description",
}  # fmt: skip
"""Key in a file's name -> the name that `only` uses."""

ENDINGS = (".nii.gz", ".nii")
_NAME = re.compile(r"sub-[A-Za-z0-9]+(_[a-z]+-[A-Za-z0-9+.]+)*_[A-Za-z0-9]+\.[A-Za-z.]+")


@frozen
class File:
    """A file with a BIDS name.

    Attributes:
        path: relative to the root, with forward slashes.
        entities: by long name, `subject` among them.
        suffix: such as `T1w`.
        extension: such as `.nii.gz`.
    """

    path: str
    entities: Mapping[str, str]
    suffix: str
    extension: str

    @property
    def participant(self) -> str:
        """Give the id as participants.tsv writes it."""
        return "sub-" + self.entities["subject"]


def walk(folder: Path, root: Path, outside: list[File]) -> Iterator[File]:
    """Go through sub-*/[ses-*/][datatype/]files in order of their names.

    Args:
        folder: of the dataset or of its derivatives.
        root: what paths are relative to.
        outside: gets the files that links take out of the root; these are not given.
    """
    home = links.home(root)
    prefix = os.path.relpath(folder, root)
    for sub in folders(folder, "sub-"):
        visits = [sub, *folders(sub, "ses-")]
        for place in [*visits, *(deep for visit in visits for deep in folders(visit, ""))]:
            # A linked folder takes all its files out of the root, so each file's real path counts.
            linked = os.path.realpath(place) != str(place)
            with os.scandir(place) as entries:
                listed = sorted(entries, key=lambda entry: entry.name)
            for entry in listed:
                file = parse(entry.name)
                if file is None or not entry.name.startswith(sub.name + "_"):
                    continue
                found = File(Path(prefix, Path(entry.path).relative_to(folder)).as_posix(), *file)
                if (linked or entry.is_symlink()) and not links.within(home, os.path.realpath(entry.path)):
                    outside.append(found)
                else:
                    yield found


def folders(place: Path, start: str) -> list[Path]:
    """Give the folders of a folder whose name starts so; with an empty start, those that are no visit."""
    with os.scandir(place) as entries:
        found = [Path(entry.path) for entry in entries if entry.name.startswith(start) and entry.is_dir()]
    return sorted(path for path in found if start or not path.name.startswith(("ses-", ".")))


def parse(name: str) -> tuple[dict[str, str], str, str] | None:
    """Read entities, suffix and extension from a file's name; None for other names."""
    if not _NAME.fullmatch(name):
        return None
    stem, extension = re.split(r"\.(?=[A-Za-z.]+$)", name, maxsplit=1)
    *pairs, suffix = stem.split("_")
    found = {}
    for pair in pairs:
        key, value = pair.split("-", 1)
        found[NAMES.get(key, key)] = value
    return found, suffix, f".{extension}"
