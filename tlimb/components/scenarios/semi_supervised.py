"""Labelled and unlabelled people in one training."""

from collections.abc import Mapping
from typing import Annotated

import torch
from torch import Tensor

from tlimb.components.contracts import Batch, Network, Scenario, StepContext
from tlimb.components.labelled import labelled_terms


class SemiSupervised(Scenario):
    """Train the heads on labelled people, while the encoder also sees unlabelled ones.

    Both go through the encoder together. Alone, this only lets batch normalisation see the unlabelled people; what
    teaches from them are auxiliary objectives such as `reconstruction`, `masked_reconstruction` and `simclr`.

    Args:
        ratio: unlabelled samples for each labelled one in a batch.
        transductive: whether the unlabelled people may be people who are tested; the ranking then says so.
    """

    roles = ("labelled", "unlabelled")

    def __init__(self, *, ratio: Annotated[int, {"minimum": 1}] = 1, transductive: bool = False) -> None:
        self.ratio = ratio
        self.transductive = transductive

    def samples(self, role: str, batch_size: int) -> int:
        """Give the batch size of the study for labelled samples, and a multiple of it for unlabelled ones."""
        return batch_size * self.ratio if role == "unlabelled" else batch_size

    def terms(
        self, network: Network, batches: Mapping[str, Batch], step: int, progress: float
    ) -> tuple[dict[str, Tensor], StepContext]:
        """Give one term for each head, from labelled samples; auxiliary objectives read the features of both roles."""
        size = len(batches["labelled"].rows)
        both = network.encoder(torch.cat([batches[role].inputs for role in self.roles]))
        features = {"labelled": both[:size], "unlabelled": both[size:]}
        outputs, terms = labelled_terms(network, batches["labelled"], features["labelled"])
        return terms, StepContext(network.encoder, network.heads, batches, features, outputs, step, progress)
