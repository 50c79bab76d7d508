"""Every field of every kind of manifest against the table of docs/identity.md: does it enter work?"""

import copy
import json
import re

import attrs
import pytest
from conftest_plan import SPECS, TESTS, expand_file, expand_text
from ruamel.yaml import YAML

from tlimb.manifest import Manifest, canonical, digest
from tlimb.manifest.contents import CONTENTS
from tlimb.manifest.fields import key_of, may_lack

DOC = (TESTS.parent / "docs" / "identity.md").read_text(encoding="utf-8")
EXAMPLES = sorted([*SPECS.glob("*.yaml"), *(TESTS / "specs").glob("*.yaml")])
REFITTED = """
tlimb: 1
datasets:
  clinic: {files: {bids: {folder: b}}, split: {kfold: {folds: 2, inner: {folds: 2}}}}
stages:
  train:
    dataset: clinic
    data: {volume_3d: {preprocess: [canonical]}}
    architecture: {my_lab.nets.Tiny: {width: {choice: [1, 2]}}}
    heads:
      one: {objective: {classification: {target: sex}}, role: data}
      two: {objective: {regression: {target: age}}, weight: 0.5, role: data}
    optimizer: {adamw: {lr: 1e-3}}
    callbacks: [my_lab.hooks.Mine: {often: 2}]
    trainer:
      {epochs: 3, batch_size: 2, keep: best, early_stopping: {patience_epochs: 2}, monitor: {metric: auroc, head: one}}
tests: {out: {of: train}}
select: {metric: auroc, head: one, role: data}
"""


def expansion_of(path):
    """Expand an example with the numbers of folds that only its data would know."""
    expected = TESTS / "expected" / f"{path.stem}.yaml"
    cohorts = YAML(typ="safe").load(expected.read_text()).get("cohorts") if expected.is_file() else None
    return expand_file(path, cohorts)


def listed():
    """Read the table of docs/identity.md: (kind, path) -> status; components are spelled out."""
    table = DOC[DOC.index("## Every field of a manifest") : DOC.index("**A component**")]
    own = dict(re.findall(r"^\| `(class|revision|options|code|package)` \| (\w+) \|", table, re.MULTILINE))
    found = {}
    for fields, kinds, status in re.findall(r"^\| (`.+?`) \| ([a-z, ]+) \| ([a-z ]+) \| ", table, re.MULTILINE):
        for kind in CONTENTS if kinds == "all" else kinds.split(", "):
            for field in re.findall(r"`([^`]+)`", fields):
                path, is_component, _ = field.partition(": component")
                found[kind, path] = status
                if is_component:
                    found |= {(kind, f"{path}.{key}"): inner for key, inner in own.items()}
    return found


LISTED = listed()


def status_of(kind, steps):
    """Give the listed status of a path: of itself, or of the nearest field above it that is listed as a whole."""
    for size in range(len(steps), 0, -1):
        for (of, path), status in LISTED.items():
            parts = path.split(".")
            if (
                of == kind
                and len(parts) == size
                and all(p in ("*", str(s)) for p, s in zip(parts, steps, strict=False))
            ):
                return None if size < len(steps) and not _whole(path, kind) else status
    return None


def _hits(parts, steps):
    return all(part in ("*", str(step)) for part, step in zip(parts, steps, strict=False))


def _whole(path, kind):
    """Say whether everything inside a field is one thing for the table: it has no field of its own in it."""
    return not any(of == kind and other.startswith(path + ".") for of, other in LISTED)


def leaves(value, steps=()):
    """Go through every leaf; empty containers are leaves, and options of components are read as a whole."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    if not inner or not value:
        yield steps, value
    for key, item in inner:
        yield from leaves(item, (*steps, key))


def changed(value, field):
    """Give another value than the given one, of a form that the field can have."""
    if field == "gates" and isinstance(value, list):
        return [["f" * 64, 0]]
    if isinstance(value, bool) or value is None:
        return "changed"
    if isinstance(value, int | float):
        return value + 1
    if isinstance(value, str):
        return "f" * 64 if re.fullmatch("[0-9a-f]{64}", value) else value + "x"
    return [*value, "x"] if isinstance(value, list) else {**value, "x": 1}


def put(tree, steps, value):
    """Give a copy of a tree with another value at a path."""
    found = copy.deepcopy(tree)
    node = found
    for step in steps[:-1]:
        node = node[step]
    node[steps[-1]] = value
    return found


def pattern(steps):
    return ".".join("*" if isinstance(step, int) else step for step in steps)


@pytest.fixture(scope="module")
def planned():
    """One manifest for each kind and shape of leaf that any example gives: {(kind, pattern): (json, steps)}."""
    found = {}
    texts = [expand_text(REFITTED)]
    for expansion in (*map(expansion_of, EXAMPLES), *texts):
        for node in expansion.graph:
            content = node.to_json()
            for steps, _ in leaves(content):
                found.setdefault((node.kind.value, pattern(steps)), (content, steps))
    return found


def test_every_field_that_the_planner_writes_is_listed(planned):
    unlisted = sorted({key for key, (_, steps) in planned.items() if status_of(key[0], steps) is None})
    assert not unlisted, f"say in docs/identity.md whether these are hashed, recorded or ignored: {unlisted}"


@pytest.mark.parametrize("kind", CONTENTS)
def test_the_table_has_the_fields_of_each_kind_and_no_others(kind):
    fields = attrs.fields(CONTENTS[kind])
    known = {f"hashed.{key_of(field)}" for field in fields} | {"hashed.kind"}
    # A key that a manifest may lack is listed from the day on which the planner writes it.
    required = known - {f"hashed.{key_of(field)}" for field in fields if may_lack(field)}
    assert required <= {".".join(path.split(".")[:2]) for of, path in LISTED if of == kind} & known
    assert {path.split(".")[1] for of, path in LISTED if of == kind and path.startswith("hashed.")} <= {
        path.removeprefix("hashed.") for path in known
    }


def test_every_listed_field_is_written_by_some_plan(planned):
    met = set()
    planned_kinds = {kind for kind, _ in planned}
    for (kind, _), (_, steps) in planned.items():
        for of, path in LISTED:
            parts = path.split(".")
            if of == kind and len(parts) <= len(steps) and _hits(parts, steps):
                met.add((of, path))
    # What no example has: no built-in metric takes options, and foreign code behind every slot at once.
    missing = {
        (kind, path)
        for kind, path in LISTED
        if kind in planned_kinds and (kind, path) not in met and not path.endswith((".code", ".package"))
    }
    assert not missing, f"docs/identity.md lists what no plan writes: {sorted(missing)}"


def test_each_field_changes_work_exactly_as_it_is_listed(planned):
    wrong = []
    for (kind, path), (content, steps) in planned.items():
        status = status_of(kind, steps)
        node = content
        for step in steps:
            node = node[step]
        edited = put(content, steps, changed(node, steps[0]))
        if steps[0] in ("work", "tlimb"):
            with pytest.raises(ValueError, match=r"edited|version"):
                Manifest.from_json(edited)
            continue
        same = Manifest.of(edited["hashed"]).work == content["work"]
        try:
            refused = Manifest.from_json(edited).work != content["work"]
        except ValueError:
            refused = True
        if (same, refused) != ((False, True) if status == "hashed" else (True, False)):
            wrong.append((kind, path, status))
    assert not wrong
    assert len(planned) > 150


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_p7_work_is_the_digest_of_the_canonical_form_of_every_node(path):
    expansion = expansion_of(path)
    nodes = list(expansion.graph)
    assert nodes
    for node in nodes:
        assert digest(node.hashed) == node.work
        # Read back from a file it is the same: no tuples, no numbers that change on the way.
        assert Manifest.from_json(json.loads(canonical(node.to_json()))) == Manifest.from_json(node.to_json())
