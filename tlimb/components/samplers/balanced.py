"""Equal shares of groups in an epoch."""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from tlimb.components.contracts import Sampler


class Balanced(Sampler):
    """Draw as many rows of each group in an epoch, so that a large cohort or a common class does not drown the others.

    An epoch has as many rows as without it. Rows without the label are in no group and come once each, as without it;
    each group gives an equal share of the other draws, in shuffled passes through its rows: those of a small group come
    several times, of a large one only some come in an epoch. Planning says how many rows have no label, and warns where
    a row comes more than 20 times in an epoch.

    Args:
        by: label whose values are the groups, or `dataset` for the datasets that are pooled.
    """

    revision = 2  # rows without the label are no group
    example: ClassVar[Mapping[str, Any]] = {"by": "dataset"}

    def __init__(self, *, by: str) -> None:
        self.by = by

    def order(self, groups: Tensor, generator: torch.Generator) -> Tensor:
        """Give an epoch's rows, (rows,) int64; shares that do not come out even differ by one."""
        known = groups[groups >= 0].unique()
        others = torch.nonzero(groups < 0)[:, 0]
        drawn = [others]
        draws = len(groups) - len(others)
        for number in range(len(known)):
            rows = torch.nonzero(groups == known[number])[:, 0]
            share = (draws * (number + 1)) // len(known) - (draws * number) // len(known)
            passes = -(-share // len(rows))
            shuffled = [rows[torch.randperm(len(rows), generator=generator)] for _ in range(passes)]
            drawn.append(torch.cat(shuffled)[:share] if shuffled else rows[:0])
        found = torch.cat(drawn)
        return found[torch.randperm(len(found), generator=generator)]
