"""What `tlimb status` says of runs that will never start, on the small study that the ranking is tested with."""

from types import SimpleNamespace

import pytest
from attrs import evolve

from tlimb.api.watching import states
from tlimb.manifest import Gate


@pytest.fixture
def state_of(study):
    def found():
        place = SimpleNamespace(store=study.store.root, private=study.private)
        return {one.work: (one.state, one.said) for one in states(study.graph, place)}

    return found


def test_what_descends_from_a_diverged_run_is_skipped_not_queued_for_ever(study, state_of):
    fit = study.fit("finetune", {}, 0.001, 0)
    predict = study.predict(fit, study.use("finetune", {}, None, 0))
    study.publish(fit, {"status": "diverged", "reason": "loss nan"})

    assert state_of()[fit] == ("diverged", "loss nan")
    assert state_of()[predict] == ("skipped", f"{fit[:16]} diverged")


def test_a_selection_goes_on_beside_a_diverged_candidate_and_its_tests_are_queued(study, state_of):
    good, bad = (study.fit("finetune", {}, rate, 0) for rate in (0.001, 0.01))
    select = study.select("finetune", {}, [[good], [bad]])
    predict = study.predict(good, study.use("finetune", {}, 0.001, 0), Gate(select, 0))
    study.publish(good, {})
    study.publish(bad, {"status": "diverged", "reason": "loss nan"})

    assert state_of()[select][0] == "queued"
    assert state_of()[predict][0] == "queued"


def test_a_selection_goes_on_beside_what_descends_from_a_diverged_run(study, state_of):
    parents = [study.fit("pretrain", {}, rate, 0) for rate in (0.001, 0.01)]
    good, bad = (
        study.fit("finetune", {}, rate, 0, None, parent) for rate, parent in zip((0.001, 0.01), parents, strict=True)
    )
    select = study.select("finetune", {}, [[good], [bad]])
    study.nodes[select] = evolve(study.nodes[select], lineage={good: parents[:1], bad: parents[1:]})
    study.publish(parents[0], {})
    study.publish(parents[1], {"status": "diverged", "reason": "loss nan"})
    study.publish(good, {})

    assert state_of()[bad][0] == "skipped"
    assert state_of()[select][0] == "queued"


def test_tests_behind_a_selection_that_could_choose_none_are_skipped(study, state_of):
    fit = study.fit("finetune", {}, 0.001, 0)
    select = study.select("finetune", {}, [[fit]])
    predict = study.predict(fit, study.use("finetune", {}, 0.001, 0), Gate(select, 0))
    other = study.predict(study.fit("scratch", {}, 0.001, 0), study.use("scratch", {}, 0.001, 0))
    study.publish(fit, {})
    study.publish(select, {"chosen": None, "values": [None]})

    assert state_of()[predict] == ("skipped", f"{select[:16]} could choose none")
    assert state_of()[other][0] == "queued"
