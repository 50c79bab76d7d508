"""What runs write: whole under the published schemas, the same to the letter through its class, and safe from us."""

import json

import pytest
from node_manifests import AGE, SEX, fit_manifest, graph_of, predict_manifest, select_manifest, toy

from tlimb.manifest import Manifest, canonical
from tlimb.manifest.faults import checker
from tlimb.manifest.structure import structure, unstructure
from tlimb.scheduler.supervise import run_here
from tlimb.store import Store
from tlimb.store.documents import Passport, Record
from tlimb.store.documents.result import result_json
from tlimb.store.documents.schemas import document_schemas
from tlimb.training.execute import execute

SCHEMAS = {name: checker(one) for name, one in document_schemas().items()}


def read(path):
    value = json.loads(path.read_text())
    assert list(SCHEMAS[path.stem](value)) == []
    assert value["format"] == 1
    return value


def test_what_a_small_study_writes_keeps_to_its_schemas_and_to_the_letter(cohort):
    places = cohort.places()
    train, val, held_out = cohort.view(range(4)), cohort.view([4, 5]), cohort.view([6, 7])
    prepare = Manifest.of({"kind": "prepare", "data": toy("ToyData"), "view": cohort.view(range(8))})
    parent = fit_manifest(train, val, heads=(AGE,))
    fit = fit_manifest(train, val, heads=(SEX, AGE), parents={"encoder": parent.work}, auxiliary=[toy("ToyPull")])
    bad = fit_manifest(train, val, optimizer=toy("ToyAdam", lr=1e30))
    choice = select_manifest([[fit.work], [bad.work]], head="sex")
    nodes = (prepare, parent, fit, bad, choice, predict_manifest(fit.work, held_out))
    codes = [execute(node, places).code for node in nodes]
    assert codes == [0, 0, 0, 76, 0, 0]
    store = Store(places.store)
    for node in nodes:
        written = read(store.path(node.work) / "result.json")
        assert canonical(result_json(store.result(node.work))) == canonical(written)
        record = read(store.base / "records" / node.work / "record.json")
        assert canonical(unstructure(structure(record, Record))) == canonical(record)
    for work in (parent.work, fit.work):
        worn = read(store.path(work) / "passport.json")
        assert canonical(unstructure(structure(worn, Passport))) == canonical(worn)
    assert store.passport(bad.work) is None
    assert store.chosen(choice.work) == 0


@pytest.fixture
def done(cohort):
    """A training in the store, and what it wrote."""
    manifest = fit_manifest(cohort.view(range(4)))
    assert execute(manifest, cohort.places()).code == 0
    return manifest, cohort.places()


def edit(path, **more):
    path.chmod(0o644)
    path.write_text(canonical({**json.loads(path.read_text()), **more}) + "\n")


def test_a_result_in_a_newer_format_is_not_computed_again(cohort, done):
    manifest, places = done
    path = Store(places.store).path(manifest.work) / "result.json"
    edit(path, format=2)
    before = path.read_bytes()
    outcome = execute(manifest, places)
    assert (outcome.code, outcome.reason.split(":")[0]) == (73, "newer-format")
    assert str(places.store) not in outcome.reason
    child = predict_manifest(manifest.work, cohort.view([6, 7]))
    other = fit_manifest(cohort.view(range(2, 6)))
    summary = run_here(graph_of(manifest, child, other), places)
    assert (summary.failed[manifest.work].code, summary.code) == (73, 73)
    assert (summary.computed, summary.skipped) == ((other.work,), {child.work: manifest.work})
    assert path.read_bytes() == before


def test_p4_equal_work_of_before_there_were_formats_is_done_and_agrees_with_ours(cohort, done):
    manifest, places = done
    old, ours = Store(places.store), cohort.places("ours")
    for name in ("passport.json", "result.json"):
        path = old.path(manifest.work) / name
        value = {key: one for key, one in json.loads(path.read_text()).items() if key not in ("format", "digest")}
        if name == "result.json":
            value = sealed(value, old.path(manifest.work))
        path.chmod(0o644)
        path.write_text(canonical(value) + "\n")
    again = execute(manifest, places)
    assert (again.code, again.reused, old.result(manifest.work).format) == (0, True, 0)
    assert execute(manifest, ours).code == 0
    staged = Store(ours.store).path(manifest.work)
    published = old.publish(manifest.work, staged)
    assert (published.won, published.nondeterminism) == (False, False)
    assert not (old.base / "quarantine").exists()


def sealed(value, folder):
    from tlimb.manifest import digest
    from tlimb.store import disk

    value["files"] = {name: disk.sha256(folder / name) for name in value["files"]}
    return {**value, "digest": digest(value)}
