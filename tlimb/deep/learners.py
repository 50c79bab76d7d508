"""Scenarios, weightings and auxiliary objectives that cannot work with a network, told before anything runs."""

import copy
from collections.abc import Iterator, Mapping
from typing import Any

from attrs import evolve

from tlimb.components.contracts import Inputs, NetworkUnfitError
from tlimb.deep.building import Bench
from tlimb.problems import Problem, TlimbError
from tlimb.runner.learners import build_auxiliaries, build_scenario, build_weighting, by_duty
from tlimb.runner.networks import add_heads

WAY = "meta"
"""Learners copy networks, and a copy of fake tensors damages the memory of the process."""


def unfit(hashed: Mapping[str, Any], inputs: Inputs, bench: Bench) -> Iterator[tuple[str, Problem]]:
    """Let each make its own layers beside a copy of the network; give setting and problem of those that refuse.

    Whatever else goes wrong here, such as a teacher that is not there, says nothing of the network.

    Args:
        hashed: content of a training's manifest.
        inputs: what the encoder receives.
        bench: builds the network; one that cannot be built without memory is not looked at.
    """
    try:
        encoder = bench.encoder(hashed["architecture"], inputs, WAY)
        with bench.construction(WAY):
            network = add_heads(encoder, inputs, hashed["heads"], 0, bench.places)
        auxiliaries = build_auxiliaries(hashed, bench.places, has_parent=True)
        scenario, weighting = build_scenario(hashed, bench.places), build_weighting(hashed, bench.places)
    except (TlimbError, RuntimeError):
        return
    for name, learner in by_duty(scenario, weighting, auxiliaries).items():
        try:
            with bench.construction(WAY):
                learner.build(evolve(network, encoder=copy.deepcopy(encoder)), inputs)
        except NetworkUnfitError as error:
            setting = name if name in ("scenario", "weighting") else "auxiliary"
            yield setting, Problem("bad-option", str(error))
        except Exception:  # noqa: BLE001
            continue
