import json

import pytest
from node_manifests import AGE, fit_manifest, predict_manifest, select_manifest, toy

from tlimb.manifest import Manifest
from tlimb.store import Store
from tlimb.training.execute import execute


def test_prepare_fit_predict_and_select_go_through_on_real_images(cohort):
    places = cohort.places()
    train, val, held_out = cohort.view(range(4)), cohort.view([4, 5]), cohort.view([6, 7])
    everything = cohort.view(range(8))
    prepare = Manifest.of({"kind": "prepare", "data": toy("ToyData"), "view": everything})
    pretrain = fit_manifest(train, val, heads=(AGE,))
    fits = [
        fit_manifest(
            train,
            val,
            parents={"encoder": pretrain.work},
            optimizer=toy("ToyAdam", lr=lr),
            auxiliary=[toy("ToyPull")],
        )
        for lr in (1e-3, 1e-2)
    ]
    choice = select_manifest([[fit.work] for fit in fits])
    test = predict_manifest(fits[0].work, held_out)
    outcomes = [execute(manifest, places) for manifest in (prepare, pretrain, *fits, choice, test)]
    assert [(outcome.code, outcome.reason) for outcome in outcomes] == [(0, "")] * 6

    store = Store(places.store)
    folder = store.entry(fits[0].work)
    assert {path.name for path in folder.iterdir()} == {
        "result.json",
        "passport.json",
        "encoder.safetensors",
        "heads.safetensors",
        "history.json",
        "predictions-data.val.safetensors",
    }
    result = store.result(fits[0].work)
    assert result.status == "done"
    assert result.transfer["matched"] > 0
    assert store.result(choice.work).chosen in (0, 1)
    passport = json.loads((folder / "passport.json").read_text())
    assert passport["seen"] == sorted([train, val])
    assert len(store.note(fits[0].work, "seen.json")["people"]) == 6
    attempts = [store.record(m.work).attempts[0] for m in (prepare, pretrain, *fits, test)]
    assert [attempt.decoded for attempt in attempts] == [8, 0, 0, 0, 0]


def test_finished_work_is_not_done_again(cohort):
    manifest = fit_manifest(cohort.view(range(4)))
    first, second = execute(manifest, cohort.places()), execute(manifest, cohort.places())
    assert (first.reused, second.reused) == (False, True)
    assert len(Store(cohort.places().store).record(manifest.work).attempts) == 1


@pytest.mark.parametrize("workers", [1, 2])
def test_p1_loader_workers_change_nothing(cohort, workers):
    from tlimb.protocol.options import Options

    manifest = fit_manifest(cohort.view(range(8)), data=toy("ToyData", noise=0.3))
    execute(manifest, cohort.places("plain"))
    execute(manifest, cohort.places("workers"), Options(loader_workers=workers))
    plain, other = (Store(cohort.places(name).store).result(manifest.work) for name in ("plain", "workers"))
    assert plain.files == other.files


def test_equal_work_of_two_groups_has_equal_bytes_though_their_keys_for_people_differ(cohort):
    manifest = fit_manifest(cohort.view(range(4)), cohort.view([4, 5]))
    execute(manifest, cohort.places("ours"))
    for row in cohort.rows:
        row["person"] = row["person"][::-1]
    assert manifest == fit_manifest(cohort.view(range(4)), cohort.view([4, 5]))
    execute(manifest, cohort.places("theirs"))
    ours, theirs = (Store(cohort.places(name).store) for name in ("ours", "theirs"))
    assert ours.result(manifest.work) == theirs.result(manifest.work)
    assert ours.note(manifest.work, "seen.json") != theirs.note(manifest.work, "seen.json")


def test_what_weights_have_seen_includes_what_their_ancestors_saw(cohort):
    first = fit_manifest(cohort.view(range(3)))
    second = fit_manifest(cohort.view([3, 4]), parents={"encoder": first.work})
    third = fit_manifest(cohort.view([5, 6]), parents={"encoder": second.work})
    for manifest in (first, second, third):
        assert execute(manifest, cohort.places()).code == 0
    store = Store(cohort.places().store)
    assert store.note(third.work, "seen.json")["people"] == sorted(row["person"] for row in cohort.rows[:7])
    passport = json.loads((store.path(third.work) / "passport.json").read_text())
    assert passport["seen"] == sorted(m.hashed["views"]["data"]["train"] for m in (first, second, third))
