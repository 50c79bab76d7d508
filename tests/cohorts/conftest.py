"""Small real cohorts on disk, written with the standard library alone."""

import gzip
from pathlib import Path

import pytest
from cohort_making import image

from tlimb.cohorts.declaration import Declaration
from tlimb.cohorts.hashing import HashCache
from tlimb.cohorts.index import index
from tlimb.cohorts.rows import Cohort


@pytest.fixture
def bids(tmp_path):
    """Make a BIDS dataset of n people; columns: age, sex, site, family."""

    def make(n=12, folder="ds", sessions=(), table=True) -> Path:
        base = tmp_path / folder
        lines = ["participant_id\tage\tsex\tsite\tfamily"]
        for k in range(n):
            person = f"sub-{k:03d}"
            for visit in sessions or ("",):
                place = base / person / (f"ses-{visit}" if visit else "") / "anat"
                place.mkdir(parents=True, exist_ok=True)
                name = f"{person}_ses-{visit}_T1w.nii.gz" if visit else f"{person}_T1w.nii.gz"
                data = image(k * 10 + len(visit) + sum(map(ord, visit)))
                (place / name).write_bytes(gzip.compress(data, mtime=0))
            family = f"f{k // 2}" if k < n // 3 else "n/a"
            lines.append(f"{person}\t{20 + k}\t{'FM'[k % 2]}\t{'ABC'[k % 3]}\t{family}")
        if table:
            (base / "participants.tsv").write_text("\n".join(lines) + "\n")
        return base

    return make


@pytest.fixture
def declare(tmp_path):
    def make(folder="ds", **more) -> Declaration:
        options = more.pop("options", {"folder": folder, "suffix": "T1w"})
        given = {"reader": "bids", "private_root": tmp_path / "private", "name": "clinic", **more}
        name = given.pop("name")
        return Declaration(
            name=name, pointer=f"/datasets/{name}", options=options, root_name="data", root=tmp_path, **given
        )

    return make


@pytest.fixture
def made(bids, declare):
    """Index a dataset that must be fine."""

    def make(n=12, **more) -> Cohort:
        bids(n, **{k: more.pop(k) for k in ("folder", "sessions", "table") if k in more})
        cohort, problems = index(declare(**more), HashCache())
        assert cohort is not None, problems
        return cohort

    return make
