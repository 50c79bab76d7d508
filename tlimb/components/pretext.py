"""What the images themselves teach, as a term beside labels."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from tlimb.components.contracts import Auxiliary, Batch, Inputs, Network, Pretext, StepContext


class PretextTerm(Auxiliary):
    """The term of a pretext objective, with a head of its own, over the samples of one role or of all.

    Attributes:
        weight: factor of the term.
        role: whose samples are read; None for those of all roles together.
        pretext: gives the loss.
    """

    weight: float
    role: str | None
    pretext: Pretext

    def build(self, network: Network, inputs: Inputs) -> nn.Module | None:
        """Make the head of the pretext objective."""
        self._head = self.pretext.head(network.encoder.feature_dim, inputs)
        return self._head

    def loss(self, context: StepContext) -> Tensor:
        """Give the weighted loss, a scalar."""
        batch = _pooled(context.batches) if self.role is None else context.batches[self.role]
        value, said = self.pretext.term(context.encoder, self._head, batch)
        own = type(self).__module__.rpartition(".")[2]
        context.notes.update({f"{own} (auxiliary) {what}": one for what, one in said.items()})
        return self.weight * value


def _pooled(batches: Mapping[str, Batch]) -> Batch:
    found = list(batches.values())
    seeds = [batch.seeds for batch in found if batch.seeds is not None]
    return Batch(
        torch.cat([batch.inputs for batch in found]),
        torch.cat([batch.rows for batch in found]),
        {},
        {},
        torch.cat(seeds) if len(seeds) == len(found) else None,
    )
