"""Nobody who is tested may have been trained on, under whatever name: refused at planning, with counts."""

import gzip
import shutil

import pytest
from images import other_voxel
from studies import Project

from tlimb.api.load import load
from tlimb.api.planning import make_plan
from tlimb.plan.leaks import Guard
from tlimb.problems import TlimbError
from tlimb.project import Asked, project

STAGE = {
    "data": {"bio_image": {"spacing_mm": 8, "crop": [20, 24, 20]}},
    "architecture": {"sfcn": {"channels": [4, 8]}},
    "objective": {"regression": {"target": "age"}},
    "optimizer": {"adamw": {"lr": 0.001}},
    "trainer": {"epochs": 1, "batch_size": 8},
}


def dataset(folder, **split):
    return {
        "files": {"bids": {"folder": folder, "suffix": "T1w"}},
        "split": {"holdout": split or {"train": "rest", "val": 0.2}},
    }


def study(stages, test="clinic", **datasets):
    before, chain = None, {}
    for name, of in stages.items():
        chain[name] = {**STAGE, "dataset": of, **({"from": before} if before else {})}
        before = name
    return {
        "tlimb": 1,
        "name": "leaks",
        "datasets": datasets,
        "stages": chain,
        "tests": {"held_out": {"of": before, "dataset": test}},
        "report": {"metrics": ["mae"]},
    }


@pytest.fixture
def cohorts(brains, tmp_path):
    """Make folders of people out of the cohort: name -> {own id: (person, family)}."""
    table = {line.split("\t")[0]: line.split("\t") for line in (brains / "participants.tsv").read_text().splitlines()}
    header = table.pop("participant_id")

    def make(name, people):
        folder = tmp_path / name
        lines = ["\t".join(header)]
        for own, (person, family) in people.items():
            lines.append("\t".join([f"sub-{own}", *table[f"sub-CANARY{person:04d}"][1:-1], family]))
            target = folder / f"sub-{own}" / "anat" / f"sub-{own}_T1w.nii.gz"
            target.parent.mkdir(parents=True)
            (source,) = brains.glob(f"sub-CANARY{person:04d}/anat/*.nii.gz")
            shutil.copy(source, target)
        shutil.copy(brains / "dataset_description.json", folder)
        (folder / "participants.tsv").write_text("\n".join(lines) + "\n")
        return folder

    make.folder = tmp_path
    return make


def people(first, last, prefix="p", shift=0):
    """Give strangers: ids of their own, families of their own."""
    return {f"{prefix}{k:02d}": (k + shift, f"{prefix}fam{k}") for k in range(first, last + 1)}


def refused(spec, folder):
    done = Project(folder, spec).tlimb("plan", code=77)
    said = " ".join(done.stderr.split())
    assert "leak-subjects" in said
    assert "CANARY" not in said
    return said


ALL_TEST = {"train": 0.2, "val": 0.2, "test": "rest"}


def test_siblings_across_pretraining_and_test_are_refused_with_counts(cohorts):
    folder = cohorts("brains", people(1, 30)).parent
    table = folder / "brains" / "participants.tsv"
    # Everybody's sibling is one id further, and nothing in the split keeps them together.
    table.write_text(
        "\n".join(
            line if k == 0 else "\t".join([*line.split("\t")[:-1], f"fam{(k - 1) // 2}"])
            for k, line in enumerate(table.read_text().splitlines())
        )
    )
    one = dataset("brains", train=0.5, val=0.2, test="rest")
    spec = study({"pretrain": "everyone", "finetune": "everyone"}, "everyone", everyone=one)
    said = refused(spec, folder)
    print(said)
    assert "tested in `held_out` have a relative in the" in said
    one["split"]["holdout"]["group"] = ["family"]
    Project(folder, spec).tlimb("plan")


def test_strangers_in_three_cohorts_are_no_leak(cohorts):
    cohorts("pre", people(1, 12, "a"))
    cohorts("mid", people(13, 24, "b"))
    folder = cohorts("clinic", people(25, 40, "c")).parent
    spec = study(
        {"pretrain": "pre", "middle": "mid", "finetune": "clinic"},
        pre=dataset("pre"),
        mid=dataset("mid"),
        clinic=dataset("clinic", **ALL_TEST),
    )
    assert "leak" not in Project(folder, spec).tlimb("plan").stderr


def test_equal_ids_of_different_people_in_two_cohorts_are_no_leak(cohorts):
    cohorts("pre", people(1, 12))
    folder = cohorts("clinic", {own: (k + 20, f"x{k}") for k, own in enumerate(people(1, 16))}).parent
    spec = study({"pretrain": "pre", "finetune": "clinic"}, pre=dataset("pre"), clinic=dataset("clinic", **ALL_TEST))
    assert "leak" not in Project(folder, spec).tlimb("plan").stderr
    for name in ("pre", "clinic"):
        spec["datasets"][name]["identity"] = {"namespace": "hospital"}
    assert "participants tested in `held_out` were in the" in refused(spec, folder)


def test_a_private_map_of_aliases_finds_the_same_people_under_other_ids(cohorts):
    cohorts("pre", people(1, 12, "a"))
    folder = cohorts("clinic", people(13, 30, "c")).parent
    spec = study({"pretrain": "pre", "finetune": "clinic"}, pre=dataset("pre"), clinic=dataset("clinic", **ALL_TEST))
    spec["datasets"]["pre"]["identity"] = {"namespace": "person"}
    spec["datasets"]["clinic"]["identity"] = {"namespace": "person", "map": "who.tsv"}
    who = folder / "tlimb-private" / "who.tsv"
    who.parent.mkdir(mode=0o700)
    who.write_text("participant_id\tidentity\n")
    Project(folder, spec).tlimb("plan")
    # Everybody of the clinic is somebody of the pretraining cohort.
    who.write_text("participant_id\tidentity\n" + "".join(f"c{k}\ta{(k - 13) % 12 + 1:02d}\n" for k in range(13, 31)))
    said = refused(spec, folder)
    assert "participants tested in `held_out` were in the" in said
    assert "a01" not in said
    assert "c13" not in said


def test_a_recompressed_copy_under_another_id_is_found_by_its_voxels(cohorts):
    source = cohorts("pre", people(1, 12, "a"))
    folder = cohorts("clinic", people(13, 30, "c")).parent
    spec = study({"pretrain": "pre", "finetune": "clinic"}, pre=dataset("pre"), clinic=dataset("clinic", **ALL_TEST))
    Project(folder, spec).tlimb("plan")
    copied = sorted(source.glob("sub-*/anat/*.nii.gz"))
    for k, path in enumerate(sorted((folder / "clinic").glob("sub-*/anat/*.nii.gz"))):
        path.write_bytes(gzip.compress(gzip.decompress(copied[k % 12].read_bytes()), 1, mtime=k))
    assert "have an image of equal content in the training of `pretrain`" in refused(spec, folder)
    for path in (folder / "clinic").glob("sub-*/anat/*.nii.gz"):
        other_voxel(path)
    Project(folder, spec).tlimb("plan")


@pytest.fixture
def three_stages(cohorts):
    """Whoever is tested in the clinic has a sibling in the cohort of the first of three stages."""
    cohorts("pre", people(1, 12, "a"))
    cohorts("mid", people(13, 24, "b"))
    folder = cohorts("clinic", {f"c{k}": (k, f"afam{k - 24}" if k <= 36 else f"cfam{k}") for k in range(25, 43)}).parent
    spec = study(
        {"pretrain": "pre", "middle": "mid", "finetune": "clinic"},
        pre=dataset("pre"),
        mid=dataset("mid"),
        clinic=dataset("clinic", **ALL_TEST),
    )
    return Project(folder, spec)


def test_siblings_across_three_stages_are_refused_when_cohorts_share_a_registry(three_stages):
    for name in ("pre", "clinic"):
        three_stages.spec["datasets"][name]["identity"] = {"namespace": "registry"}
    three_stages.write(three_stages.spec)
    said = refused(three_stages.spec, three_stages.folder)
    assert "of `pretrain`" in said


def test_a_guard_that_is_not_transitive_would_let_a_leak_through_two_stages_pass(cohorts, monkeypatch):
    cohorts("pre", people(1, 12, "a"))
    cohorts("mid", people(13, 24, "b"))
    folder = cohorts("clinic", {f"a{k - 24:02d}" if k <= 36 else f"c{k}": (k, f"f{k}") for k in range(25, 43)}).parent
    spec = study(
        {"pretrain": "pre", "middle": "mid", "finetune": "clinic"},
        pre=dataset("pre"),
        mid=dataset("mid"),
        clinic=dataset("clinic", **ALL_TEST),
    )
    for name in ("pre", "clinic"):
        spec["datasets"][name]["identity"] = {"namespace": "registry"}
    assert "of `pretrain`" in refused(spec, folder)
    path = Project(folder, spec).path

    def plan():
        loaded = load(path)
        return make_plan(loaded, project(loaded.sound(), path, Asked()))

    with pytest.raises(TlimbError, match="leak-subjects"):
        plan()

    def own_only(self, run, graph):
        views = run.hashed["views"].items()
        return frozenset((run.stage, f"{r}.{p}", v) for r, parts in views for p, v in parts.items() if v is not None)

    monkeypatch.setattr(Guard, "views_of", own_only)
    plan()  # the mutant sees nothing, so the test above would fail with it


def test_a_leak_can_be_planned_only_when_asked_for(cohorts):
    cohorts("pre", people(1, 12, "a"))
    folder = cohorts("clinic", people(1, 18, "c")).parent
    spec = study({"pretrain": "pre", "finetune": "clinic"}, pre=dataset("pre"), clinic=dataset("clinic", **ALL_TEST))
    refused(spec, folder)
    assert "warning[leak-subjects]" in Project(folder, spec).tlimb("plan", "--allow-leak").stderr


def test_a_ranking_of_a_refused_study_says_why_and_ends_as_its_plan_does(cohorts):
    cohorts("pre", people(1, 12, "a"))
    folder = cohorts("clinic", people(1, 18, "c")).parent
    spec = study({"pretrain": "pre", "finetune": "clinic"}, pre=dataset("pre"), clinic=dataset("clinic", **ALL_TEST))
    project = Project(folder, spec)

    refused_table = project.tlimb("rank", code=77)
    assert "error[leak-subjects]" in refused_table.stderr
    assert refused_table.stdout == ""

    allowed = project.tlimb("rank", "--allow-leak", code=75)  # nothing has run
    assert "warning[leak-subjects]" in allowed.stderr
    assert "LEAK, allowed by hand" in allowed.stdout
