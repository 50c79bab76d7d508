"""Telling two views of one image from views of other images."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from tlimb.components.augments.affine import Affine
from tlimb.components.augments.blur import Blur
from tlimb.components.augments.cutout import Cutout
from tlimb.components.augments.gamma import Gamma
from tlimb.components.augments.noise import Noise
from tlimb.components.contracts import Augmentation
from tlimb.components.draws import Draws

_FIRST = 1000
"""Step of the draws of the first view; each view has a hundred."""


def usual_views() -> tuple[Augmentation, ...]:
    """Give the changes that make a view where a study names none."""
    return (
        Affine(rotate_deg=15, scale=0.1, shift=2),
        Gamma(log_range=0.3),
        Noise(sd=0.1),
        Blur(sigma=1.0, p=0.5),
        Cutout(size=0.4),
    )


def view(inputs: Tensor, seeds: Tensor, changes: Sequence[Augmentation], number: int) -> Tensor:
    """Give one view of each sample: (batch, channel, *spatial); views of other numbers are independent."""
    for step, change in enumerate(changes):
        inputs = change.apply(inputs, Draws(seeds, _FIRST + 100 * number + step))
    return inputs


def projector(feature_dim: int, hidden: int, width: int) -> nn.Module:
    """Make the layers between features and the embedding in which views are compared."""
    return nn.Sequential(nn.Linear(feature_dim, hidden), nn.ReLU(), nn.Linear(hidden, width))


def contrast(first: Tensor, second: Tensor, temperature: float, alike: Tensor | None = None) -> Tensor:
    """Give the mean loss over both views of telling each sample's other view from all other views.

    With e the 2 n embeddings of unit length, s_ab = e_a . e_b / temperature and a's other views b != a, it is
    -1/(2n) sum_a sum_b w_ab / sum_c w_ac * log(exp(s_ab) / sum_c exp(s_ac)).

    Args:
        first: (n, width) embeddings of the first views.
        second: (n, width) of the second views, in the same order.
        temperature: of the similarities.
        alike: (n, n) how alike two samples are, 0 to 1, with 1 on the diagonal; None for 1 on the diagonal and 0
            elsewhere, which is NT-Xent.

    Source: Chen et al.: A simple framework for contrastive learning of visual representations, ICML 2020, equation 1;
        with weights: Dufumier et al.: Contrastive learning with continuous proxy meta-data for 3D MRI classification,
        MICCAI 2021, equation 4, whose weights sum to 1 over the others of each view.
    """
    count = len(first)
    embeddings = functional.normalize(torch.cat([first, second]).float(), dim=1)
    own = torch.eye(2 * count, dtype=torch.bool, device=first.device)
    scores = (embeddings @ embeddings.T / temperature).masked_fill(own, -torch.inf)
    weights = torch.eye(count, device=first.device) if alike is None else alike
    weights = weights.repeat(2, 2).masked_fill(own, 0.0)
    weights = weights / weights.sum(1, keepdim=True)
    logs = functional.log_softmax(scores, dim=1).masked_fill(own, 0.0)
    return -(weights * logs).sum(1).mean()
