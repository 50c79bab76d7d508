import json
import os
import random
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from mutating import SPECS

from tlimb.language import schema
from tlimb.language.catalogue import from_json, load
from tlimb.language.checking import check, structure
from tlimb.language.grammar import Grammar, grammar
from tlimb.language.shapes import CLASS_PATH, Shape
from tlimb.language.source import parse, read
from tlimb.problems import Severity

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "schema" / "v1"
SCHEMAS = sorted(path.name for path in FOLDER.glob("*.json") if path.name != "catalogue.json")
SEED = int(os.environ.get("TLIMB_SEED", "20260101"))


def _schemas(node: Any, path: str = ""):
    """Give every schema inside a schema with its path; what stands under `if` and `then` are conditions, not places."""
    yield path, node
    for word in ("properties", "patternProperties", "$defs"):
        for name, inner in node.get(word, {}).items():
            yield from _schemas(inner, f"{path}/{word}/{name}")
    for word in ("items", "additionalProperties"):
        if isinstance(node.get(word), dict):
            yield from _schemas(node[word], f"{path}/{word}")


def _words(node: Any):
    if isinstance(node, dict):
        for key, inner in node.items():
            yield key
            if key not in ("properties", "patternProperties", "$defs", "default", "examples", "enum"):
                yield from _words(inner)
            elif isinstance(inner, dict) and key not in ("default",):
                for value in inner.values():
                    yield from _words(value)
    elif isinstance(node, list):
        for inner in node:
            yield from _words(inner)


@pytest.mark.parametrize("name", SCHEMAS)
def test_schemas_are_valid_under_both_drafts(name):
    content = json.loads((FOLDER / name).read_text())
    jsonschema.Draft7Validator.check_schema(content)
    jsonschema.Draft202012Validator.check_schema(content)
    assert content["$schema"] == schema.DRAFT


@pytest.mark.parametrize("name", SCHEMAS)
def test_schemas_use_only_words_that_both_drafts_and_editors_share(name):
    used = set(_words(json.loads((FOLDER / name).read_text())))
    refused = {"oneOf", "anyOf", "not", "dependencies", "dependentRequired", "unevaluatedProperties", "prefixItems"}
    assert not used & (refused | {"definitions", "$dynamicRef", "$anchor", "contains", "const"})


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_place_has_a_title(name):
    content = json.loads((FOLDER / name).read_text())
    bare = [path for path, node in _schemas(content) if "title" not in node and "$ref" not in node]
    assert bare == []


@pytest.mark.parametrize("name", [name for name in SCHEMAS if name != "spec.json"])
def test_every_object_of_an_output_is_closed_and_every_key_has_words(name):
    content = json.loads((FOLDER / name).read_text())
    for path, node in _schemas(content):
        # What differs by kind is closed in the definition of each kind.
        if node.get("properties") and "allOf" not in node:
            assert node["additionalProperties"] is False, path
            assert [key for key, one in node["properties"].items() if not one.get("description")] == [], path
            assert node.get("description") or path.count("/") < 2, path


def test_references_stand_alone_and_lead_somewhere():
    content = json.loads((FOLDER / "spec.json").read_text())
    for path, node in _schemas(content):
        if "$ref" in node:
            assert set(node) == {"$ref"}, path
            assert node["$ref"].removeprefix("#/$defs/") in content["$defs"], path


def test_the_committed_schema_fits_the_committed_catalogue():
    known = from_json(json.loads((FOLDER / "catalogue.json").read_text()))
    assert json.loads((FOLDER / "spec.json").read_text()) == schema.spec(known), "run: make generate"


def test_generated_files_are_current():
    pytest.importorskip("torch")
    pytest.importorskip("monai")
    from tlimb import export

    assert export.generate(write=False) == [], "out of date; run: make generate"


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_every_example_passes_the_checks_and_the_schema(path, catalogue):
    source = read(path)
    assert [problem for problem in check(source, catalogue) if problem.severity is Severity.ERROR] == []
    assert list(jsonschema.Draft7Validator(schema.spec(catalogue)).iter_errors(source.root.data())) == []


def test_manifests_keep_the_schema_and_each_kind_has_its_own_keys():
    from tlimb.manifest import Manifest

    validator = jsonschema.Draft7Validator(json.loads((FOLDER / "manifest.json").read_text()))
    component = {"class": "tlimb.x.Y", "revision": 1, "options": {}}
    prepare = {"kind": "prepare", "data": component, "view": "a" * 64}
    predict = {"kind": "predict", "parents": {"model": "b" * 64}, "views": {"rows": "a" * 64}}
    for hashed in (prepare, predict):
        assert list(validator.iter_errors(Manifest.of(hashed, {"study": "s"}).to_json())) == []
        assert not validator.is_valid(Manifest.of({**hashed, "seed": 1}).to_json())
        for key in hashed:
            assert not validator.is_valid(
                Manifest.of({k: v for k, v in hashed.items() if k != key} | {"x": 1}).to_json()
            )


_TEXTS = ("word", "a b", "Ä", "a1", "data/x", "sha256:" + "0" * 64, "nvidia.com/gpu", "x@y.de", "recipe.lr", "/data")


class _Dice:
    """Draws a value that fits a shape: the positive side of what the mutations test."""

    def __init__(self, seed: int, language: Grammar) -> None:
        self.random = random.Random(seed)
        self.language = language

    def value(self, shape: Shape, depth: int = 0) -> Any:
        if shape.anything:
            return self.random.choice([1, 0.5, "word", True, [1, "a"], {"a": {"b": 2}}, {"choice": [1, "x"]}])
        forms = [self._scalar] if shape.types or shape.share else []
        forms += [lambda shape, depth: "none"] if shape.none else []
        forms += [self._component] if shape.kind else []
        if depth < 9:
            forms += [self._node] if shape.nodes else []
            forms += [self._list] if shape.items is not None else []
            forms += [self._block] if shape.keys is not None else []
            forms += [self._map] if shape.values is not None else []
        return self.random.choice(forms or [self._list])(shape, depth)

    def _scalar(self, shape: Shape, depth: int) -> Any:
        if shape.share:
            return self.random.choice(["rest", 0.25, 2, 300])
        if shape.enum:
            return self.random.choice(shape.enum)
        kind = self.random.choice(shape.types)
        if kind == "boolean":
            return self.random.random() < 0.5
        if kind == "string":
            pattern = shape.limits.get("pattern", "")
            return self.random.choice([text for text in (*shape.examples, *_TEXTS) if re.search(pattern, text)])
        low, high = self._bounds(shape)
        if kind == "integer":
            return self.random.randint(low + ("exclusiveMinimum" in shape.limits), high)
        return round(self.random.uniform(low + (high - low) / 100, high - (high - low) / 100), 6)

    @staticmethod
    def _bounds(shape: Shape) -> tuple[Any, Any]:
        low = shape.limits.get("minimum", shape.limits.get("exclusiveMinimum", -50))
        return low, shape.limits.get("maximum", shape.limits.get("exclusiveMaximum", low + 100))

    def _component(self, shape: Shape, depth: int) -> Any:
        name = self.random.choice([*self.language.catalogue.names(shape.kind), "my_lab.Net"])
        options = self.language.component(shape.kind, name)
        if options is None:
            return {name: {"width": 3}}
        if options.null and self.random.random() < 0.5:
            return self.random.choice([name, {name: None}])
        return {name: self._block(options, depth)}

    def _node(self, shape: Shape, depth: int) -> Any:
        word = self.random.choice(shape.nodes)
        if word in ("choice", "compare"):
            inner = [self.value(shape, depth + 3) for _ in range(self.random.randint(1, 2))]
            if word == "compare" and self.random.random() < 0.5:
                return {word: {f"label {i}": value for i, value in enumerate(inner)}}
            return {word: inner}
        low, high = self._bounds(shape)
        ends = [max(low, 0) + 1, max(low, 0) + 2]
        if word == "param" or high < ends[1]:
            return {"param": self.random.choice(["lr", "recipe.lr"])}
        return {word: ends, **({"key": "old/place"} if self.random.random() < 0.5 else {})}

    def _list(self, shape: Shape, depth: int) -> list[Any]:
        least = shape.sizes.get("minItems", 0)
        most = min(shape.sizes.get("maxItems", least + 2), least + 2)
        return [self.value(shape.items, depth + 2) for _ in range(self.random.randint(least, most))]

    def _block(self, shape: Shape, depth: int) -> dict[str, Any]:
        optional = [name for name in shape.keys if name not in shape.required]
        chosen = self.random.sample(optional, min(len(optional), self.random.randint(0, 6)))
        return {name: self.value(shape.keys[name], depth + 1) for name in [*shape.required, *chosen]}

    def _map(self, shape: Shape, depth: int) -> dict[str, Any]:
        chosen = self.random.sample(["a", "pretrain", "b_2", "x9"], self.random.randint(1, 2))
        return {name: self.value(shape.values, depth + 1) for name in chosen}


def test_random_specs_that_fit_the_grammar_pass_the_checks_and_the_schema(catalogue):
    language = grammar(catalogue)
    validator = jsonschema.Draft7Validator(schema.spec(catalogue))
    for i in range(150):
        content = _Dice(SEED + i, language).value(language.study)
        source = parse(json.dumps(content, ensure_ascii=False), Path("spec.yaml"))
        assert source.root.data() == content
        refused = [(list(error.absolute_path), error.message) for error in validator.iter_errors(content)]
        assert refused == [], i
        # the names of params are drawn too, so what they hold seldom fits where they are used
        walk = structure(source, catalogue)
        assert [p for p in walk.problems if p.severity is Severity.ERROR] == [], i


def test_the_catalogue_answers_by_kind_name_and_class():
    known = load()
    adamw = known.get("optimizer", "adamw")
    assert adamw is not None
    assert "lr" in adamw.required
    assert "weight_decay" in adamw.defaults
    assert known.by_class("optimizer", adamw.cls) == adamw
    assert known.get("optimizer", "none_such") is None
    assert set(known.names("split")) == {"holdout", "kfold", "leave_one_out", "column"}
    assert known.get("metric", "auroc").facts["direction"] == "max"
    assert known.get("objective", "regression").facts["kind"] == "number"


def test_an_extended_catalogue_leaves_the_first_as_it_was():
    known = load()
    more = known.with_extra({"layout": {"ours": {"options": {"version": {"schema": {"type": "integer"}}}}}})
    assert more.get("layout", "ours").options["version"].schema == {"type": "integer"}
    assert known.get("layout", "ours") is None
    assert set(known.names("split")) == set(more.names("split"))


def test_class_paths_need_a_dot():
    assert re.search(CLASS_PATH, "my_lab.models.Net")
    assert not re.search(CLASS_PATH, "Net")
    assert not re.search(CLASS_PATH, "a..b")
