"""The runner with tlimb's own components, as a plan would name them."""

import json

import numpy as np
import pytest
import torch
from node_manifests import AGE, SEX, Cohort, Crash, component, crash_at, fit_manifest, predict_manifest, select_manifest
from safetensors.torch import load_file

from tlimb.manifest import Graph, Manifest
from tlimb.protocol.options import Options
from tlimb.scheduler.supervise import run_here
from tlimb.store import Store
from tlimb.training.execute import execute


def head(base, objective):
    return {
        **base,
        "objective": component("objective", objective, target=base["name"]),
        "head": component("head", "linear"),
    }


DATA = component("data", "bio_image", spacing_mm=8, crop=[20, 20, 20], intensity="zscore")
REAL = {
    "scenario": component("scenario", "supervised"),
    "data": DATA,
    "architecture": component("architecture", "resnet3d", depth=10, filters=4, stem_stride=1),
    "optimizer": component("optimizer", "adamw", lr=1e-3),
    "scheduler": component("scheduler", "cosine", warmup_steps=2),
}


@pytest.fixture
def cohort(tmp_path):
    return Cohort(tmp_path, shape=(20, 21, 20))


def real(cohort, train, val, base, objective, **more):
    return fit_manifest(cohort.view(train), cohort.view(val), heads=(head(base, objective),), **{**REAL, **more})


def test_a_study_of_our_own_components_runs_to_its_selection(cohort):
    pretrain = real(cohort, range(4), [4, 5], AGE, "regression")
    fill = Manifest.of({"kind": "prepare", "data": DATA, "view": cohort.view(range(8))})
    fits = [
        real(
            cohort,
            range(4),
            [4, 5],
            SEX,
            "classification",
            parents={"encoder": pretrain.work},
            auxiliary=[component("auxiliary", "l2_sp", alpha=alpha)],
        )
        for alpha in (0.01, 0.1)
    ]
    choice = select_manifest([[fit.work] for fit in fits])
    choice = Manifest.of({**choice.hashed, "metric": component("metric", "balanced_accuracy")})
    tests = [predict_manifest(fit.work, cohort.view([6, 7])) for fit in fits]
    nodes = [fill, pretrain, *fits, choice, *tests]
    places = cohort.places()
    summary = run_here(Graph({manifest.work: manifest for manifest in nodes}), places)
    assert (summary.code, dict(summary.failed), len(summary.computed)) == (0, {}, len(nodes))
    store = Store(places.store)
    report = store.result(fits[0].work).transfer
    assert report["missing"] == report["mismatched"] == []
    assert report["matched"] > 20
    found = load_file(store.path(tests[0].work) / "predictions.safetensors")
    assert found["sex"].shape == (2, 2)
    assert found["sex"].dtype == torch.float64
    assert torch.allclose(found["sex"].sum(1), torch.ones(2, dtype=torch.float64))


@pytest.mark.parametrize("up_to", ["all", "layer4"])
def test_frozen_tensors_and_buffers_are_bit_equal_after_training(cohort, up_to):
    pretrain = real(cohort, range(4), [4, 5], AGE, "regression")
    fit = real(
        cohort,
        range(4),
        [4, 5],
        SEX,
        "classification",
        parents={"encoder": pretrain.work},
        freeze={"up_to": up_to, "thaw_epoch": None, "thaw_every_epochs": None},
        optimizer=component("optimizer", "adamw", lr=1e-2, weight_decay=0.1),
    )
    places = cohort.places()
    assert run_here(Graph({m.work: m for m in (pretrain, fit)}), places).code == 0
    store = Store(places.store)
    before, after = (load_file(store.path(m.work) / "encoder.safetensors") for m in (pretrain, fit))
    counts = store.result(fit.work).counts
    frozen = [name for name in before if up_to == "all" or not name.startswith("layer4")]
    assert all(torch.equal(before[name], after[name]) for name in frozen)
    assert up_to == "all" or any(not torch.equal(before[n], after[n]) for n in before if n.startswith("layer4"))
    assert 0 < counts.trainable < counts.total == counts.trainable + counts.frozen


def test_thawing_is_a_function_of_the_epoch(cohort):
    def fit(epochs):
        return real(
            cohort,
            range(4),
            [4, 5],
            SEX,
            "classification",
            freeze={"up_to": "all", "thaw_epoch": None, "thaw_every_epochs": 1},
            trainer={"epochs": epochs},
            scheduler=None,
        )

    places, moved = cohort.places(), []
    tensors = []
    for epochs in (1, 2, 3):
        assert execute(fit(epochs), places).code == 0
        tensors.append(load_file(Store(places.store).path(fit(epochs).work) / "encoder.safetensors"))
    for earlier, later in ((tensors[0], tensors[1]), (tensors[1], tensors[2])):
        moved.append({name.split(".")[0] for name in earlier if not torch.equal(earlier[name], later[name])})
    assert moved == [{"layer4"}, {"layer3", "layer4"}]


def test_arms_start_from_equal_weights_whatever_else_differs(cohort):
    first = real(cohort, range(4), [4, 5], SEX, "classification", trainer={"epochs": 1}, scheduler=None)
    frozen = {"up_to": "all", "thaw_epoch": None, "thaw_every_epochs": None}
    second = real(cohort, range(4), [4, 5], AGE, "regression", freeze=frozen, trainer={"epochs": 1, "batch_size": 4})
    third = real(cohort, range(4), [4, 5], SEX, "classification", freeze=frozen, trainer={"epochs": 3})
    places = cohort.places()
    assert run_here(Graph({m.work: m for m in (first, second, third)}), places).code == 0
    store = Store(places.store)
    one, other = (load_file(store.path(m.work) / "encoder.safetensors") for m in (second, third))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_keep_best_keeps_the_weights_that_the_validation_chose(cohort):
    monitor = {"metric": component("metric", "cross_entropy"), "head": "sex", "role": "data"}
    trainer = {"epochs": 5, "keep": "best", "monitor": monitor}
    fit = real(cohort, range(4), [4, 5, 6, 7], SEX, "classification", trainer=trainer, scheduler=None)
    places = cohort.places()
    assert execute(fit, places).code == 0
    store = Store(places.store)
    history = json.loads((store.path(fit.work) / "history.json").read_text())
    values = [line["monitor"] for line in history]
    best = store.result(fit.work).best_epoch
    assert values[best - 1] == min(values)
    kept = load_file(store.path(fit.work) / "predictions-data.val.safetensors")["sex"].numpy()
    truth = [0, 1, 0, 1]
    assert np.isclose(-np.log(kept[range(4), truth]).mean(), min(values), rtol=1e-6)


def test_p1_holds_for_our_own_components(cohort):
    trainer = {"epochs": 4, "batch_size": 2}
    fit = real(cohort, range(5), [5, 6], SEX, "classification", trainer=trainer)
    whole, killed = cohort.places("whole"), cohort.places("killed")
    execute(fit, whole)
    with pytest.raises(Crash):
        execute(fit, killed, Options(checkpoint_every_steps=1, after_batch=crash_at(5)))
    assert execute(fit, killed).facts["resumed_at"] > 0
    assert Store(whole.store).result(fit.work).digest == Store(killed.store).result(fit.work).digest


def test_smoke_stops_after_two_batches_and_says_so(cohort):
    fit = real(cohort, range(5), [5, 6], SEX, "classification", trainer={"epochs": 4, "batch_size": 1})
    places = cohort.places("smoke")
    assert execute(fit, places, Options(smoke=True)).code == 0
    result = Store(places.store).result(fit.work)
    assert (result.batches, result.smoke) == (2, True)


def test_a_kept_head_is_held_at_the_parents_weights_and_a_new_one_at_zero(cohort):
    parent = real(cohort, range(4), [4, 5], SEX, "classification")
    trainer = {"epochs": None, "steps": 1}
    pulled = {"parents": {"encoder": parent.work}, "auxiliary": [component("auxiliary", "l2_sp", alpha=5.0, beta=5.0)]}
    adapt = {"stem": None, "position": None, "missing": []}
    kept, new = (
        real(
            cohort, range(4), [4, 5], SEX, "classification", **pulled, trainer=trainer, adapt={**adapt, "heads": heads}
        )
        for heads in ("keep", "new")
    )
    places = cohort.places()
    assert [execute(one, places).code for one in (parent, kept, new)] == [0, 0, 0]

    store = Store(places.store)
    # The penalty of the first step, before any weight has moved.
    first = [
        json.loads((store.path(one.work) / "history.json").read_text())[0]["train"]["l2_sp"] for one in (kept, new)
    ]
    assert store.result(kept.work).heads_kept == ("sex",)
    assert first[0] == 0.0
    assert first[1] > 0.0


def test_a_kept_head_of_other_layers_is_refused(cohort):
    parent = real(cohort, range(4), [4, 5], SEX, "classification")
    wide = {**head(SEX, "classification"), "head": component("head", "mlp", hidden=3)}
    adapt = {"heads": "keep", "stem": None, "position": None, "missing": []}
    parents = {"encoder": parent.work}
    child = fit_manifest(cohort.view(range(4)), None, heads=(wide,), **{**REAL, "parents": parents, "adapt": adapt})
    places = cohort.places()
    assert execute(parent, places).code == 0

    outcome = execute(child, places)

    assert outcome.code == 65
    assert "the layers of the head sex differ from the parent's" in outcome.reason
