"""What decides bits changes only by decision: the source of every component and of the numerics is pinned.

An entry holds the hash of the source's meaning (no comments, docstrings, layout) and the revision that stands in
work. A source that changed needs either a raised revision, so that results are computed anew, or a reason why the
results stay the same.
"""

import importlib
import json
import os
from pathlib import Path

import pytest

from tlimb.describe.code import meaning
from tlimb.language import catalogue
from tlimb.manifest import digest_text

GOLDEN = Path(__file__).parent / "golden" / "revisions.json"
ROOT = Path(__file__).parent.parent.parent
NUMERICS = (
    "tlimb/components/attention.py",
    "tlimb/components/contracts.py",
    "tlimb/components/elastic.py",
    "tlimb/components/samples.py",
    "tlimb/components/freezing.py",
    "tlimb/components/images.py",
    "tlimb/components/positions.py",
    "tlimb/components/transfer.py",
    "tlimb/components/usable.py",
    "tlimb/components/weights.py",
    "tlimb/training/builder.py",
    "tlimb/training/data/batches.py",
    "tlimb/training/data/views.py",
    "tlimb/training/data/volumes.py",
    "tlimb/training/devices/distributed.py",
    "tlimb/training/evaluation/inference.py",
    "tlimb/training/evaluation/validation.py",
    "tlimb/training/loop.py",
    "tlimb/training/network/freezing.py",
    "tlimb/training/network/layer_rates.py",
    "tlimb/training/network/learners.py",
    "tlimb/training/network/networks.py",
    "tlimb/training/network/starting_weights.py",
    "tlimb/training/other_nodes.py",
    "tlimb/training/prepare.py",
    "tlimb/training/resume.py",
    "tlimb/training/run.py",
    "tlimb/training/seeds.py",
)
"""Modules without a revision of their own that decide bits: a new result needs a raised revision of what uses them."""
ADVICE = {
    "component": """{name} has changed, and its revision is still {revision}.
  Are results computed differently?
    yes: raise `revision` in {file}; everybody's results with it are computed anew. Then   make golden
    no:  say why they are the same bits:   TLIMB_REASON="renamed a variable" make golden""",
    "numerics": """{name} has changed; it decides bits and stands in no digest.
  Are results computed differently?
    yes: raise `revision` of what uses it (of the scenarios for training, of the data modules for images and volumes),
         then   TLIMB_REASON="order of batches; supervised is now revision 2" make golden
    no:  say why they are the same bits:   TLIMB_REASON="moved a function" make golden""",
}


def sources():
    """Give name -> (sort, file, revision) of everything that is pinned."""
    found = {name: ("numerics", ROOT / name, None) for name in NUMERICS}
    known = catalogue.load()
    for kind in catalogue.KINDS:
        for listing in known.all(kind):
            if listing.cls.startswith("tlimb.components."):
                module = importlib.import_module(listing.cls.rpartition(".")[0])
                revision = getattr(module, listing.cls.rpartition(".")[2]).revision
                found[f"{kind} {listing.name}"] = ("component", Path(str(module.__file__)), revision)
    return found


def entry(file, revision):
    found = {"source": digest_text(meaning(file))}
    return found if revision is None else {**found, "revision": revision}


def decision(name, sort, file, revision, golden, reason):
    """Give the new golden entry, or what to tell who edited without a decision."""
    found, known = entry(file, revision), golden.get(name)
    if known is not None and {key: known.get(key) for key in found} == found:
        return known, None
    raised = known is None or (revision is not None and revision > known.get("revision", 0))
    if raised or reason:
        return {**found, "reason": reason} if reason else found, None
    try:
        shown = file.relative_to(ROOT)
    except ValueError:
        shown = file
    return known, ADVICE[sort].format(name=name, revision=revision, file=shown)


def recorded():
    return json.loads(GOLDEN.read_text(encoding="utf-8")) if GOLDEN.is_file() else {}


SOURCES = sources()


@pytest.mark.skipif("TLIMB_REGEN" not in os.environ, reason="only `make golden` writes")
def test_golden_revisions_are_rewritten_on_request():
    golden, reason = recorded(), os.environ.get("TLIMB_REASON", "")
    made = {name: decision(name, *source, golden, reason) for name, source in SOURCES.items()}
    refused = [advice for _, advice in made.values() if advice]
    assert not refused, "\n".join(refused)
    text = json.dumps({name: new for name, (new, _) in made.items()}, indent=1, sort_keys=True)
    GOLDEN.write_text(text + "\n", encoding="utf-8")
    pytest.skip(f"wrote {GOLDEN.name}; nothing was compared")


@pytest.mark.parametrize("name", SOURCES)
def test_golden_source_is_unchanged_or_its_change_was_decided(name):
    if "TLIMB_REGEN" in os.environ:
        pytest.skip("rewriting, not comparing")
    sort, file, revision = SOURCES[name]
    golden = recorded()
    assert name in golden, f"{name} is new; run   make golden   and commit {GOLDEN.name}"
    _, advice = decision(name, sort, file, revision, golden, "")
    assert advice is None, advice
    raised = f"{name} is now revision {revision}; run   make golden   and say in CHANGELOG.md what computes differently"
    assert golden[name].get("revision") == revision, raised


def test_no_golden_revision_is_left_of_what_is_gone():
    if "TLIMB_REGEN" in os.environ:
        pytest.skip("rewriting, not comparing")
    assert recorded().keys() <= SOURCES.keys(), "run   make golden"


def test_the_catalogue_holds_the_revisions_of_the_classes():
    known = catalogue.load()
    for name, (sort, _, revision) in SOURCES.items():
        if sort == "component":
            assert known.get(*name.split(" ")).revision == revision, f"{name}: run   make generate"


# -- the guard itself --

TEXT = '"""Doc."""\n\ndef f(x):\n    """Doc."""\n    return x + 1  # comment\n'


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "part.py"
    path.write_text(TEXT)
    return path


def test_comments_docstrings_and_layout_are_no_edit(file):
    golden = {"x": entry(file, 1)}
    file.write_text("def f(x):\n    # other\n    return (x\n            + 1)\n")
    assert decision("x", "component", file, 1, golden, "") == (golden["x"], None)


def test_an_edit_without_a_decision_is_told_both_ways_out(file):
    golden = {"x": entry(file, 1)}
    file.write_text(TEXT.replace("+ 1", "+ 2"))
    for sort in ADVICE:
        kept, advice = decision("x", sort, file, 1 if sort == "component" else None, golden, "")
        assert kept == golden["x"]
        assert "raise `revision`" in advice
        assert "TLIMB_REASON=" in advice


def test_a_raised_revision_or_a_reason_is_a_decision(file):
    golden = {"x": entry(file, 1)}
    file.write_text(TEXT.replace("+ 1", "+ 2"))
    assert decision("x", "component", file, 2, golden, "")[1] is None
    made, advice = decision("x", "component", file, 1, golden, "same bits")
    assert advice is None
    assert made["reason"] == "same bits"
    assert decision("x", "component", file, 0, golden, "")[1] is not None
