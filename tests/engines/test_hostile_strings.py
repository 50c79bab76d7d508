"""A study full of shell and Groovy, really run by Nextflow: nothing of it is ever executed."""

import csv
import shutil

import pytest
from engines import ROOT, call, trace
from studies import Project, tlimb

ATTACKS = (
    "'; touch {canary} #",
    '"; touch {canary}; "',
    "$(touch {canary})",
    "`touch {canary}`",
    "${{['touch','{canary}'].execute()}}",
    "x\ntouch {canary}\n",
    "'''; touch {canary}; '''",
    "\\u0027; touch {canary} #",
    "| touch {canary}",
    "> {canary}",
    "&& touch {canary} &",
    "{{{{ cycler.__init__.__globals__.os.popen('touch {canary}') }}}}",
)


def hostile_study(folder, canary):
    """Give a study whose free text, names of files and values of its table are attacks, with the data it reads."""
    words = [attack.format(canary=canary.name) for attack in ATTACKS]
    tlimb(folder, "phantom", "brains", "-n", "40", "--families", "0")
    with (folder / "brains" / "participants.tsv").open(newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    place = words[0]
    (folder / place).mkdir()
    sex, age = words[3], words[4]
    with (folder / place / "people.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["who", "image", sex, age, "site", "odd"])
        for position, row in enumerate(rows):
            (image,) = (folder / "brains" / row["participant_id"]).glob("**/*_T1w.nii.gz")
            name = f"{words[0]}-{position}.nii.gz"
            shutil.copy(image, folder / place / name)
            who = f"{words[position % len(words)].strip()}-{position}"
            male = words[1] if row["sex"] == "M" else words[7]
            writer.writerow([who, name, male, row["age"], words[8], words[9] if position == 0 else "1"])
    adamw = {words[0]: {"adamw": {"lr": 1e-3}}, words[5].replace("\n", ""): {"adamw": {"lr": 1e-2}}}
    return {
        "tlimb": 1,
        "datasets": {
            "people": {
                "files": {"table": {"file": f"{place}/people.csv", "image": place + "/{image}", "id": "who"}},
                "cohort": words[10],
                "identity": {"namespace": words[11]},
                "labels": {
                    "sex": {"column": sex, "map": {words[1]: words[6], words[7]: words[5]}},
                    "age": {"column": age},
                },
                "missing": [words[9]],
                "only": {"site": [words[8]]},
                "split": {"holdout": {"train": 0.6, "val": 0.2, "test": 0.2}},
            }
        },
        "defaults": {
            "dataset": "people",
            "data": {"bio_image": {"spacing_mm": 8, "crop": [20, 24, 20]}},
            "architecture": {"sfcn": {"channels": [4, 8]}},
            "trainer": {"epochs": 1, "batch_size": 16},
        },
        "stages": {
            "first": {"objective": {"regression": {"target": "age"}}, "optimizer": {"adamw": {"lr": 1e-3}}},
            "second": {
                "from": "first",
                "objective": {"classification": {"target": "sex"}},
                "optimizer": {"compare": adamw},
            },
        },
        "tests": {"held_out": {"of": "second"}},
        "report": {"by": ["site"], "metrics": ["accuracy"]},
    }


def shells(text, folder):
    """Say whether a text, given to a shell as it is, leaves the canary: what the test would see if it were run."""
    found = folder / "canary"
    call(["bash", "-c", f"x=\"{text}\"; eval '{text}'"], folder, code=None)
    there = found.exists()
    found.unlink(missing_ok=True)
    return there


@pytest.mark.long
def test_p19_hostile_strings_in_every_free_text_are_data_to_a_real_run_and_never_commands(launch, tmp_path):
    canary = tmp_path / "canary"
    assert sum(shells(attack.format(canary="canary"), tmp_path / "shell") for attack in ATTACKS) >= 6, "no attacks"
    project = Project(tmp_path / "study")
    project.folder.mkdir()
    project.write(hostile_study(project.folder, canary))
    tlimb(project.folder, "emit", project.path.name, "-o", "build", "--with-names")
    launch(project.folder / "build", tmp_path / "launch")
    rows = trace(tmp_path / "launch" / "out")
    assert {row["status"] for row in rows} == {"COMPLETED"}
    assert len({row["name"].split(" ")[0] for row in rows}) >= 5
    assert not list(tmp_path.rglob("canary"))
    assert not (ROOT / "canary").exists()
