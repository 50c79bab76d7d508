"""Each of tlimb's own methods, killed twice and continued, gives the bytes of an uninterrupted run."""

import pytest
from node_manifests import AGE, SEX, Cohort, Crash, component, crash_at, fit_manifest
from test_with_components import REAL, head

from tlimb.protocol.options import Options
from tlimb.store import Store
from tlimb.training.execute import execute

SEMI = ("labelled", "unlabelled")
DOMAINS = ("source", "target")
METHODS = {
    "coral": (DOMAINS, component("scenario", "domain_adaptation", bn="shared"), "coral"),
    "mmd": (DOMAINS, component("scenario", "domain_adaptation", bn="frozen"), "mmd"),
    "dann": (DOMAINS, component("scenario", "domain_adaptation", bn="per_domain"), "dann"),
    "reconstruction": (SEMI, component("scenario", "semi_supervised", ratio=2), "reconstruction"),
    "masked_reconstruction": (SEMI, component("scenario", "semi_supervised"), "masked_reconstruction"),
    "simclr": (SEMI, component("scenario", "semi_supervised"), "simclr"),
    "mean_teacher": (SEMI, component("scenario", "mean_teacher", weight=2.0), None),
    "fixmatch": (SEMI, component("scenario", "fixmatch", ratio=1, threshold=0.0), None),
}


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    return Cohort(tmp_path_factory.mktemp("methods"), people=12, shape=(20, 21, 20))


def check(people, name, manifest):
    whole, killed = people.places(f"{name}-whole"), people.places(f"{name}-killed")
    assert execute(manifest, whole).code == 0
    for number in (2, 5):
        with pytest.raises(Crash):
            execute(manifest, killed, Options(checkpoint_every_steps=1, after_batch=crash_at(number)))
    assert execute(manifest, killed).facts["resumed_at"] > 0
    first, second = (Store(places.store).result(manifest.work) for places in (whole, killed))
    assert first.digest == second.digest
    return first


def manifest_of(people, roles, **more):
    """Give three epochs of two batches, the last one long, over two roles."""
    views = {
        roles[0]: {"train": people.view(range(5)), "val": people.view([5, 6])},
        roles[1]: {"train": people.view(range(7, 12), labels=()), "val": None},
    }
    trainer = {"epochs": 3, "batch_size": 2, "keep": "best", "monitor": {"metric": "loss", "head": None, "role": None}}
    heads = [{**head(SEX, "classification"), "role": roles[0]}]
    return fit_manifest(None, views=views, heads=heads, **{**REAL, "trainer": trainer, **more})


@pytest.mark.parametrize("name", METHODS)
def test_p1_a_method_over_two_roles_continues_to_the_same_bytes(people, name):
    roles, scenario, term = METHODS[name]
    added = [] if term is None else [component("auxiliary", term, weight=0.5, ramp_epochs=2)]
    result = check(people, name, manifest_of(people, roles, scenario=scenario, auxiliary=added))
    assert {"sex", *([term] if term else [])} <= result.losses.train.keys()


@pytest.mark.parametrize("name", ["reconstruction", "masked_reconstruction", "simclr", "y_aware"])
def test_p1_a_pretraining_without_labels_continues_to_the_same_bytes(people, name):
    options = {"target": "age"} if name == "y_aware" else {}
    one = {**AGE, "name": "image", "objective": component("objective", name, **options)}
    if name != "y_aware":
        one["facts"] = {"label": None, "classes": [], "counts": [], "mean": None, "sd": None}
    trainer = {"epochs": 3, "batch_size": 2, "keep": "best", "monitor": {"metric": "loss", "head": None, "role": None}}
    manifest = fit_manifest(people.view(range(5)), people.view([5, 6]), heads=[one], **{**REAL, "trainer": trainer})
    result = check(people, f"pretext-{name}", manifest)
    assert result.best_value > 0
    assert result.losses.val["data"]["image"] > 0


@pytest.mark.parametrize("name", ["uncertainty", "pcgrad"])
def test_p1_two_heads_under_a_weighting_continue_to_the_same_bytes(people, name):
    heads = [head(SEX, "classification"), head(AGE, "regression")]
    sampler = component("sampler", "balanced", by="sex")
    more = {**REAL, "trainer": {"epochs": 3, "batch_size": 2}, "weighting": component("weighting", name)}
    check(people, name, fit_manifest(people.view(range(5)), people.view([5, 6]), heads=heads, sampler=sampler, **more))


def test_p1_new_statistics_of_normalisation_continue_to_the_same_bytes(people):
    parent = fit_manifest(people.view(range(4)), None, heads=[head(SEX, "classification")], **REAL)
    for name in ("adabn-whole", "adabn-killed"):
        assert execute(parent, people.places(name)).code == 0
    child = fit_manifest(
        people.view(range(4, 12), labels=()),
        None,
        heads=[head(SEX, "classification")],
        **{
            **REAL,
            "scenario": component("scenario", "adabn"),
            "parents": {"encoder": parent.work},
            "adapt": {"heads": "keep", "stem": None, "position": None, "missing": []},
            "optimizer": None,
            "scheduler": None,
            "trainer": {"epochs": 1, "batch_size": 1},
        },
    )
    check(people, "adabn", child)
