"""Resting-state series of a phantom's regions: networks whose coupling falls with age."""

import numpy as np

from tlimb.phantom.people import Person, generator
from tlimb.phantom.render import Array

TIME_POINTS = 160
NETWORKS = 4
MEMORY_S = 4.0
"""Time in which the correlation of a region with itself falls to 1/e."""
_REPETITION_S = (2.0, 1.5, 2.5)


def repetition_time_s(site: int) -> float:
    """Give the time between two time points at a site, in seconds."""
    return _REPETITION_S[site % len(_REPETITION_S)]


def coupling(who: Person, visit: int) -> tuple[float, float]:
    """Give how much of a region's variance is its network's, and how much is common to networks 1 and 2.

    The first falls with the age of the brain, the second is lower in patients.
    """
    t = (who.ages[visit] + who.gap - 50.0) / 30.0
    own = 0.5 - 0.15 * t + 0.03 * float(who.noise[1])
    common = (0.2 if who.patient else 0.5) + 0.05 * float(who.noise[4])
    return float(np.clip(own, 0.05, 0.9)), float(np.clip(common, 0.0, 0.9))


def draw(seed: int, who: Person, visit: int, regions: int) -> Array:
    """Give the series of a visit, (time, regions) float64, without unit; region r is in network r modulo 4.

    Args:
        seed: of the cohort.
        who: the person.
        visit: position from 0.
        regions: how many.
    """
    random = generator(seed, 5, who.number, visit)
    keep = float(np.exp(-repetition_time_s(who.site) / MEMORY_S))
    own, common = coupling(who, visit)
    network = _walk(random, NETWORKS, keep)
    network[:, 1] = np.sqrt(common) * network[:, 0] + np.sqrt(1 - common) * network[:, 1]
    member = np.arange(regions) % NETWORKS
    # Each person's regions deviate from their network in a way of their own, as a fingerprint.
    share = np.clip(own + 0.1 * generator(seed, 6, who.number).standard_normal(regions), 0.02, 0.95)
    alone = _walk(random, regions, keep)
    found: Array = np.sqrt(share) * network[:, member] + np.sqrt(1 - share) * alone
    return 100.0 + 5.0 * found


def _walk(random: np.random.Generator, count: int, keep: float) -> Array:
    """Give first-order autoregressive series of unit variance, (time, count) float64."""
    steps = random.standard_normal((TIME_POINTS, count))
    found = np.empty_like(steps)
    found[0] = steps[0]
    for index in range(1, TIME_POINTS):
        found[index] = keep * found[index - 1] + np.sqrt(1 - keep**2) * steps[index]
    return found
