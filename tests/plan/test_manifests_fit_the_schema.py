"""Every manifest that the planner writes is valid under the published schema, and what a reader needs is in it."""

import copy
import gzip
import json
import struct

import pytest
from conftest_plan import SPECS, TESTS, expand_file
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML

from tlimb.api.load import load
from tlimb.api.planning import make_plan
from tlimb.export import schemas, stamped
from tlimb.manifest import canonical
from tlimb.manifest.structure import content_json
from tlimb.project import Asked, project

SCHEMA = json.loads((TESTS.parent / "schema" / "v1" / "manifest.json").read_text(encoding="utf-8"))
VALID = Draft202012Validator(SCHEMA)
EXAMPLES = sorted([*SPECS.glob("*.yaml"), *(TESTS / "specs").glob("*.yaml")])
REAL = """
tlimb: 1
datasets:
  clinic:
    files: {table: {file: people.tsv, image: "images/{participant_id}.nii.gz"}}
    labels: {sex: {private: true}}
    split: {kfold: {folds: 2, inner: {folds: 2}}}
defaults:
  dataset: clinic
  data: {volume_3d: {preprocess: [canonical, zscore]}}
  optimizer: {adamw: {lr: {choice: [1e-3, 1e-2]}}}
  trainer: {epochs: 2, batch_size: 2, keep: best, monitor: {metric: loss}}
stages:
  pre: {architecture: {resnet3d: {depth: 10}}, objective: {regression: {target: age}}}
  fine: {from: pre, objective: {classification: {target: sex}}, freeze: {up_to: all}}
tests: {out: {of: fine}}
select: {metric: auroc}
"""


def problems(content):
    return [f"{error.json_path}: {error.message[:100]}" for error in VALID.iter_errors(content)]


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """Plan a nested study on real files, with everything the symbolic answers leave out."""
    folder = tmp_path_factory.mktemp("real")
    (folder / "images").mkdir()
    lines = ["participant_id\tage\tsex"]
    for number in range(16):
        header = bytearray(348)
        struct.pack_into("<i", header, 0, 348)
        struct.pack_into("<8h", header, 40, 3, 2, 3, 4, 1, 1, 1, 1)
        struct.pack_into("<hh", header, 70, 4, 16)
        struct.pack_into("<8f", header, 76, 1.0, 1.0, 2.0, 2.5, 1, 1, 1, 1)
        struct.pack_into("<3f", header, 108, 352.0, 1.0, 0.0)
        struct.pack_into("<h", header, 252, 1)
        header[344:348] = b"n+1\0"
        image = bytes(header) + b"\0\0\0\0" + struct.pack("<24h", *range(number, number + 24))
        (folder / "images" / f"p{number:02d}.nii.gz").write_bytes(gzip.compress(image, mtime=0))
        lines.append(f"p{number:02d}\t{20.5 + number}\t{'FM'[number // 2 % 2]}")
    (folder / "people.tsv").write_text("\n".join(lines) + "\n")
    (folder / "spec.yaml").write_text(REAL)
    loaded = load(folder / "spec.yaml")
    return make_plan(loaded, project(loaded.sound(), loaded.source.path, Asked()))


def test_the_committed_schema_is_the_generated_one():
    assert stamped("manifest", schemas()["manifest"]) == SCHEMA, "run   make generate"


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_manifest_of_an_example_is_valid(path):
    expected = TESTS / "expected" / f"{path.stem}.yaml"
    cohorts = YAML(typ="safe").load(expected.read_text()).get("cohorts") if expected.is_file() else None
    nodes = list(expand_file(path, cohorts).graph)
    assert nodes
    for node in nodes:
        assert not problems(node.to_json())
        assert canonical(content_json(node.content)) == canonical(node.hashed)


def test_every_manifest_of_a_plan_on_real_files_is_valid_and_complete(real):
    kinds = {node.kind.value for node in real.graph}
    assert kinds == {"prepare", "fit", "select", "predict"}
    for node in real.graph:
        assert not problems(json.loads(json.dumps(node.to_json())))
        assert canonical(content_json(node.content)) == canonical(node.hashed)
    fits = [node for node in real.graph if node.kind == "fit"]
    assert any("epochs_from" in node.hashed["parents"] for node in fits)
    assert all(node.hashed["inputs"] == {"shape": [2, 3, 4], "spacing_mm": [1.0, 2.0, 2.5]} for node in fits)
    facts = {json.dumps(head["facts"], sort_keys=True) for node in fits for head in node.hashed["heads"]}
    assert any('"mean": null' not in one for one in facts)
    assert any('"classes": ["' in one for one in facts)


def test_p22_a_plan_on_real_files_names_nobody(real):
    for node in real.graph:
        text = json.dumps(node.to_json())
        assert not any(f"p{number:02d}" in text for number in range(16))
        assert '"F"' not in text
        assert "images/" not in text


def test_a_manifest_with_any_key_missing_added_or_of_another_type_is_not_valid(real):
    for kind in ("prepare", "fit", "select", "predict"):
        content = next(node for node in real.graph if node.kind == kind).to_json()
        for key in content["hashed"]:
            broken = copy.deepcopy(content)
            del broken["hashed"][key]
            assert problems(broken), f"{kind}: nothing said that {key} is missing"
            if key in ("seed", "view", "heads", "trainer", "parents", "views", "data", "kind"):
                broken = copy.deepcopy(content)
                broken["hashed"][key] = 1.5
                assert problems(broken), f"{kind}: {key} may be a number"
        assert problems({**content, "more": 1})
        assert problems({**content, "hashed": {**content["hashed"], "more": 1}})
        assert problems({**content, "work": content["work"][:63]})


@pytest.mark.parametrize(
    "edit",
    [
        {"trainer": {"epochs": 0}},
        {"trainer": {"precision": "fp8"}},
        {"trainer": {"more": 1}},
        {"freeze": {"more": 1}},
        {"adapt": {"heads": "other"}},
        {"inputs": {"shape": [2, -3]}},
        {"parents": {"encoder": "no digest"}},
        {"views": {"data": {"test": "f" * 64}}},
    ],
    ids=lambda edit: json.dumps(edit),
)
def test_blocks_inside_a_fit_are_closed_and_typed(real, edit):
    content = next(node for node in real.graph if node.kind == "fit").to_json()
    ((block, change),) = edit.items()
    content["hashed"] = {**content["hashed"], block: {**content["hashed"][block], **change}}
    assert problems(content)
