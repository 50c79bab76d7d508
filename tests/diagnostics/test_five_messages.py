"""The five texts that decide whether a first study succeeds, held to the letter."""

from pathlib import Path

import pytest

from tests.diagnostics.conftest import nifti, people
from tlimb.api.load import load
from tlimb.api.planning import make_plan
from tlimb.language import catalogue
from tlimb.problems import TlimbError
from tlimb.problems.text import render
from tlimb.project import Asked, project

HEAD = """tlimb: 1
datasets:
  clinic:
    files: {table: {file: people.tsv, image: 'images/{participant_id}.npy'}}
    split: {holdout: {train: 0.6, val: 0.2, test: 0.2}}
"""
DEFAULTS = """defaults:
  dataset: clinic
  data: {bio_image: {spacing_mm: 8, crop: [20, 24, 20]}}
  architecture: ARCHITECTURE
  objective: {classification: {target: sex}}
  trainer: {epochs: 2, batch_size: 8}
"""
NETWORK = DEFAULTS.replace("ARCHITECTURE", "{resnet3d: {depth: 10}}")


@pytest.fixture
def said(tmp_path, monkeypatch):
    """Give what is printed for a spec, planned where the spec alone is right."""
    monkeypatch.chdir(tmp_path)
    known = catalogue.load()

    def say(text: str, components=known) -> str:
        spec = Path("study.yaml")
        spec.write_text(text)
        loaded = load(spec, components)
        found = list(loaded.problems)
        if not loaded.broken:
            try:
                found += make_plan(loaded, project(loaded.sound(), spec, Asked())).problems
            except TlimbError as error:
                found += error.problems
        return render(found, {"study.yaml": text})

    return say


def test_a_list_as_value_shows_both_ways_and_what_they_cost(said):
    text = said(
        HEAD
        + "replicates: 5\n"
        + NETWORK
        + """stages:
  pretrain: {objective: {regression: {target: age}}, optimizer: {adamw: {lr: 1e-3}}}
  finetune:
    from: {compare: [pretrain]}
    optimizer: {adamw: {lr: [1e-4, 1e-3]}}
    auxiliary: {compare: {free: none, near: {l2_sp: {alpha: 0.1}}, far: {l2_sp: {alpha: 0.01}}}}
  scratch: {like: finetune, from: none, auxiliary: none}
tests: {held_out: {of: [finetune, scratch]}}
""".replace("{compare: [pretrain]}", "pretrain")
    )
    assert text == (
        """study.yaml:17:29: error[list-as-value]: `lr` is one number; this is a list of 2
   |
17 |     optimizer: {adamw: {lr: [1e-4, 1e-3]}}
   |                             ^^^^^^^^^^^^
   = help: to try both and keep the better one on validation:   lr: {choice: [1e-4, 1e-3]}
   = help: to show both as rows of the final table:             lr: {compare: [1e-4, 1e-3]}
   = note: either doubles the trainings that read it (finetune + scratch: 20 -> 40); `compare` also doubles the rows (4 -> 8)
"""  # noqa: E501
    )


def test_another_tools_network_is_shown_for_volumes_and_for_slices(said):
    text = said(
        HEAD
        + DEFAULTS.replace("ARCHITECTURE", "resnet18")
        + "  optimizer: {adamw: {lr: 1e-3}}\nstages: {train: {}}\ntests: {held_out: {of: train}}\n",
        catalogue.load(),
    )
    assert text == (
        f"""study.yaml:9:17: error[unknown-architecture]: no architecture is called `resnet18`
  |
9 |   architecture: resnet18
  |                 ^^^^^^^^
  = help: write   architecture: {{resnet3d: {{depth: 18}}}}    for volumes (your `data: bio_image` gives volumes)
          or      architecture: {{timm: {{model: resnet18}}}}  for 2D slices
  = note: architectures here: {", ".join(catalogue.load().names("architecture"))}, or a class path; their options: `tlimb components architecture`
"""  # noqa: E501
    )


def test_a_limit_that_collapses_the_search_names_what_is_shared_and_the_way_out(said):
    text = said(
        HEAD
        + NETWORK
        + """  optimizer: {adamw: {lr: {log_uniform: [1e-5, 1e-2]}, weight_decay: {log_uniform: [1e-6, 1e-2]}}}
stages:
  pretrain: {objective: {regression: {target: age}}}
  finetune: {from: pretrain}
tests: {held_out: {of: finetune}}
search: {random: {count: 30, seed: 1, limit: {pretrain: 6}}}
select: {metric: auroc}
"""
    )
    assert text == (
        """study.yaml:17:39: error[limit-collapses]: 30 draws asked, but only 6 different trainings of `finetune` would be made
   |
17 | search: {random: {count: 30, seed: 1, limit: {pretrain: 6}}}
   |                                       ^^^^^ 6 trainings of `pretrain`: all that `pretrain` reads gets 6 values
12 |   optimizer: {adamw: {lr: {log_uniform: [1e-5, 1e-2]}, weight_decay: {log_uniform: [1e-6, 1e-2]}}}
   |                           --------------------------- read by `pretrain` and `finetune`: one value for both
   |                                                                      --------------------------- read by `pretrain` and `finetune`: one value for both
   = help: give `finetune` a space of its own: move what is searched into `stages/finetune`, and give `pretrain` its own (then: 6 trainings of `pretrain`, 30 of `finetune`)
   = help: or, if one value for both stages is meant, delete `limit` (30 trainings of each) or write `count: 6`
"""  # noqa: E501
    )


def test_several_images_of_a_person_are_counted_with_what_tells_them_apart(said, tmp_path):
    lines, number = ["participant_id\tsex"], 0
    for person in range(12):
        lines.append(f"sub-{person:02d}\t{'FM'[person % 2]}")
        for session in ("01", "02") if person < 4 else ("01",):
            number += 1
            name = f"sub-{person:02d}_ses-{session}_T1w.nii"
            path = tmp_path / "data" / f"sub-{person:02d}" / f"ses-{session}" / "anat" / name
            path.parent.mkdir(parents=True)
            path.write_bytes(nifti(bytes([number]) + bytes(7)))
    (tmp_path / "data" / "participants.tsv").write_text("\n".join(lines) + "\n")
    text = said(
        """tlimb: 1
datasets:
  ds_a: {files: {bids: {folder: data, suffix: T1w}}, split: {holdout: {train: 0.7, val: 0.3}}}
"""
        + NETWORK.replace("dataset: clinic", "dataset: ds_a")
        + "  optimizer: {adamw: {lr: 1e-3}}\nstages: {train: {}}\n"
    )
    assert text == (
        """study.yaml:3:18: error[image-not-unique]: 4 of 12 participants of `ds_a` have more than one T1w image
  |
3 |   ds_a: {files: {bids: {folder: data, suffix: T1w}}, split: {holdout: {train: 0.7, val: 0.3}}}
  |                  ^^^^ data: 12 participants, 16 images; they differ in session (4 participants)
  = help: narrow it:   only: {session: "01"}          (12 participants keep one image, 0 have none; --with-names lists them)
  = help: or use all:  only: {session: any}           (images of one person always stay in one part; each counts in the loss)
"""  # noqa: E501
    )


def test_tested_people_who_were_trained_on_are_counted_with_the_reason(said, tmp_path):
    later = "participant_id sex\n" + "".join(f"p{n:02d} {'FM'[n % 2]}\n" for n in range(1, 60) if n % 5)
    people(tmp_path, {"later/people.tsv": later})
    text = said(
        """tlimb: 1
datasets:
  baseline:
    files: {table: {file: people.tsv, image: 'images/{participant_id}.npy'}}
    split: {holdout: {train: 0.6, test: 0.4}}
    identity: {namespace: hospital}
  followup: {like: baseline, files: {table: {file: later/people.tsv, image: 'later/images/{participant_id}.npy'}}}
"""
        + NETWORK.replace("  dataset: clinic\n", "")
        + """  optimizer: {adamw: {lr: 1e-3}}
stages:
  train:
    dataset: baseline
tests:
  first_visit: {of: train}
  second_visit: {of: train, dataset: followup, part: test}
"""
    )
    assert text == (
        """study.yaml:19:38: error[leak-subjects]: 2 of the 19 participants tested in `second_visit` were in the training of `train`
   |
19 |   second_visit: {of: train, dataset: followup, part: test}
   |                                      ^^^^^^^^ part test: 19 participants
16 |     dataset: baseline
   |              -------- part train: 36 participants
   = help: keep one dataset with one split and view it twice:   baseline: {like: visits, only: {session: "01"}}   followup: {like: visits, only: {session: "02"}}
   = note: `followup` is `like: baseline` but reads other files, so its split was drawn anew
   = note: --allow-leak plans it anyway; the report then says so beside every number
"""  # noqa: E501
    )
