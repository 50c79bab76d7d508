"""The works of the released example studies stay what they are: a new one would recompute everybody's results."""

import json
import os

import pytest
from conftest_plan import SPECS, TESTS, expand_file
from ruamel.yaml import YAML

from tlimb.manifest import digest

GOLDEN = TESTS / "plan" / "golden" / "works.json"
EXAMPLES = sorted(SPECS.glob("*.yaml"))
ADVICE = """
Results that people have computed would count as not done. Was that meant?
  no:  find the change that did it: `hashed` of a manifest holds something new, or holds it in another way
       (an option added to a component must be left out of work while it has its default).
  yes: raise the revision of what computes differently, say it in CHANGELOG.md, and run   make golden"""


def works_of(path):
    """Give for each group of nodes their number and the digest of their sorted works."""
    expected = TESTS / "expected" / f"{path.stem}.yaml"
    cohorts = YAML(typ="safe").load(expected.read_text()).get("cohorts") if expected.is_file() else None
    groups = {}
    for node in expand_file(path, cohorts).graph:
        for use in node.uses:
            name = f"{node.kind} {use.get('test') or use.get('stage') or use['dataset']}"
            groups.setdefault(name, set()).add(node.work)
    return {name: {"works": len(works), "digest": digest(sorted(works))} for name, works in sorted(groups.items())}


def recorded():
    return json.loads(GOLDEN.read_text(encoding="utf-8")) if GOLDEN.is_file() else {}


@pytest.mark.skipif("TLIMB_REGEN" not in os.environ, reason="only `make golden` writes")
def test_golden_works_are_rewritten_on_request():
    found = {path.stem: works_of(path) for path in EXAMPLES}
    GOLDEN.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    pytest.skip(f"wrote {GOLDEN.name}; nothing was compared")


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_works_of_an_example_are_the_golden_ones(path):
    if "TLIMB_REGEN" in os.environ:
        pytest.skip("rewriting, not comparing")
    golden = recorded().get(path.stem)
    assert golden is not None, f"{path.name} is new; run   make golden   and commit {GOLDEN.name}"
    found = works_of(path)
    different = [name for name in {**golden, **found} if golden.get(name) != found.get(name)]
    assert not different, f"{path.name}: other works in {', '.join(sorted(different))}.{ADVICE}"


def test_no_golden_works_are_left_of_examples_that_are_gone():
    if "TLIMB_REGEN" in os.environ:
        pytest.skip("rewriting, not comparing")
    assert recorded().keys() == {path.stem for path in EXAMPLES}


def test_one_changed_number_in_a_study_is_noticed(tmp_path):
    text = (SPECS / "shortest.yaml").read_text(encoding="utf-8")
    assert text.count("epochs: ") == 1
    changed = tmp_path / "shortest.yaml"
    changed.write_text(text.replace("epochs: ", "epochs: 1"), encoding="utf-8")
    assert works_of(changed) != works_of(SPECS / "shortest.yaml")
