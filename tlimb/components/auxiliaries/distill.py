"""Learning from what a trained network says."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from tlimb.components.contracts import Auxiliary, Batch, Inputs, Network, StepContext
from tlimb.problems import ExitCode, Problem, TlimbError


class Distill(Auxiliary):
    """Learn what another trained network says of the same images (knowledge distillation).

    The teacher is the stage in the slot `teacher` of `from`; it does not change and predicts with its running
    statistics. With `match: outputs` each head that both have learns the teacher's. For classes the term is
    temperature^2 times the Kullback-Leibler divergence of the student's from the teacher's probabilities, both softened
    by the temperature. For numbers it is the head's own loss with the teacher's prediction for a label, so that both
    may be scaled otherwise. With `match: features` a linear map of the student's features learns the teacher's: the
    mean squared difference over features. All terms are means over samples, labelled or not.

    Args:
        weight: factor of the term.
        ramp_epochs: epochs in which the weight grows linearly from 0.
        role: whose samples are read; none for the first role.
        match: `outputs` of heads that both have, or `features`.
        temperature: of the probabilities.

    Source: Hinton, Vinyals, Dean: Distilling the knowledge in a neural network, arXiv 1503.02531, 2015, section 2;
        features: Romero et al.: FitNets: hints for thin deep nets, ICLR 2015, equation 3 (there of an inner layer, half
        the sum). Numbers are ours.
    """

    slots = ("teacher",)
    divisible = True
    example: ClassVar[Mapping[str, Any]] = {}

    def __init__(
        self,
        *,
        weight: Annotated[float, {"minimum": 0}] = 1.0,
        ramp_epochs: Annotated[int, {"minimum": 0}] = 0,
        role: Annotated[str | None, {"names": "roles"}] = None,
        match: Literal["outputs", "features"] = "outputs",
        temperature: Annotated[float, {"exclusiveMinimum": 0}] = 2.0,
    ) -> None:
        self.weight = weight
        self.ramp_epochs = ramp_epochs
        self.role = role
        self.match = match
        self.temperature = temperature

    def learn_from(self, slot: str, network: Network) -> None:
        """Keep the teacher."""
        self._teacher = network

    def build(self, network: Network, inputs: Inputs) -> nn.Module | None:
        """Make the map between features, where these are matched.

        Raises:
            TlimbError: teacher and student have no head in common (64).
        """
        self._objectives = network.objectives
        if self.match == "features":
            self._map = nn.Linear(network.encoder.feature_dim, self._teacher.encoder.feature_dim)
            return self._map
        self._common = [name for name in network.heads if name in self._teacher.heads]
        if not self._common:
            names = ", ".join(self._teacher.heads)
            message = f"`distill`: the teacher has no head of this stage, only {names}"
            raise TlimbError(Problem("combination", message, help="write `match: features`"), ExitCode.USAGE)
        return None

    def loss(self, context: StepContext) -> Tensor:
        """Give the weighted term, a scalar."""
        role = self.role or next(iter(context.features))
        batch, features = context.batches[role], context.features[role]
        with torch.no_grad():
            wanted = self._teacher.encoder(batch.inputs)
        if self.match == "features":
            return self.weight * functional.mse_loss(self._map(features).float(), wanted.float())
        terms = [self._head(name, context.heads[name](features), wanted, batch) for name in self._common]
        return self.weight * torch.stack(terms).sum()

    def _head(self, name: str, outputs: Tensor, wanted: Tensor, batch: Batch) -> Tensor:
        with torch.no_grad():
            theirs = self._teacher.heads[name](wanted).float()
        if self._objectives[name].kind == "class":
            soft = [(one.float() / self.temperature).log_softmax(1) for one in (outputs, theirs)]
            return self.temperature**2 * functional.kl_div(soft[0], soft[1], reduction="batchmean", log_target=True)
        said = self._teacher.objectives[name].predict(theirs).float()
        everybody = torch.ones(len(batch.rows), dtype=torch.bool, device=said.device)
        return self._objectives[name].loss(outputs, said, everybody)
