"""Whether embeddings still tell images apart, or have collapsed into a point or a line."""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor
from torch.nn import functional

LEAST_SPREAD = 0.1
"""Spread below which embeddings count as collapsed into a point; about 1 is healthy."""
LEAST_RANK = 1.5
"""Effective rank below which they count as collapsed into a line; 1 is a line through the origin."""


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
    """Give, one sentence each, what an epoch's notes say of collapsed embeddings."""
    for name, value in notes.items():
        whose, _, what = name.rpartition(" ")
        least = {"spread": LEAST_SPREAD, "effective_rank": LEAST_RANK}.get(what)
        if least is not None and isinstance(value, int | float) and value < least:
            yield f"embeddings of {whose} have collapsed: {what} {value:.3g} is below {least:g}"
