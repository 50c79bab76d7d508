"""Consistency with a running mean of the network."""

import math
from collections.abc import Mapping, Sequence
from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn import functional

from tlimb.components.augments.affine import Affine
from tlimb.components.augments.noise import Noise
from tlimb.components.contracts import Augmentation, Batch, Inputs, Network, Scenario, StepContext
from tlimb.components.contrast import view
from tlimb.components.labelled import labelled_terms
from tlimb.components.opinions import Opinions
from tlimb.components.running_mean import RunningMean


class MeanTeacher(Scenario):
    """Let predictions agree with those of a running mean of the network, for labelled and unlabelled people.

    Student and teacher see each image under random changes of their own; the squared difference of their predictions
    (probabilities of classes and bins, standardised numbers) is added to the loss, with a weight that grows from 0. The
    teacher is what is validated and kept. The history notes what the teacher says of unlabelled people, for each head
    of classes: `prediction_entropy`, 0 when all are put into one class, and `told_apart`, 0 when all are told the same.

    Args:
        ema: share of the old mean that is kept in each step; smaller at first.
        ratio: unlabelled samples for each labelled one in a batch.
        weight: factor of the squared difference.
        ramp: share of the run in which the weight grows, as exp(-5 (1 - t)^2).
        augment: random changes, drawn for student and teacher each; by default a little affine and noise.
        transductive: whether the unlabelled people may be people who are tested; the ranking then says so.

    Source: Tarvainen, Valpola: Mean teachers are better role models, NeurIPS 2017, section 2; the growth of the weight
        is that of Laine, Aila: Temporal ensembling for semi-supervised learning, ICLR 2017, section 2.
    """

    revision = 2  # the history notes how far the predictions are from collapse
    roles = ("labelled", "unlabelled")

    def __init__(
        self,
        *,
        ema: Annotated[float, {"minimum": 0, "exclusiveMaximum": 1}] = 0.99,
        ratio: Annotated[int, {"minimum": 1}] = 1,
        weight: Annotated[float, {"minimum": 0}] = 1.0,
        ramp: Annotated[float, {"minimum": 0, "maximum": 1}] = 0.3,
        augment: Sequence[Augmentation] = (),
        transductive: bool = False,
    ) -> None:
        self.ema = ema
        self.ratio = ratio
        self.weight = weight
        self.ramp = ramp
        self.augment = tuple(augment) or (Affine(rotate_deg=5, scale=0.05), Noise(sd=0.1))
        self.transductive = transductive

    def samples(self, role: str, batch_size: int) -> int:
        """Give the batch size of the study for labelled samples, and a multiple of it for unlabelled ones."""
        return batch_size * self.ratio if role == "unlabelled" else batch_size

    def build(self, network: Network, inputs: Inputs) -> nn.Module | None:
        """Make the teacher, and the means of what it says."""
        self._teacher, self._opinions = RunningMean(network), Opinions(network)
        return nn.ModuleDict({"teacher": self._teacher, "opinions": self._opinions})

    def strength(self, progress: float) -> float:
        """Give the weight at a share of the run."""
        done = min(1.0, progress / self.ramp) if self.ramp else 1.0
        return self.weight * math.exp(-5 * (1 - done) ** 2)

    def terms(
        self, network: Network, batches: Mapping[str, Batch], step: int, progress: float
    ) -> tuple[dict[str, Tensor], StepContext]:
        """Give one term for each head, from labelled samples, and the consistency of all samples."""
        size = len(batches["labelled"].rows)
        inputs = torch.cat([batches[role].inputs for role in self.roles])
        seeds = torch.cat([_seeds(batches[role]) for role in self.roles])
        both = network.encoder(view(inputs, seeds, self.augment, 0))
        features = {"labelled": both[:size], "unlabelled": both[size:]}
        outputs, terms = labelled_terms(network, batches["labelled"], features["labelled"])
        teacher = self._teacher.network(network)
        with torch.no_grad():
            known = teacher.encoder(view(inputs, seeds, self.augment, 1))
            taught = {name: network.objectives[name].says(head(known)) for name, head in teacher.heads.items()}
        ours = {name: network.objectives[name].says(network.heads[name](both)) for name in taught}
        apart = [functional.mse_loss(ours[name], taught[name]) for name in taught]
        terms["consistency"] = self.strength(progress) * torch.stack(apart).sum()
        context = StepContext(network.encoder, network.heads, batches, features, outputs, step, progress)
        context.notes.update(self._opinions.hear({name: every[size:] for name, every in taught.items()}))
        return terms, context

    def after_step(self, network: Network, progress: float) -> None:
        """Let the teacher follow."""
        self._teacher.follow(network, self.ema)

    def result(self, network: Network, role: str | None = None) -> Network:
        """Give the teacher."""
        return self._teacher.network(network)


def _seeds(batch: Batch) -> Tensor:
    assert batch.seeds is not None
    return batch.seeds
