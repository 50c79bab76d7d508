"""What a plan's graph answers of its nodes, and that shared parts are read once."""

import json

import pytest
from whole_manifests import FIT, LINEAR, A, B, C, D, whole_fit, whole_predict, whole_select

from tlimb.manifest import Fit, Graph, Manifest, Predict, Prepare, Select
from tlimb.manifest.structure import Reader, content


def graph_of(*nodes):
    return Graph({node.work: node for node in nodes})


def test_only_what_gives_weights_is_an_ancestor_whatever_else_is_read():
    assert content(FIT).ancestors == (A, B)
    assert content(whole_predict(C)).ancestors == (C,)
    assert content(whole_select([[A], [B]])).ancestors == ()
    assert content({"kind": "prepare", "data": LINEAR, "view": A}).ancestors == ()


def test_the_training_behind_a_test_is_found_and_that_of_a_training_is_itself():
    fit = Manifest.of(whole_fit([{"name": "sex"}]))
    test = Manifest.of(whole_predict(fit.work))
    graph = graph_of(fit, test)
    assert graph.fit_of(test.work) is graph.fit_of(fit.work) is fit.as_a(Fit)
    assert [found.model for _, found in graph.of(Predict)] == [fit.work]
    assert not [*graph.of(Prepare), *graph.of(Select)]


def test_labels_of_a_target_and_of_an_unlabelled_pool_train_no_head():
    views = {role: {"train": A, "val": None} for role in ("unlabelled", "more", "labelled", "target")}
    fit = content(whole_fit([{"name": "sex"}, {"name": "age", "role": "more"}], views=views))
    assert [fit.roles_of(head) for head in fit.heads] == [("labelled", "more"), ("more",)]


def test_validation_rows_are_those_of_one_role():
    fit = content(FIT)
    assert [fit.validation(role) for role in ("source", "target", "data", None)] == [D, None, None, None]


def test_a_training_without_an_optimizer_takes_no_steps():
    assert content(FIT).trains
    assert not content(whole_fit(optimizer=None)).trains


def test_components_inside_options_are_found_at_any_depth_and_shared_ones_once():
    inner = {"class": "lab.Inner", "revision": 0, "options": {}, "code": D}
    outer = {
        "class": "lab.Outer",
        "revision": 0,
        "options": {"of": [{"more": inner}], "class": "x"},
        "package": "lab 1",
    }
    reader = Reader()
    fits = [Manifest(str(seed), whole_fit(architecture=outer, seed=seed), read=reader.content) for seed in range(3)]
    found = [one for one in graph_of(*fits).components() if one.module == "lab"]
    assert [(one.path, one.code, one.package) for one in found] == [
        ("lab.Outer", None, "lab 1"),
        ("lab.Inner", D, None),
    ]


def test_a_part_that_trainings_share_is_one_object_and_contents_are_what_they_are_alone():
    reader = Reader()
    with_callback = {**FIT, "callbacks": [LINEAR]}
    first, second, third = (reader.content({**one, "seed": 8}) for one in (FIT, FIT, with_callback))
    assert (first, third) == (content({**FIT, "seed": 8}), content({**with_callback, "seed": 8}))
    assert first.heads is second.heads is third.heads
    assert first.trainer is second.trainer


def test_of_trainings_of_one_stage_that_share_the_parts_asked_for_the_first_is_gone_through():
    reader = Reader()
    first, other = whole_fit([{"name": "sex"}]), whole_fit([{"name": "age"}])
    nodes = [
        Manifest(str(place), {**one, "seed": place}, ({"stage": stage},), read=reader.content)
        for place, (one, stage) in enumerate([(first, "a"), (first, "a"), (other, "a"), (first, "b")])
    ]
    graph = graph_of(*nodes)
    assert [node.work for node, _ in graph.distinct(Fit, "heads")] == ["0", "2", "3"]
    assert [node.work for node, _ in graph.distinct(Fit, "heads", also=lambda node: node.work == "1")] == list("0123")
    # Read one by one they share nothing, and all are looked at.
    alone = graph_of(*(Manifest.of(json.loads(json.dumps(node.hashed)), *node.uses) for node in nodes))
    assert len(list(alone.distinct(Fit, "heads"))) == 4


def test_a_shared_reader_refuses_what_is_of_another_form_in_the_same_words():
    for wrong in ({"kind": "fit", "scenario": LINEAR}, {**FIT, "heads": 3}):
        with pytest.raises(ValueError, match="no fit as tlimb writes one"):
            Reader().content(wrong)
    with pytest.raises(ValueError, match="nothing executes"):
        Reader().content({"kind": "rank"})
