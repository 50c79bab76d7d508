"""Random numbers that are a function of a sample's seed alone, on any device.

A generator gives a sample other numbers when the batch around it changes, and other ones on a GPU. Here every number
is a hash of the sample's seed, of what it is for, and of its position: augmentation of a sample depends on nothing
else, and integers, hence all decisions, are equal on every device.

Source: the mixing function is the finaliser of SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number
generators, OOPSLA 2014, figure 14), used as a counter-based generator.
"""

import math

import torch
from attrs import frozen
from torch import Tensor

_GOLDEN = -7046029254386353131
"""0x9E3779B97F4A7C15 as a signed number."""
_FIRST = -4658895280553007687
"""0xBF58476D1CE4E5B9 as a signed number."""
_SECOND = -7723592293110705685
"""0x94D049BB133111EB as a signed number."""


@frozen
class Draws:
    """Random numbers of one step of augmentation.

    Attributes:
        seeds: (batch,) int64, one a sample; draws are made on their device.
        step: number of the step, so that two steps of one sample are independent.
        lateral: axis of the inputs that runs along left and right; None where there is none.
    """

    seeds: Tensor
    step: int = 0
    lateral: int | None = None

    def uniform(self, purpose: int, *shape: int) -> Tensor:
        """Give (batch, *shape) float32 in [0, 1); equal purposes give equal numbers."""
        count = math.prod(shape)
        place = torch.arange(count, dtype=torch.int64, device=self.seeds.device)
        start = mix(self.seeds + _signed((self.step * 1009 + purpose + 1) * _GOLDEN))
        bits = mix(start[:, None] + (place + 1) * _GOLDEN)
        return (_shift(bits, 40).to(torch.float32) * 2.0**-24).reshape(len(self.seeds), *shape)

    def normal(self, purpose: int, *shape: int) -> Tensor:
        """Give (batch, *shape) float32 of the standard normal distribution, by the method of Box and Muller."""
        pair = self.uniform(purpose, 2, *shape)
        # 1 - u lies in (0, 1], so its logarithm is finite.
        return (-2 * torch.log(1 - pair[:, 0])).sqrt() * torch.cos(2 * math.pi * pair[:, 1])

    def between(self, purpose: int, largest: float, *shape: int) -> Tensor:
        """Give (batch, *shape) float32 from -largest to largest."""
        return (2 * self.uniform(purpose, *shape) - 1) * largest

    def chosen(self, probability: float, inputs: Tensor) -> Tensor:
        """Give which samples are changed: (batch, 1, ...) bool with as many axes as the inputs."""
        return (self.uniform(0) < probability).reshape(-1, *(1 for _ in inputs.shape[1:]))


def mix(values: Tensor) -> Tensor:
    """Scramble int64; a bijection, with the arithmetic of 64 unsigned bits."""
    values = (values ^ _shift(values, 30)) * _FIRST
    values = (values ^ _shift(values, 27)) * _SECOND
    return values ^ _shift(values, 31)


def _signed(value: int) -> int:
    """Wrap an integer into 64 signed bits."""
    return (value + 2**63) % 2**64 - 2**63


def _shift(values: Tensor, places: int) -> Tensor:
    """Shift to the right and fill with zeros; torch's own shift fills with the sign."""
    return (values >> places) & ((1 << (64 - places)) - 1)
