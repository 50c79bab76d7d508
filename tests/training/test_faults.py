"""Bad data, bad numbers, a full disk, and what may be said about them."""

import errno
import gzip
import json
import math
import os
import zipfile

import pytest
import torch
from attrs import evolve
from node_manifests import SEX, fit_manifest, predict_manifest, select_manifest, toy

from tlimb.manifest import Graph, Manifest
from tlimb.protocol.options import Options
from tlimb.scheduler.supervise import run_here
from tlimb.store import Store, disk
from tlimb.training import outputs as artefacts
from tlimb.training.data import volumes
from tlimb.training.execute import execute


def image(cohort, number):
    return cohort.data / cohort.rows[number]["image"]


def flip(path, position=None):
    data = bytearray(path.read_bytes())
    at = len(data) // 2 if position is None else position % len(data)
    data[at] ^= 1
    stat = path.stat()
    path.write_bytes(data)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


@pytest.mark.parametrize("position", [3, 100, -1, -6, None])
def test_p13_any_flipped_bit_of_an_image_is_found_before_the_first_step(cohort, position):
    manifest = fit_manifest(cohort.view(range(4)))
    flip(image(cohort, 2), position)
    steps = []
    outcome = execute(manifest, cohort.places(), Options(after_batch=steps.append))
    assert (outcome.code, steps) == (65, [])
    assert "row 2: the image's bytes are not those that were planned with" in outcome.reason


def test_p13_a_change_while_the_image_is_read_is_found(cohort, monkeypatch):
    import toy_lab

    real = toy_lab.ToyData.load

    def load(self, path, mask):
        found = real(self, path, mask)
        path.write_bytes(gzip.compress(b"something else"))
        return found

    monkeypatch.setattr(toy_lab.ToyData, "load", load)
    outcome = execute(fit_manifest(cohort.view(range(4))), cohort.places())
    assert outcome.code == 65
    assert "changed while it was read" in outcome.reason


def test_p14_all_bad_images_are_listed_in_one_go_and_good_ones_are_cached(cohort):
    view = cohort.view(range(8))
    flip(image(cohort, 1))
    image(cohort, 5).unlink()
    fill = Manifest.of({"kind": "prepare", "data": toy("ToyData"), "view": view})
    touched = fit_manifest(cohort.view(range(4)))
    clean = fit_manifest(cohort.view([0, 2, 3, 4]))
    nodes = [fill, *(Manifest(m.work, m.hashed, after=(fill.work,)) for m in (touched, clean))]
    places = cohort.places()
    summary = run_here(Graph({m.work: m for m in nodes}), places)
    assert summary.failed[fill.work].code == summary.failed[touched.work].code == 65
    assert "row 1:" in summary.failed[fill.work].reason
    assert "row 5:" in summary.failed[fill.work].reason
    named = (cohort.private / "bad-images" / f"{fill.work}.txt").read_text()
    assert [line.split(":")[0] for line in named.splitlines()] == [image(cohort, n).name for n in (1, 5)]
    assert summary.computed == (clean.work,)
    assert Store(places.store).record(clean.work).attempts[0].decoded == 0


def test_rows_that_fail_for_one_reason_are_listed_in_one_breath(cohort):
    fill = Manifest.of({"kind": "prepare", "data": toy("ToyData"), "view": cohort.view(range(8))})
    places = evolve(cohort.places(), roots={})
    reason = run_here(Graph({fill.work: fill}), places).failed[fill.work].reason
    assert reason.count("is not known on this machine") == 1
    assert "rows 0, 1, 2, 3, 4, 5, 6, 7: " in reason


def test_p9_a_damaged_cached_volume_is_decoded_again(cohort, monkeypatch):
    places, manifest = cohort.places(), fit_manifest(cohort.view(range(4)))
    other = fit_manifest(cohort.view(range(4)), seed=2)
    execute(manifest, places)
    path = next((places.store / "v1" / "cache").rglob("*.npy"))
    path.chmod(0o644)
    flip(path)
    monkeypatch.setattr(volumes, "_VERIFIED", set())
    outcome = execute(other, places)
    attempt = Store(places.store).record(other.work).attempts[0]
    assert (outcome.code, attempt.decoded, attempt.cached) == (0, 1, 3)


def test_p9_a_damaged_parent_is_put_aside_and_computed_again(cohort):
    parent = fit_manifest(cohort.view(range(4)))
    child = predict_manifest(parent.work, cohort.view([4, 5]))
    graph, places = Graph({m.work: m for m in (parent, child)}), cohort.places()
    assert run_here(Graph({parent.work: parent}), places).code == 0
    store = Store(places.store)
    before = store.result(parent.work).digest
    path = store.path(parent.work) / "encoder.safetensors"
    path.chmod(0o644)
    flip(path)
    summary = run_here(graph, places)
    assert set(summary.computed) == {parent.work, child.work}
    assert store.result(parent.work).digest == before
    assert list((store.base / "quarantine").iterdir())


def test_mapped_volumes_give_the_bytes_that_loaded_ones_give(cohort):
    manifest = fit_manifest(cohort.view(range(6)), cohort.view([6, 7]), data=toy("ToyData", noise=0.2))
    digests = []
    for name, room in (("loaded", 1 << 30), ("mapped", 0)):
        assert execute(manifest, cohort.places(name), Options(memory_bytes=room)).code == 0
        digests.append(Store(cohort.places(name).store).result(manifest.work).digest)
    assert digests[0] == digests[1]


@pytest.mark.parametrize("what", ["loss", "weights", "metric"])
def test_p10_numbers_that_are_not_finite_end_the_run_with_a_result(cohort, monkeypatch, what):
    monitor = {"metric": toy("ToyAccuracy"), "head": "sex", "role": "data"}
    trainer = {"monitor": monitor if what == "metric" else None, "epochs": 3}
    manifest = fit_manifest(cohort.view(range(6)), cohort.view([6, 7]), trainer=trainer)
    execute(fit_manifest(cohort.view(range(6))), cohort.places("imports"))
    import toy_lab

    calls = []

    def loss(self, outputs, targets, valid):
        calls.append(1)
        return torch.nn.functional.cross_entropy(outputs, targets) * (math.nan if len(calls) == 4 else 1)

    if what == "loss":
        monkeypatch.setattr(toy_lab.ToyClasses, "loss", loss)
    elif what == "weights":
        once = {"epochs": 1, "batch_size": 6}
        wild = toy("ToyAdam", lr=1e37, weight_decay=1e10)
        manifest = fit_manifest(cohort.view(range(6)), optimizer=wild, trainer=once)
    else:
        monkeypatch.setattr(toy_lab.ToyAccuracy, "compute", lambda *_: math.nan)
    places = cohort.places()
    outcome = execute(manifest, places)
    assert outcome.code == 76
    result = Store(places.store).result(manifest.work)
    assert result.status == "diverged"
    assert result.reason == outcome.reason
    if what == "loss":
        assert all(word in outcome.reason for word in ("loss nan", "step", "learning rate", "gradient norm"))
    if what == "weights":
        assert "weights are not finite after epoch 1" in outcome.reason
    again = execute(manifest, places)
    assert (again.code, again.reused) == (76, True)
    child = predict_manifest(manifest.work, cohort.view([6, 7]))
    assert execute(child, places).code == 76
    assert not Store(places.store).has(child.work)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EDQUOT])
def test_p5_a_store_that_cannot_be_written_ends_with_73_and_publishes_nothing(cohort, monkeypatch, number):
    manifest, places = fit_manifest(cohort.view(range(4))), cohort.places()
    real = artefacts.save_tensors

    def full(path, tensors):
        if path.name == "heads.safetensors":
            raise OSError(number, os.strerror(number), str(path))
        real(path, tensors)

    monkeypatch.setattr(artefacts, "save_tensors", full)
    outcome = execute(manifest, places)
    assert outcome.code == 73
    assert str(cohort.folder) not in outcome.reason
    store = Store(places.store)
    assert not store.has(manifest.work)
    assert not list((store.base / "tmp").iterdir())
    monkeypatch.undo()
    assert execute(manifest, places).code == 0


def test_p5_an_unforeseen_error_ends_with_70_and_its_traceback_is_private(cohort, monkeypatch):
    def boom(*_):
        raise RuntimeError(f"bad file {image(cohort, 0)}")

    monkeypatch.setattr(artefacts, "passport", boom)
    manifest, places = fit_manifest(cohort.view(range(4))), cohort.places()
    outcome = execute(manifest, places)
    assert outcome.code == 70
    assert "CANARY" not in outcome.reason
    path = places.private / "tracebacks" / f"{manifest.work}.txt"
    assert "CANARY" in path.read_text()
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)


def test_p22_no_name_of_a_file_or_person_is_in_anything_public(cohort):
    flip(image(cohort, 7))
    train, val = cohort.view(range(4)), cohort.view([4, 5])
    fit = fit_manifest(train, val)
    nodes = [
        Manifest.of({"kind": "prepare", "data": toy("ToyData"), "view": cohort.view(range(8))}),
        fit,
        predict_manifest(fit.work, cohort.view([5, 6])),
        predict_manifest(fit.work, cohort.view([6, 7])),
    ]
    places, events = cohort.places(), []
    run_here(Graph({m.work: m for m in nodes}), places, observer=events.append)
    public = json.dumps(events).encode()
    for path in places.store.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            public += path.name.encode() + data
            if zipfile.is_zipfile(path):
                with zipfile.ZipFile(path) as archive:
                    public += b"".join(archive.read(name) for name in archive.namelist())
    for secret in (b"CANARY", b"nii", str(cohort.folder).encode()):
        assert secret not in public
    assert len(public) > 10_000


def test_p7_the_result_does_not_depend_on_places_times_or_hosts(cohort, tmp_path, monkeypatch):
    manifest = fit_manifest(cohort.view(range(4)), cohort.view([4, 5]))
    execute(manifest, cohort.places("here"))
    moved = cohort.folder.rename(tmp_path / "moved") if cohort.folder != tmp_path else cohort.folder
    cohort.data.rename(moved / "elsewhere")
    cohort.data = moved / "elsewhere"
    monkeypatch.setattr("time.time", lambda: 4e9)
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    execute(manifest, cohort.places("there"))
    digests = {Store(cohort.places(name).store).result(manifest.work).digest for name in ("here", "there")}
    assert len(digests) == 1


def test_p6_a_deadline_that_has_passed_stops_after_one_step_and_loses_nothing(cohort):
    manifest = fit_manifest(cohort.view(range(6)), trainer={"epochs": 3})
    places = cohort.places()
    codes = []
    for _ in range(10):
        outcome = execute(manifest, places, Options(deadline=1.0))
        codes.append(outcome.code)
        if outcome.code == 0:
            break
    assert codes == [75] * 5 + [0]
    execute(manifest, cohort.places("whole"))
    digests = {Store(cohort.places(n).store).result(manifest.work).digest for n in ("store", "whole")}
    assert len(digests) == 1


def test_a_view_that_was_edited_is_refused(cohort):
    view = cohort.view(range(4))
    path = cohort.private / "views" / f"{view}.json"
    path.write_text(path.read_text().replace('"F"', '"M"'))
    outcome = execute(fit_manifest(view), cohort.places())
    assert (outcome.code, "changed-view" in outcome.reason) == (65, True)


def test_an_unknown_root_is_named_with_what_to_do(cohort):
    from attrs import evolve

    outcome = execute(fit_manifest(cohort.view(range(4))), evolve(cohort.places(), roots={}))
    assert outcome.code == 65
    assert "--root clinic=FOLDER" in outcome.reason


def test_what_is_not_built_is_refused_and_not_ignored(cohort):
    trainer = {"precision": "fp16", "gradient_clip": 1.0}
    outcome = execute(fit_manifest(cohort.view(range(4)), trainer=trainer), cohort.places())
    assert outcome.code == 69


def test_weights_from_a_file_are_loaded_when_their_bytes_are_the_planned_ones(cohort):
    from attrs import evolve

    source = fit_manifest(cohort.view(range(4)))
    execute(source, cohort.places())
    path = Store(cohort.places().store).path(source.work) / "encoder.safetensors"
    sha256 = disk.sha256(path)
    manifest = fit_manifest(cohort.view(range(4)), weights={"encoder": {"sha256": sha256, "layout": None}})
    places = evolve(cohort.places(), weights={sha256: path})
    assert execute(manifest, places).code == 0
    assert Store(places.store).result(manifest.work).transfer["matched"] > 0
    other = fit_manifest(cohort.view(range(4)), weights={"encoder": {"sha256": "0" * 64, "layout": None}})
    assert execute(other, evolve(places, weights={"0" * 64: path})).code == 65


def test_labels_that_are_missing_take_no_part(cohort):
    cohort.rows[1]["labels"]["sex"] = None
    cohort.rows[5]["labels"]["sex"] = "unheard of"
    manifest = fit_manifest(cohort.view(range(4)), cohort.view([4, 5]), heads=(SEX,))
    assert execute(manifest, cohort.places()).code == 0


def unlabelled_validation(cohort, **trainer):
    for number in (4, 5):
        cohort.rows[number]["labels"]["sex"] = None
    return fit_manifest(cohort.view(range(4)), cohort.view([4, 5]), trainer=trainer)


@pytest.mark.parametrize("trainer", [{"keep": "best"}, {"early_stopping": {"patience_epochs": 1, "min_delta": 0.0}}])
def test_a_validation_part_without_a_label_stops_a_run_that_chooses_by_it_before_its_first_step(cohort, trainer):
    steps = []
    outcome = execute(unlabelled_validation(cohort, **trainer), cohort.places(), Options(after_batch=steps.append))

    assert (outcome.code, steps) == (65, [])
    assert "nobody in the validation part has the label of sex" in outcome.reason


def test_a_validation_part_without_a_label_has_no_loss_and_is_never_best(cohort):
    places = cohort.places()
    fit = unlabelled_validation(cohort)
    choice = select_manifest([[fit.work]])
    assert execute(fit, places).code == 0
    execute(choice, places)

    store = Store(places.store)
    history = json.loads((store.path(fit.work) / "history.json").read_text())
    assert [line["val"] for line in history] == [{"data": {"sex": None}}] * 2
    assert store.result(fit.work).best_value is None
    assert store.result(choice.work).chosen is None
    assert store.result(choice.work).values == (None,)
