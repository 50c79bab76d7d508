"""Scenarios, weightings and auxiliary objectives that cannot work with a network, told before anything runs."""

import copy
from collections.abc import Iterator, Mapping
from typing import Any

from attrs import evolve

from tlimb.components.contracts import Inputs, Network, NetworkUnfitError
from tlimb.problems import Problem, TlimbError
from tlimb.runner.api import Places
from tlimb.runner.learners import build_auxiliaries, build_scenario, build_weighting, by_duty


def unfit(hashed: Mapping[str, Any], network: Network, inputs: Inputs, places: Places) -> Iterator[tuple[str, Problem]]:
    """Let each make its own layers on a copy of the network; give setting and problem of those that refuse.

    Whatever else goes wrong here, such as a teacher that is not there, says nothing of the network.

    Args:
        hashed: content of a training's manifest.
        network: encoder and heads; not changed.
        inputs: what the encoder receives.
        places: where user code lies, and what of it may be imported.
    """
    try:
        auxiliaries = build_auxiliaries(hashed, places, has_parent=True)
        learners = by_duty(build_scenario(hashed, places), build_weighting(hashed, places), auxiliaries)
    except TlimbError:
        return
    for name, learner in learners.items():
        try:
            learner.build(evolve(network, encoder=copy.deepcopy(network.encoder)), inputs)
        except NetworkUnfitError as error:
            setting = name if name in ("scenario", "weighting") else "auxiliary"
            yield setting, Problem("bad-option", str(error))
        except Exception:  # noqa: BLE001
            continue
