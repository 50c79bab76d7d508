"""The files that an editor reads beside a spec: what is in them, when they are made anew, and that nothing is run."""

import json

import jsonschema
import pytest

from tlimb.api.load import load
from tlimb.cli import run
from tlimb.editor.editor_files import Files, refresh
from tlimb.language import catalogue
from tlimb.language.source import read

SPEC = """# yaml-language-server: $schema=./.tlimb/schema.json
tlimb: 1
code: [./]
params:
  rate: {choice: [0.1, 0.2]}
  recipe: {choice: [{epochs: 1}, {epochs: 2}]}
datasets:
  people:
    files: {table: {file: people.csv, image: "{participant_id}.nii.gz"}}
    split: {holdout: {train: 0.6, val: 0.2, test: 0.2}}
stages:
  train:
    dataset: people
    data: {bio_image: {spacing_mm: 8, crop: [4, 4, 4]}}
    architecture: {my_lab.Net: {width: 4}}
    objective: {regression: {target: age}}
    optimizer: {adamw: {lr: {param: rate}}}
    trainer: {epochs: {param: recipe.epochs}, batch_size: 4}
tests: {held_out: {of: train}}
select: {metric: mae}
"""
CODE = '''"""Ours."""

from pathlib import Path

from tlimb.components.base import Metric
from tlimb.components.contracts import Encoder

Path(__file__).with_name("imported.txt").write_text("yes")


class Net(Encoder):
    """A small network.

    Args:
        width: channels.
    """

    def __init__(self, inputs, *, width: int = 4):
        super().__init__()


def with_limit(cls):
    def made(self, *, limit: float):
        self.limit = limit

    cls.__init__ = made
    return cls


@with_limit
class Within(Metric):
    """The share within a limit.

    Args:
        limit: largest distance.
    """

    kind = "number"
    direction = "max"

    def compute(self, targets, predictions):
        return 0.0
'''


@pytest.fixture
def spec(tmp_path):
    (tmp_path / "my_lab.py").write_text(CODE)
    (tmp_path / "people.csv").write_text("participant_id,age,sex\n")
    path = tmp_path / "study.yaml"
    path.write_text(SPEC)
    return path


@pytest.fixture
def written(spec):
    Files(read(spec)).write()
    return spec


def schema(spec):
    return json.loads((spec.parent / ".tlimb" / "schema.json").read_text())


def errors(spec):
    return [(problem.code, problem.help) for problem in load(spec).problems if problem.severity == "error"]


def test_the_schema_offers_the_names_of_the_spec_and_the_columns_of_its_tables(written):
    stage = schema(written)["properties"]["stages"]["additionalProperties"]["properties"]
    assert stage["like"]["examples"] == ["train"]
    assert stage["where"]["properties"].keys() == {"rate", "recipe"}
    target = schema(written)["$defs"]["objective_regression"]["properties"]["target"]
    offered = schema(written)["$defs"][target["allOf"][0]["$ref"].rpartition("/")[2]]["allOf"][0]["examples"]
    assert offered == ["age", "sex"]


def test_a_param_has_the_type_of_the_place_that_uses_it(written):
    validator = jsonschema.Draft7Validator(schema(written))
    content = read(written).root.data()
    assert validator.is_valid(content)
    assert not validator.is_valid({**content, "params": {**content["params"], "rate": "fast"}})
    assert not validator.is_valid({**content, "params": {**content["params"], "recipe": {"choice": [{"epochs": "x"}]}}})
    assert validator.is_valid({**content, "params": {**content["params"], "another": [1, {"a": "b"}]}})


def test_a_name_that_is_not_known_yet_is_not_refused(written):
    content = read(written).root.data()
    content["stages"]["train"]["dataset"] = "later"
    content["stages"]["train"]["architecture"] = {"my_lab.later.Net": {"depth": 3}}
    assert jsonschema.Draft7Validator(schema(written)).is_valid(content)


def test_the_schema_keeps_to_what_both_drafts_share(written):
    jsonschema.Draft7Validator.check_schema(schema(written))
    jsonschema.Draft202012Validator.check_schema(schema(written))
    text = json.dumps(schema(written))
    assert not [word for word in ("oneOf", "anyOf", '"not"', "unevaluated") if word in text]


def test_options_of_own_components_are_checked_once_they_are_described(spec):
    spec.write_text(SPEC.replace("width: 4", "widht: 4"))
    assert errors(spec) == []
    Files(read(spec)).write()
    assert errors(spec) == [("unknown-key", ("did you mean `width`?",))]


def test_code_that_has_changed_is_described_anew(written):
    module = written.parent / "my_lab.py"
    module.write_text(CODE.replace("width", "depth"))
    assert errors(written) == [("unknown-key", ("allowed here: depth",))]


def test_no_code_is_run_unless_it_is_allowed(written):
    refresh(read(written))
    load(written)
    assert not (written.parent / "imported.txt").exists()


def test_a_plan_knows_a_class_from_its_source_whatever_lies_in_the_folder(written):
    listing = load(written).catalogue.get("architecture", "my_lab.Net")
    assert listing.facts["dims"] == [2, 3]
    stored = written.parent / ".tlimb" / "catalogue.json"
    stored.write_text(stored.read_text().replace("my_lab.Within", "my_lab.Other"))
    assert load(written).catalogue.get("architecture", "my_lab.Net") == listing
    assert load(written).catalogue.get("metric", "my_lab.Other") is None
    stored.unlink()
    assert load(written).catalogue.get("architecture", "my_lab.Net") == listing


def test_a_spec_without_foreign_classes_knows_what_is_shipped(written):
    written.write_text(SPEC.replace("my_lab.Net: {width: 4}", "sfcn: {channels: [4, 8]}"))
    assert load(written).catalogue is catalogue.load()


def test_files_are_made_anew_when_a_name_is_given_and_left_alone_otherwise(written):
    file = written.parent / ".tlimb" / "schema.json"
    before = file.stat()
    assert refresh(read(written)) == []
    assert file.stat().st_ino == before.st_ino
    written.write_text(
        SPEC.replace("held_out", "another").replace("train:", "learn:").replace("of: train", "of: learn")
    )
    assert refresh(read(written)) == []
    assert schema(written)["properties"]["report"]["properties"]["against"]["examples"] == ["learn"]


def test_files_of_another_version_are_made_anew(written):
    file = written.parent / ".tlimb" / "catalogue.json"
    file.write_text(file.read_text().replace('"version": "', '"version": "0.'))
    assert refresh(read(written)) == []
    assert Files(read(written)).fresh


@pytest.mark.parametrize(
    "named",
    ["../other/schema.json", "../other/.tlimb/schema.json", "{other}/schema.json", ".tlimb/../../other/schema.json"],
)
def test_a_schema_of_another_project_is_never_written_whatever_the_first_line_says(spec, tmp_path, capsys, named):
    files = [tmp_path / "other" / name for name in ("schema.json", ".tlimb/schema.json", ".tlimb/catalogue.json")]
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("{}")
    (tmp_path / "clone").mkdir()
    clone = tmp_path / "clone" / "study.yaml"
    clone.write_text(SPEC.replace("./.tlimb/schema.json", named.format(other=tmp_path / "other")))
    run(["validate", str(clone)])
    run(["schema", "--project", str(clone)])
    assert [file.read_text() for file in files] == ["{}"] * 3
    assert {path for path in (tmp_path / "other").rglob("*") if path.is_file()} == set(files)
    assert (clone.parent / ".tlimb" / "schema.json").is_file()


@pytest.mark.parametrize("named", ["./.tlimb/schema.json", "../.tlimb/schema.json", "../../project/.tlimb/schema.json"])
def test_the_first_line_names_a_folder_of_the_project_or_above_it(tmp_path, named):
    folder = tmp_path / "project" / "deep"
    folder.mkdir(parents=True)
    (folder / "study.yaml").write_text(SPEC.replace("./.tlimb/schema.json", named))
    (made, _) = Files(read(folder / "study.yaml")).write()
    assert made == (folder if named.startswith("./") else folder.parent) / ".tlimb" / "schema.json"


def test_a_folder_of_the_editor_that_is_a_link_to_another_projects_is_not_written(written, tmp_path):
    other = tmp_path / "clone" / ".tlimb"
    other.parent.mkdir()
    other.symlink_to(written.parent / ".tlimb")
    before = schema(written)
    clone = other.with_name("study.yaml")
    clone.write_text(SPEC.replace("held_out", "another"))
    (problem,) = refresh(read(clone))
    assert (problem.code, problem.help) == ("editor-files-stale", (f"tlimb schema --project {clone}",))
    assert run(["schema", "--project", str(clone)]) == 73
    assert schema(written) == before


def test_without_a_schema_nothing_is_written(spec):
    assert refresh(read(spec)) == []
    assert not (spec.parent / ".tlimb").exists()


def test_files_that_cannot_be_made_anew_are_a_warning_with_the_command(written):
    catalogue_file = written.parent / ".tlimb" / "catalogue.json"
    catalogue_file.unlink()
    catalogue_file.mkdir()
    (problem,) = refresh(read(written))
    assert (problem.code, problem.severity) == ("editor-files-stale", "warning")
    assert problem.help == (f"tlimb schema --project {written}",)


def test_two_specs_of_a_folder_share_their_names(written):
    other = written.with_name("other.yaml")
    other.write_text(SPEC.replace("people:", "patients:").replace("dataset: people", "dataset: patients"))
    Files(read(other)).write()
    dataset = schema(written)["properties"]["datasets"]["additionalProperties"]["properties"]
    assert set(dataset["like"]["examples"]) == {"people", "patients"}
    assert Files(read(written)).fresh
    other.unlink()
    assert not Files(read(written)).fresh


def test_an_allowed_class_is_described_by_importing_it(spec, capsys):
    pytest.importorskip("torch")
    assert Files(read(spec)).kinds["metric"]["my_lab.Within"]["open"]
    assert run(["schema", "--project", str(spec), "--allow", "my_lab"]) == 0
    assert "metric my_lab.Within: limit" in capsys.readouterr().out
    assert (spec.parent / "imported.txt").exists()
    stored = json.loads((spec.parent / ".tlimb" / "catalogue.json").read_text())
    assert stored["kinds"]["metric"]["my_lab.Within"]["options"]["limit"]["schema"] == {"type": "number"}
    (spec.parent / "my_lab.py").write_text(CODE + "\n\nX = 1\n")
    (problem,) = refresh(read(spec))
    assert problem.help == (f"tlimb schema --project {spec} --allow my_lab",)


def test_the_command_prints_the_schemas_and_lists_own_components(written, capsys, monkeypatch):
    assert run(["schema"]) == 0
    assert json.loads(capsys.readouterr().out)["title"] == "tlimb study"
    assert run(["schema", "--manifest"]) == 0
    assert "manifest" in json.loads(capsys.readouterr().out)["title"]
    assert run(["schema", "--manifest", "--project", str(written)]) == 64
    for name in ("spec", "manifest", "plan", "problems", "rank", "status"):
        capsys.readouterr()
        assert run(["schema", "--of", name]) == 0
        assert json.loads(capsys.readouterr().out)["$id"].endswith(f"/{name}.json")
    assert run(["schema", "--of", "result"]) == 64
    assert "there is no schema of 'result'" in capsys.readouterr().err
    assert run(["schema", "--of", "rank", "--project", str(written)]) == 64
    monkeypatch.chdir(written.parent)
    assert run(["components", "architecture"]) == 0
    assert "architecture my_lab.Net\n  A small network." in capsys.readouterr().out
