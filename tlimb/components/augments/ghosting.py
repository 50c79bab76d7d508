"""Ghosts of movement along the phase-encoding axis."""

from typing import Annotated

import torch
from torch import Tensor

from tlimb.components.contracts import Augmentation
from tlimb.components.draws import Draws


class Ghosting(Augmentation):
    """Weaken every n-th line of k-space along one axis, as periodic movement does: shifted, faint copies appear.

    Args:
        strength: largest share by which the lines are weakened; each sample's lies between 0 and it.
        ghosts: number of copies; every n-th line is weakened, for this n.
        p: probability that a sample is changed.

    Source: Wood, Henkelman: MR image artifacts from periodic motion, Medical Physics 1985: periodic modulation of
        k-space gives copies at a distance of the field of view over the period. The zero frequency is kept.
    """

    revision = 2  # the same lines at either side of the zero frequency

    def __init__(
        self,
        *,
        strength: Annotated[float, {"minimum": 0, "maximum": 1}] = 0.3,
        ghosts: Annotated[int, {"minimum": 2, "maximum": 32}] = 4,
        p: Annotated[float, {"minimum": 0, "maximum": 1}] = 1.0,
    ) -> None:
        self.strength = strength
        self.ghosts = ghosts
        self.p = p

    def apply(self, inputs: Tensor, draws: Draws) -> Tensor:
        """Change the spectrum along an axis that each sample draws."""
        if self.strength == 0:
            return inputs
        axes = inputs.ndim - 2
        along = (draws.uniform(1) * axes).long().clamp(max=axes - 1)
        strengths = self.strength * draws.uniform(2)
        changed = inputs
        for number in range(axes):
            length = inputs.shape[number + 2]
            # Counted from the zero frequency to either side: a line and its conjugate are weakened alike. Else the
            # image would not be real, and taking its real part would halve the strength where the number does not
            # divide the length.
            line = (torch.fft.fftfreq(length, device=inputs.device) * length).round().abs()
            weakened = (line % self.ghosts == 0) & (line > 0)
            factor = 1 - strengths[:, None] * weakened
            factor = factor.reshape(len(inputs), 1, *(length if axis == number else 1 for axis in range(axes)))
            spectrum = torch.fft.fft(inputs, dim=number + 2)
            ghosted = torch.fft.ifft(spectrum * factor, dim=number + 2).real
            chosen = (along == number).reshape(-1, *(1 for _ in inputs.shape[1:]))
            changed = torch.where(chosen, ghosted, changed)
        return torch.where(draws.chosen(self.p, inputs), changed, inputs)
