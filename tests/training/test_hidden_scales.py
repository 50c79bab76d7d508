"""A run takes the scale of a private number from the private view: the same bits, and no text that tells it."""

import json

from node_manifests import AGE, fit_manifest, predict_manifest

from tlimb.cohorts.view import scale
from tlimb.store import Store
from tlimb.training.execute import execute

HIDDEN = {**AGE, "facts": {**AGE["facts"], "mean": None, "sd": None}}
KEEP = {"heads": "keep", "stem": None, "position": None, "missing": []}


def odd_ages(cohort):
    for row in cohort.rows:
        row["labels"]["age"] += 0.8125 + row["row"] / 64


def shown(cohort, numbers):
    mean, sd = scale(cohort.rows[number]["labels"]["age"] for number in numbers)
    return {**AGE, "facts": {**AGE["facts"], "mean": mean, "sd": sd}}


def test_a_hidden_scale_gives_the_bits_of_a_shown_one(cohort):
    odd_ages(cohort)
    train, val, held_out = cohort.view(range(4)), cohort.view([4, 5]), cohort.view([6, 7])
    fits = [fit_manifest(train, val, heads=(head,)) for head in (shown(cohort, range(4)), HIDDEN)]
    tests = [predict_manifest(fit.work, held_out) for fit in fits]
    places = cohort.places()
    assert [execute(node, places).code for node in (*fits, *tests)] == [0, 0, 0, 0]

    store = Store(places.store)
    files = [store.result(node.work).files for node in (*fits, *tests)]
    for name in ("encoder.safetensors", "heads.safetensors", "predictions-data.val.safetensors", "history.json"):
        assert files[0][name] == files[1][name]
    assert files[2]["predictions.safetensors"] == files[3]["predictions.safetensors"]
    assert "scales.safetensors" in files[1]
    assert "scales.safetensors" not in files[0]


def test_no_text_in_the_store_tells_a_private_value_or_its_scale(cohort):
    odd_ages(cohort)
    fit = fit_manifest(cohort.view(range(4)), cohort.view([4, 5]), heads=(HIDDEN,))
    test = predict_manifest(fit.work, cohort.view([6, 7]))
    places = cohort.places()
    assert [execute(node, places).code for node in (fit, test)] == [0, 0]

    secrets = [str(row["labels"]["age"]) for row in cohort.rows]
    secrets += [repr(number)[:8] for number in scale(row["labels"]["age"] for row in cohort.rows[:4])]
    texts = [path for path in places.store.rglob("*") if path.is_file() and path.suffix != ".safetensors"]
    assert {"result.json", "passport.json", "history.json", "record.json"} <= {path.name for path in texts}
    assert not [(path.name, secret) for path in texts for secret in secrets if secret.encode() in path.read_bytes()]


def test_a_hidden_head_is_kept_only_on_equal_scales(cohort):
    parent = fit_manifest(cohort.view(range(4)), heads=(HIDDEN,))
    same = fit_manifest(cohort.view(range(4)), heads=(HIDDEN,), parents={"encoder": parent.work}, adapt=KEEP)
    other = fit_manifest(cohort.view(range(5)), heads=(HIDDEN,), parents={"encoder": parent.work}, adapt=KEEP)
    places = cohort.places()
    outcomes = [execute(node, places) for node in (parent, same, other)]

    assert [outcome.code for outcome in outcomes] == [0, 0, 65]
    assert "equal name, classes and scale" in outcomes[2].reason
    assert json.loads((Store(places.store).path(same.work) / "passport.json").read_text())["heads"] == [HIDDEN]


def test_a_hidden_scale_of_nobody_is_a_reason_and_no_traceback(cohort):
    for row in cohort.rows:
        row["labels"]["age"] = None
    outcome = execute(fit_manifest(cohort.view(range(4)), heads=(HIDDEN,)), cohort.places())

    assert outcome.code == 65
    assert "nobody in the training part has a value" in outcome.reason
