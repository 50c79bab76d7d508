"""Scenarios, weightings and auxiliary objectives that cannot work with a network, told before anything runs."""

import copy
from collections.abc import Iterator

from attrs import evolve

from tlimb.components.contracts import Inputs, NetworkUnfitError
from tlimb.dryrun.building import Bench
from tlimb.manifest import Fit
from tlimb.problems import Problem, TlimbError
from tlimb.training.network.learners import by_duty

WAY = "meta"
"""Learners copy networks, and a copy of fake tensors damages the memory of the process."""


def unfit(fit: Fit, inputs: Inputs, bench: Bench) -> Iterator[tuple[str, Problem]]:
    """Let each make its own layers beside a copy of the network; give setting and problem of those that refuse.

    Whatever else goes wrong here, such as a teacher that is not there, says nothing of the network.

    Args:
        fit: content of a training's manifest.
        inputs: what the encoder receives.
        bench: builds the network; one that cannot be built without memory is not looked at.
    """
    try:
        encoder, builder = bench.encoder(fit, inputs, WAY), bench.builder(fit, WAY)
        with bench.construction(WAY):
            network = builder.network(inputs, encoder)
        auxiliaries = builder.auxiliaries(has_parent=True)
        scenario, weighting = builder.scenario(), builder.weighting()
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
            # Code of other people raises anything when a tensor has no values.
            continue
