import json

import pytest
from conftest import AGE, fit_manifest, predict_manifest, select_manifest, toy

from tlimb.manifest import Manifest
from tlimb.runner.execute import execute
from tlimb.store import Store


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
    assert result["status"] == "done"
    assert result["transfer"]["matched"] > 0
    assert store.result(choice.work)["chosen"] in (0, 1)
    passport = json.loads((folder / "passport.json").read_text())
    assert len(passport["seen"]) == 6
    attempts = [store.record(m.work)["attempts"][0] for m in (prepare, pretrain, *fits, test)]
    assert [attempt["decoded"] for attempt in attempts] == [8, 0, 0, 0, 0]


def test_finished_work_is_not_done_again(cohort):
    manifest = fit_manifest(cohort.view(range(4)))
    first, second = execute(manifest, cohort.places()), execute(manifest, cohort.places())
    assert (first.reused, second.reused) == (False, True)
    assert len(Store(cohort.places().store).record(manifest.work)["attempts"]) == 1


@pytest.mark.parametrize("workers", [1, 2])
def test_p1_loader_workers_change_nothing(cohort, workers):
    from tlimb.runner.api import Options

    manifest = fit_manifest(cohort.view(range(8)), data=toy("ToyData", noise=0.3))
    execute(manifest, cohort.places("plain"))
    execute(manifest, cohort.places("workers"), Options(loader_workers=workers))
    plain, other = (Store(cohort.places(name).store).result(manifest.work) for name in ("plain", "workers"))
    assert plain["files"] == other["files"]
