"""Looking after a study: is this machine ready, are the files still what they were, what was predicted."""

import csv
import io
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from attrs import frozen

from tlimb.api.indexing import open_cohorts
from tlimb.api.load import Loaded
from tlimb.api.planning import store_of
from tlimb.api.project import Project
from tlimb.cohorts.hashing import HashCache
from tlimb.plan.plan import Plan
from tlimb.plan.write import cell
from tlimb.problems import TlimbError
from tlimb.store import disk

SAMPLE = 20
"""Images of each dataset that `doctor` reads."""
ROOM_BYTES = 2 << 30
"""Less free room than this in the store is a finding."""
IMPORTS = ("torch", "lightning", "timm", "nibabel", "numpy", "sklearn", "safetensors")


@frozen
class Check:
    """One line of `doctor`: what was looked at, whether it is well, and what was seen."""

    what: str
    well: bool
    seen: str


def doctor(loaded: Loaded, place: Project) -> Iterator[Check]:
    """Look at everything a run needs from this machine, cheaply."""
    for name, path in place.roots.items():
        yield Check(f"root {name}", path.is_dir(), str(path) if path.is_dir() else f"{path} is no folder")
    yield from _samples(loaded, place)
    yield _writable("store", place.store)
    yield _writable("private folder", place.private)
    free = shutil.disk_usage(_existing(place.store)).free
    yield Check("room in the store", free > ROOM_BYTES, f"{free / 1e9:.1f} GB free")
    code = f"import {', '.join(IMPORTS)}; print(torch.__version__)"
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    seen = f"torch {made.stdout.strip()}" if made.returncode == 0 else made.stderr.strip().splitlines()[-1]
    yield Check("training packages", made.returncode == 0, seen)


def _samples(loaded: Loaded, place: Project) -> Iterator[Check]:
    """Index each dataset, and read some of its images anew."""
    study = loaded.sound()
    hashes = HashCache(place.private)
    cohorts = open_cohorts(study, place, hashes)
    for name in study.datasets:
        try:
            rows = cohorts.cohort(name).rows
        except TlimbError as error:
            yield Check(f"dataset {name}", False, "; ".join(problem.message for problem in error.problems))
            continue
        step = max(1, len(rows) // SAMPLE)
        sample = rows[::step][:SAMPLE]
        wrong = sum(1 for row in sample if disk.sha256(cohorts.roots[row.root] / row.image) != row.sha256)
        seen = f"{len(rows)} images, {len(sample)} read" + (f", {wrong} differ from the index" if wrong else "")
        yield Check(f"dataset {name}", not wrong, seen)
    hashes.save()


def _existing(path: Path) -> Path:
    return next(folder for folder in (path, *path.parents) if folder.exists())


def _writable(what: str, folder: Path) -> Check:
    """Try what publishing does: write, flush and rename inside the folder."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".probe-{os.getpid()}"
        disk.write_atomically(probe, b"probe")
        probe.unlink()
    except OSError as error:
        return Check(what, False, f"{folder}: {error.strerror}")
    return Check(what, True, f"{folder}: written and renamed")


def verify_images(loaded: Loaded, place: Project, progress: Callable[[int, int], None], *, full: bool) -> list[str]:
    """Index every dataset again and give one line each.

    Args:
        loaded: the study.
        place: where things lie.
        progress: observer (done, all).
        full: read every byte, whatever the stat of a file says.

    Raises:
        TlimbError: a dataset cannot be indexed.
    """
    study = loaded.sound()
    hashes = HashCache(place.private, full=full)
    cohorts = open_cohorts(study, place, hashes, progress)
    said = [f"{name}: {len(cohorts.cohort(name).rows)} images" for name in study.datasets]
    hashes.save()
    return [*said, f"{hashes.hashed} files read, {hashes.hits} known by size and time"]


def predictions(
    plan: Plan, place: Project, *, with_ids: bool = False, with_private: bool = False
) -> tuple[str, list[str]]:
    """Give all predictions as CSV, one line a row of a test, a head and a run.

    Args:
        plan: the plan.
        place: where things lie.
        with_ids: join participants' ids from the private indexes; without it rows are told by number.
        with_private: write the true values of private labels too; without it their cells are empty.

    Returns:
        The CSV, and the private labels whose true values were left out.
    """
    from tlimb.report.results import Results

    results = Results(plan.graph, store_of(place, plan), place.private)
    cohorts = open_cohorts(plan.study, place, HashCache(place.private))
    read = [cohorts.cohort(name) for name in plan.study.datasets]
    ids = {(row.root, row.image): row.participant for cohort in read for row in cohort.rows} if with_ids else {}
    private = {label for cohort in read for label in cohort.private}
    left_out: set[str] = set()
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    columns = ("test", "stage", "row", "replicate", "fold", "head", "participant", "target", "prediction")
    writer.writerow(columns if with_ids else tuple("image" if name == "participant" else name for name in columns))
    for node in plan.graph:
        if node.kind != "predict" or results.absent(node.work) is not None:
            continue
        use = node.uses[0]
        for head, scored in results.scored((node.work,)).items():
            rows = [
                r for r in results.view(node.hashed["views"]["rows"]) if r["labels"].get(scored.task.label) is not None
            ]
            for row, target, predicted in zip(rows, scored.targets, scored.predictions, strict=True):
                who = ids.get((row["root"], row["image"]), "") if with_ids else row["row"]
                hidden = scored.task.label in private and not with_private
                left_out |= {str(scored.task.label)} if hidden else set()
                values = " ".join(f"{value:.6g}" for value in predicted.reshape(-1))
                line = (
                    use["test"],
                    use["stage"],
                    "; ".join(use["row"].values()),
                    use["replicate"],
                    use["fold"],
                    head,
                    who,
                    "" if hidden else f"{target:g}",
                    values,
                )
                writer.writerow([cell(value) for value in line])
    return text.getvalue(), sorted(left_out)
