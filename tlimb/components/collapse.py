"""Whether embeddings and predictions still tell images apart, or have collapsed into a point, a line or one class."""

import math
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor
from torch.nn import functional

LEAST_SPREAD = 0.1
"""Spread below which embeddings count as collapsed into a point; about 1 is healthy."""
LEAST_RANK = 1.5
"""Effective rank below which they count as collapsed into a line; 1 is a line through the origin."""
LEAST_ENTROPY = 0.1
"""Entropy of the mean prediction, as a share of its maximum, below which all unlabelled people are in one class: with
two classes, where the other one has 1.3 per cent."""
LEAST_APART = 1e-4
"""Mutual information of person and prediction, as a share of its maximum, below which the same is said of everybody:
with two equal classes, where probabilities differ by less than a hundredth. Guesses that are right in 55 of 100 people
have some fifty times that."""


def measured(embeddings: Tensor) -> dict[str, Tensor]:
    """Give `spread` and `effective_rank` of a batch's embeddings, (batch, width), for the history.

    Of fewer than two samples nothing can be said.
    """
    if len(embeddings) < 2:
        return {}
    return {"spread": spread(embeddings), "effective_rank": effective_rank(embeddings)}


def spread(embeddings: Tensor) -> Tensor:
    """Give the mean standard deviation of the entries of unit embeddings, times sqrt(width).

    Embeddings that fill all directions give about 1, in a small batch too; those that have collapsed into one, 0.

    Source: Chen, He: Exploring simple Siamese representation learning, CVPR 2021, section 4.1. We divide by
        batch - 1, so that the last and smallest batch of an epoch does not look collapsed.
    """
    unit = functional.normalize(embeddings.detach().float(), dim=1)
    return unit.std(0).mean() * unit.shape[1] ** 0.5


def effective_rank(embeddings: Tensor) -> Tensor:
    """Give in how many directions unit embeddings lie, from 1 to the smaller of batch and width.

    It is exp(-sum_k p_k log p_k), where p_k are the singular values of the matrix of embeddings over their sum.

    Source: Roy, Vetterli: The effective rank, EUSIPCO 2007, definition 1; as a measure of collapse: Garrido et al.:
        RankMe, ICML 2023, equation 1, who leave lengths as they are.
    """
    unit = functional.normalize(embeddings.detach().float(), dim=1)
    # Of finite embeddings only: the decomposition of others fails, and their loss says so anyway.
    values = torch.linalg.svdvals(torch.nan_to_num(unit))
    shares = values / values.sum().clamp(min=1e-12)
    return torch.exp(-torch.special.xlogy(shares, shares).sum())


def collapsed(notes: Mapping[str, object]) -> Iterator[str]:
    """Give, one sentence each, what an epoch's notes say of collapsed embeddings and predictions."""
    for name, value in notes.items():
        whose, _, what = name.rpartition(" ")
        least, sort, meaning = _LEAST.get(what, (-math.inf, "", ""))
        if isinstance(value, int | float) and value < least:
            yield f"{sort} of {whose} have collapsed{meaning}: {what} {value:.3g} is below {least:g}"


_LEAST = {
    "spread": (LEAST_SPREAD, "embeddings", ""),
    "effective_rank": (LEAST_RANK, "embeddings", ""),
    "prediction_entropy": (LEAST_ENTROPY, "predictions", " into one class"),
    "told_apart": (LEAST_APART, "predictions", " into the same for everybody"),
}
