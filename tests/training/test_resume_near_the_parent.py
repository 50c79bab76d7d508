"""What auxiliary objectives estimate while training is in every resume point, to the bit."""

import pytest
import torch
from node_manifests import Cohort, component, fit_manifest, toy
from test_resume import run_with_crashes

from tlimb.store import Store
from tlimb.training import checkpoints
from tlimb.training.execute import execute

METHODS = {
    # Seven images are in the third batch of three, so that the estimate is cut at several places.
    "l2_sp_fisher": component("auxiliary", "l2_sp_fisher", alpha=5.0, samples=7),
    "delta": component("auxiliary", "delta", weight=0.5, samples=7),
    "bss": component("auxiliary", "bss", weight=0.5),
}
STATE = {"l2_sp_fisher": ("sums", "encoder"), "delta": ("rises", "encoder", "heads")}


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    return Cohort(tmp_path_factory.mktemp("near"), people=12)


@pytest.fixture(scope="module")
def studies(cohort):
    """Parent and child for each method, trained without a break, and the digest of the child."""
    parent = fit_manifest(cohort.view(range(9)), cohort.view([10, 11]), seed=5)
    found = {}
    for name, method in METHODS.items():
        child = fit_manifest(
            cohort.view(range(11)),
            cohort.view([10, 11]),
            parents={"encoder": parent.work},
            auxiliary=[method],
            architecture=toy("ToyEncoder", dropout=0.3),
        )
        digest, _ = run_with_crashes(cohort, parent, f"whole-{name}", [])
        digest, _ = run_with_crashes(cohort, child, f"whole-{name}", [])
        found[name] = (parent, child, digest)
    return found


def resumed(cohort, study, name, number):
    parent, child, _ = study
    execute(parent, cohort.places(name))
    return run_with_crashes(cohort, child, name, [number])


@pytest.mark.parametrize("number", [1, 2, 3, 5])
@pytest.mark.parametrize("name", METHODS)
def test_p1_a_run_killed_while_it_estimates_gives_the_same_bytes(cohort, studies, name, number):
    digest, facts = resumed(cohort, studies[name], f"{name}{number}", number)
    assert digest == studies[name][2]
    assert number == 1 or facts["resumed_at"] > 0


@pytest.mark.parametrize(("name", "part"), [(name, part) for name, parts in STATE.items() for part in parts])
def test_p1_would_see_a_resume_that_forgets_what_was_estimated(cohort, studies, monkeypatch, name, part):
    loading = checkpoints.load

    def load(data):
        state = loading(data)
        found = [key for key in state["model"] if key.startswith(f"owned.auxiliary_{name}.{part}")]
        assert found
        state["model"] |= {key: torch.zeros_like(state["model"][key]) for key in found}
        return state

    monkeypatch.setattr(checkpoints, "load", load)
    digest, _ = resumed(cohort, studies[name], f"mutant-{name}-{part}", 2)
    assert digest != studies[name][2]


def test_an_estimate_is_not_in_the_result(cohort, studies):
    parent, child, _ = studies["l2_sp_fisher"]
    places = cohort.places("plain")
    execute(parent, places)
    assert execute(child, places).code == 0
    names = {path.name for path in Store(places.store).path(child.work).iterdir()}
    plain = {path.name for path in Store(places.store).path(parent.work).iterdir()}
    assert names == plain
