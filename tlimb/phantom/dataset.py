"""A phantom cohort as a BIDS folder: images, tables, the hidden truth and a stamp of how it was made."""

import json
import secrets
import shutil
import struct
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import nibabel
import numpy as np

from tlimb.phantom import people, render, series
from tlimb.phantom.people import Person
from tlimb.problems import ExitCode, Problem, TlimbError

STAMP = "phantom.json"
VERSION = 1
COLUMNS = {
    "age": {"Description": "Age at the first visit", "Units": "year"},
    "sex": {"Description": "Sex", "Levels": {"F": "female", "M": "male"}},
    "diagnosis": {
        "Description": "Diagnosis, wrong for 5 in 100",
        "Levels": {"control": "control", "patient": "patient"},
    },
    "site": {"Description": "Site, each with a scanner of its own"},
    "family": {"Description": "Siblings have the same family"},
}


def make(
    folder: Path,
    participants: int = 120,
    sites: int = 3,
    visits: int = 1,
    families: float = 0.0,
    voxel_mm: float = 8,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
    regions: int = 0,
) -> Path:
    """Write a cohort; a folder that holds the same cohort already is left alone.

    The folder appears whole or not at all. Person k is the same for any number of participants.

    Args:
        folder: where it is made; it must not exist, be empty, or hold this very cohort.
        participants: number of people, from 1 to 9999.
        sites: number of sites, from 1 to 26.
        visits: number of visits of each person, from 1 to 99.
        families: share of people with a sibling, 0 to 1.
        voxel_mm: edge of a voxel, 4 or 8 mm.
        seed: from 0.
        progress: called with (images done, images in all).
        regions: number of regions, from 2 to 400, whose resting-state series are written into `derivatives/series`;
            0 for none.

    Returns:
        The folder.

    Raises:
        TlimbError: an option is out of range, or the folder holds something else.
    """
    stamp = {
        "participants": participants,
        "sites": sites,
        "visits": visits,
        "families": families,
        "voxel_mm": voxel_mm,
        "seed": seed,
        # Not in the stamp of a cohort without: it is the one that earlier versions made.
        **({"regions": regions} if regions else {}),
    }
    _check(stamp)
    content = {"tlimb-phantom": VERSION, **stamp}
    folder = Path(folder).absolute()
    if _ready(folder, content):
        return folder
    draft = folder.parent / f".{folder.name}.{secrets.token_hex(4)}.tmp"
    draft.mkdir(parents=True)
    try:
        _write(draft, content, progress)
        if folder.is_dir():
            folder.rmdir()
        draft.rename(folder)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    return folder


def _check(stamp: dict[str, Any]) -> None:
    ranges = {"participants": (1, 9999), "sites": (1, 26), "visits": (1, 99), "families": (0, 1), "regions": (2, 400)}
    for name, (low, high) in ranges.items():
        if name in stamp and not low <= stamp[name] <= high:
            message = f"{stamp[name]} is no number of {name} from {low} to {high}"
            raise TlimbError(Problem("phantom-option", message), ExitCode.USAGE)
    if stamp["voxel_mm"] not in (4, 8):
        message = f"there is no template with voxels of {stamp['voxel_mm']:g} mm"
        raise TlimbError(Problem("phantom-option", message, help="use 4 or 8"), ExitCode.USAGE)
    if stamp["seed"] < 0:
        raise TlimbError(Problem("phantom-option", "a seed is at least 0"), ExitCode.USAGE)


def _ready(folder: Path, content: dict[str, Any]) -> bool:
    """Tell whether the cohort is there; refuse a folder that holds anything else."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return False
    try:
        held = json.loads((folder / STAMP).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        held = None
    if held == content:
        return True
    message = "the folder is not empty" if held is None else "the folder holds another phantom"
    help_ = "choose another folder, or remove this one first"
    raise TlimbError(Problem("folder-not-empty", message, help=help_), ExitCode.CANNOT_WRITE)


def _write(folder: Path, content: dict[str, Any], progress: Callable[[int, int], None] | None) -> None:
    seed, visits = int(content["seed"]), int(content["visits"])
    base = render.template(int(content["voxel_mm"]))
    scanners = [people.scanner(seed, site) for site in range(content["sites"])]
    header = header_of(base)
    total = content["participants"] * visits
    everyone = []
    for number in range(content["participants"]):
        who = people.person(seed, number, content["sites"], visits, float(content["families"]))
        everyone.append(who)
        for visit in range(visits):
            noise = people.generator(seed, 4, number, visit)
            image = render.render(base, people.anatomy(seed, who, visit), scanners[who.site], noise)
            _save(folder, who, visit, visits, image, header)
            if "regions" in content:
                _series(folder, who, visit, visits, series.draw(seed, who, visit, content["regions"]))
            if progress is not None:
                progress(number * visits + visit + 1, total)
    if "regions" in content:
        _description(folder / "derivatives" / "series", "Resting-state series of the phantom cohort", "derivative")
    _tables(folder, everyone, visits)
    _truth(folder, seed, everyone, visits)
    _description(folder, "Phantom cohort", "raw")
    notice = (render.DATA / "NOTICE.txt").read_text(encoding="utf-8")
    about = f"Synthetic brains with known effects, made by `tlimb phantom`.\n\n{notice}"
    (folder / "README").write_text(about, encoding="utf-8")
    (folder / ".bidsignore").write_text(f"{STAMP}\n", encoding="utf-8")
    _json(folder / STAMP, content)


def _save(folder: Path, who: Person, visit: int, visits: int, image: np.ndarray[Any, Any], header: bytes) -> None:
    session = f"ses-{visit + 1:02d}" if visits > 1 else ""
    place = folder / who.participant / session / "anat"
    place.mkdir(parents=True)
    name = "_".join(part for part in (who.participant, session, "T1w") if part)
    (place / f"{name}.nii.gz").write_bytes(packed(header + image.tobytes(order="F")))
    sidecar = {
        "Modality": "MR",
        "MagneticFieldStrength": 3,
        "InstitutionName": f"site {who.site_name}",
        "SkullStripped": True,
    }
    _json(place / f"{name}.json", sidecar)


def _series(folder: Path, who: Person, visit: int, visits: int, values: np.ndarray[Any, Any]) -> None:
    """Write a table with a row for each time point, and the time between two of them."""
    session = f"ses-{visit + 1:02d}" if visits > 1 else ""
    place = folder / "derivatives" / "series" / who.participant / session / "func"
    place.mkdir(parents=True)
    name = "_".join(part for part in (who.participant, session, "task-rest_timeseries") if part)
    columns = [f"region_{region + 1:03d}" for region in range(values.shape[1])]
    _tsv(place / f"{name}.tsv", columns, [[f"{value:.5g}" for value in row] for row in values])
    _json(place / f"{name}.json", {"RepetitionTime": series.repetition_time_s(who.site), "TaskName": "rest"})


def header_of(base: render.Template) -> bytes:
    """Give the NIfTI-1 header, its extension flag included, that all images of a template share."""
    shape = base.grid.shape[1:]
    nifti = nibabel.Nifti1Image(np.zeros(shape, dtype=np.int16), base.affine)
    nifti.header.set_xyzt_units("mm")
    nifti.header.set_slope_inter(1, 0)
    nifti.set_sform(base.affine, code=4)  # 4: MNI152
    nifti.set_qform(base.affine, code=4)
    found: bytes = nifti.to_bytes()[: -2 * int(np.prod(shape))]
    return found


def packed(data: bytes) -> bytes:
    """Compress as gzip without time, name and system, so that equal images are equal files."""
    engine = zlib.compressobj(6, zlib.DEFLATED, -15)
    body = engine.compress(data) + engine.flush()
    return b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + body + struct.pack("<II", zlib.crc32(data), len(data) & 0xFFFFFFFF)


def _tables(folder: Path, everyone: Sequence[Person], visits: int) -> None:
    rows = [
        [who.participant, f"{who.ages[0]:.1f}", who.sex, who.diagnosis, who.site_name, who.family_name]
        for who in everyone
    ]
    _tsv(folder / "participants.tsv", ["participant_id", *COLUMNS], rows)
    _json(folder / "participants.json", COLUMNS)
    if visits == 1:
        return
    for who in everyone:
        held = [[f"ses-{visit + 1:02d}", f"{age:.1f}"] for visit, age in enumerate(who.ages)]
        _tsv(folder / who.participant / f"{who.participant}_sessions.tsv", ["session_id", "age"], held)


def _truth(folder: Path, seed: int, everyone: Sequence[Person], visits: int) -> None:
    """Write what only the maker knows, out of the way of the raw data."""
    place = folder / "derivatives" / "truth"
    place.mkdir(parents=True)
    _description(place, "Truth of the phantom cohort", "derivative")
    names = ["scale", "ventricle_mm", "cortex_loss", "shrink_mm", "contrast", "hippocampus_loss"]
    rows = []
    for who in everyone:
        for visit in range(visits):
            brain = people.anatomy(seed, who, visit)
            values = [f"{getattr(brain, name):.6f}" for name in names]
            state = "patient" if who.patient else "control"
            session = f"ses-{visit + 1:02d}" if visits > 1 else "n/a"
            rows.append([who.participant, session, state, f"{who.gap:.6f}", *values])
    _tsv(place / "truth.tsv", ["participant_id", "session_id", "state", "gap", *names], rows)


def _description(folder: Path, name: str, kind: str) -> None:
    content: dict[str, Any] = {
        "Name": name,
        "BIDSVersion": "1.10.0",
        "DatasetType": kind,
        "License": "Derived from the MNI152 template; keep its notice, which is in README",
        "Authors": ["tlimb phantom"],
    }
    if kind == "derivative":
        content["GeneratedBy"] = [{"Name": "tlimb phantom"}]
    _json(folder / "dataset_description.json", content)


def _tsv(path: Path, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    lines = ["\t".join(header), *("\t".join(row) for row in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
