"""Check whether this machine is ready for a study."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from attrs import frozen

from tlimb.api.indexing import open_cohorts
from tlimb.api.load import Loaded
from tlimb.cohorts.hashing import HashCache
from tlimb.describe import run_extra
from tlimb.problems import Severity, TlimbError
from tlimb.project import SPEC_ROOT, Project
from tlimb.store import disk

SAMPLE = 20
"""Images of each dataset that `doctor` reads."""
ROOM_BYTES = 2 << 30
"""Less free room than this in the store is a finding."""
PROBE = """
import importlib, json
absent = set()
for name in {names!r}:
    try:
        importlib.import_module(name)
    except Exception as error:  # a broken driver or a half-installed package raises anything
        absent.add(isinstance(error, ImportError) and error.name or name)
if absent:
    print(json.dumps([sorted(absent), ""]))
else:
    import torch
    gpu = torch.cuda.get_device_name(0) if torch.cuda.is_available() else "no GPU"
    print(json.dumps([[], f"torch {{torch.__version__}}, {{gpu}}"]))
"""


@frozen
class Check:
    """One line of `doctor`.

    Attributes:
        what: was looked at.
        well: it is as a run needs it.
        seen: what was seen.
        help: what to do where it is not well; empty for nothing.
    """

    what: str
    well: bool
    seen: str
    help: str = ""


def doctor(loaded: Loaded, place: Project) -> Iterator[Check]:
    """Look at everything a run needs from this machine, cheaply."""
    for name, path in place.roots.items():
        seen = str(path) if path.is_dir() else f"{path} is no folder"
        yield Check(f"root {name}", path.is_dir(), seen, f"say where it lies: --root {name}=FOLDER")
    yield from _samples(loaded, place)
    yield _writable("store", place.store)
    yield _writable("private folder", place.private, "private")
    free = shutil.disk_usage(_existing(place.store)).free
    help_ = "make room, or put it elsewhere: --store FOLDER"
    yield Check("room in the store", free > ROOM_BYTES, f"{free / 1e9:.1f} GB free", help_)
    yield _packages()


def _packages() -> Check:
    """Import what training needs in a process of its own, all of it, so that all that is missing is told at once."""
    words = [sys.executable, "-P", "-c", PROBE.format(names=run_extra.modules())]
    made = subprocess.run(words, capture_output=True, text=True, check=False)
    help_ = f"{run_extra.INSTALL}; without them this machine can validate and plan"
    if made.returncode:
        said = (made.stderr.strip().splitlines() or [f"it ended with status {made.returncode}"])[-1]
        return Check("training packages", False, said, help_)
    absent, seen = json.loads(made.stdout.splitlines()[-1])
    return Check("training packages", not absent, f"cannot be imported: {', '.join(absent)}" if absent else seen, help_)


def _samples(loaded: Loaded, place: Project) -> Iterator[Check]:
    """Index each set of files once, and read some of its images anew."""
    study = loaded.sound()
    hashes = HashCache(place.private)
    cohorts = open_cohorts(study, place, hashes)
    sets: dict[str, list[str]] = {}
    for name, dataset in study.datasets.items():
        sets.setdefault(dataset.files_place, []).append(name)
    for owner, names in sets.items():
        what = f"dataset{'s' * (len(names) > 1)} {', '.join(names)}"
        root = study.datasets[owner].root or SPEC_ROOT
        if not place.roots[root].is_dir():
            yield Check(what, False, f"not looked at, since root {root} is missing")
            continue
        try:
            rows = cohorts.cohort(owner).rows
        except (TlimbError, OSError) as error:
            yield _unreadable(what, error)
            continue
        step = max(1, len(rows) // SAMPLE)
        sample = rows[::step][:SAMPLE]
        wrong = sum(1 for row in sample if disk.sha256(cohorts.roots[row.root] / row.image) != row.sha256)
        seen = f"{len(rows)} images, {len(sample)} read" + (f", {wrong} differ from the index" if wrong else "")
        yield Check(what, not wrong, seen, "a disk changes bytes: `tlimb verify --full` names how many")
    # That nothing can be kept in the private folder is a line of its own.
    with contextlib.suppress(OSError):
        hashes.save()


def _unreadable(what: str, error: TlimbError | OSError) -> Check:
    if isinstance(error, OSError):
        return Check(what, False, f"it cannot be indexed: {error.strerror}")
    found = [problem for problem in error.problems if problem.severity is Severity.ERROR]
    notes = [note for problem in found for note in problem.note]
    seen = "; ".join([*(problem.message for problem in found), *notes])
    return Check(what, False, seen, "; ".join(line for problem in found for line in problem.help))


def _existing(path: Path) -> Path:
    return next(folder for folder in (path, *path.parents) if folder.exists())


def _writable(what: str, folder: Path, option: str = "store") -> Check:
    """Try what publishing does: write, flush and rename inside the folder."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".probe-{os.getpid()}"
        disk.write_atomically(probe, b"probe")
        probe.unlink()
    except OSError as error:
        help_ = f"give it a folder that can be written: --{option} FOLDER"
        return Check(what, False, f"{folder}: {error.strerror}", help_)
    return Check(what, True, f"{folder}: written and renamed")
