"""Lightning's callbacks, observers and loggers through the real command, on a tiny cohort."""

import csv
import shutil

import pytest
from studies import TINY, Project, tlimb

CALLBACKS = "lightning.pytorch.callbacks"
SPEC = {
    **{key: TINY[key] for key in ("tlimb", "name", "roots")},
    "datasets": {"people": {**TINY["datasets"]["people"], "labels": {}}},
    "stages": {
        "train": {
            "dataset": "people",
            **TINY["defaults"],
            "objective": {"regression": {"target": "age"}},
            "optimizer": {"adamw": {"lr": 0.001}},
            "callbacks": [{f"{CALLBACKS}.EMAWeightAveraging": {"decay": 0.8}}],
        }
    },
    "tests": {"held_out": {"of": "train"}},
    "report": {"metrics": ["mae"]},
    "execution": {"observers": [f"{CALLBACKS}.LearningRateMonitor"], "loggers": ["csv"]},
}


@pytest.fixture
def study(brains, tmp_path):
    project = Project(tmp_path / "project", SPEC)
    shutil.copytree(brains, project.folder / "data" / "brains")
    return project


def test_a_study_with_a_callback_an_observer_and_a_logger_runs_where_lightning_is_allowed(study):
    study.tlimb("validate")
    planned = study.plan()
    (train,) = planned.of("fit")
    (callback,) = planned.nodes[train]["hashed"]["callbacks"]
    assert callback["package"].startswith("lightning ")
    assert "code" not in callback

    refused = study.run(code=77)
    assert "--allow lightning" in refused.stdout + refused.stderr
    assert train not in study.objects()

    study.run("--allow", "lightning")
    folder = study.store / "records" / train / "training"
    with (folder / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert float(rows[-1]["train/age"]) >= 0
    assert any(name.startswith("lr-") for name in rows[0]), "the observer's numbers"
    assert {"hparams.json", "metrics.csv"} <= {path.name for path in folder.iterdir()}

    trained = study.objects()
    assert "0 nodes computed" in study.run("--allow", "lightning").stdout
    study.edit({"execution": {}})
    # Nothing is left to do, so nothing has to be allowed.
    assert "0 nodes computed" in study.run().stdout
    assert study.objects() == trained


def test_a_plan_folder_hands_its_loggers_to_the_runs_of_its_manifests(study):
    study.edit({"stages/train/callbacks": "none", "execution/observers": []})
    planned = study.plan()
    (train,) = planned.of("fit")
    tlimb(study.folder, "run", planned.folder.name, "-j", "2", "--root", "cohort=data")
    assert (study.store / "records" / train / "training" / "metrics.csv").is_file()
