"""Uneven brightness, as of receiver coils."""

import itertools
from typing import Annotated

import torch
from torch import Tensor

from tlimb.components.contracts import Augmentation
from tlimb.components.draws import Draws
from tlimb.components.intensities import span
from tlimb.components.sampling import centred


class BiasField(Augmentation):
    """Multiply the image by a smooth field: the exponential of a random polynomial of the position.

    The smallest intensity of a channel stays where it is, so that a standardised background does not grow patterns.

    Args:
        strength: largest size of each coefficient, for positions from -1 to 1.
        order: degree of the polynomial.
        p: probability that a sample is changed.

    Source: Van Leemput et al.: Automated model-based bias field correction of MR images of the brain, IEEE TMI 1999,
        section II (polynomial bias in the logarithm of intensities).
    """

    def __init__(
        self,
        *,
        strength: Annotated[float, {"minimum": 0, "maximum": 2}] = 0.3,
        order: Annotated[int, {"minimum": 1, "maximum": 5}] = 3,
        p: Annotated[float, {"minimum": 0, "maximum": 1}] = 1.0,
    ) -> None:
        self.strength = strength
        self.order = order
        self.p = p

    def apply(self, inputs: Tensor, draws: Draws) -> Tensor:
        """Multiply what lies above the smallest intensity by the field."""
        if self.strength == 0:
            return inputs
        axes = inputs.ndim - 2
        sizes = torch.tensor(inputs.shape[2:], dtype=torch.float32, device=inputs.device)
        positions = centred(inputs)[0] / ((sizes - 1).clamp(min=1) / 2)
        powers = [n for n in itertools.product(range(self.order + 1), repeat=axes) if 0 < sum(n) <= self.order]
        terms = torch.stack([positions.pow(torch.tensor(n, device=inputs.device)).prod(-1) for n in powers])
        coefficients = draws.between(1, self.strength, len(powers))
        field = torch.einsum("bt,t...->b...", coefficients, terms).exp()[:, None]
        low, _ = span(inputs)
        return torch.where(draws.chosen(self.p, inputs), low + (inputs - low) * field, inputs)
