"""Pseudo-labels of unlabelled people, where the network is sure."""

from collections.abc import Mapping, Sequence
from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn import functional

from tlimb.components.contracts import Augmentation, Batch, Inputs, Network, Scenario, StepContext
from tlimb.components.contrast import usual_views, view
from tlimb.components.labelled import labelled_terms
from tlimb.components.opinions import Opinions
from tlimb.components.running_mean import RunningMean


class FixMatch(Scenario):
    """Learn from the network's own sure guesses: what it says of an image, it shall say of the image changed strongly.

    The guess is taken from the image as the data module's `augment` leaves it (the weak change), the loss from the
    image after `augment` of this scenario (the strong change). Guesses below the threshold count as 0 in a mean over
    all unlabelled samples. Labelled, weakly and strongly changed samples go through the encoder together. For classes
    only: numbers have no such certainty. The history notes what the network says of unlabelled people, for each
    head: `prediction_entropy`, 0 when all are put into one class, and `told_apart`, 0 when all are told the same.

    Args:
        ratio: unlabelled samples for each labelled one in a batch.
        threshold: smallest probability of a guess that counts.
        weight: factor of the unlabelled loss.
        ema: share of the old mean of the weights that is kept in each step, for the mean that is validated and kept;
            0 keeps the network itself.
        augment: random changes on top of the weak one; by default affine, gamma, noise, blur and cutout, moderately.
        transductive: whether the unlabelled people may be people who are tested; the ranking then says so.

    Source: Sohn et al.: FixMatch: simplifying semi-supervised learning with consistency and confidence, NeurIPS 2020,
        equations 3 and 4. The ratio there is 7, the mean's decay 0.999; 3 suits volumes, of which fewer fit.
    """

    revision = 2  # the history notes how far the predictions are from collapse
    roles = ("labelled", "unlabelled")
    objective_kinds = ("class",)

    def __init__(
        self,
        *,
        ratio: Annotated[int, {"minimum": 1}] = 3,
        threshold: Annotated[float, {"minimum": 0, "maximum": 1}] = 0.95,
        weight: Annotated[float, {"minimum": 0}] = 1.0,
        ema: Annotated[float, {"minimum": 0, "exclusiveMaximum": 1}] = 0.999,
        augment: Sequence[Augmentation] = (),
        transductive: bool = False,
    ) -> None:
        self.ratio = ratio
        self.threshold = threshold
        self.weight = weight
        self.ema = ema
        self.augment = tuple(augment) or usual_views()
        self.transductive = transductive
        self._mean: RunningMean | None = None

    def samples(self, role: str, batch_size: int) -> int:
        """Give the batch size of the study for labelled samples, and a multiple of it for unlabelled ones."""
        return batch_size * self.ratio if role == "unlabelled" else batch_size

    def build(self, network: Network, inputs: Inputs) -> nn.Module | None:
        """Make the running mean of the weights, and the means of what the network says."""
        self._mean, self._opinions = RunningMean(network) if self.ema else None, Opinions(network)
        owned: dict[str, nn.Module] = {} if self._mean is None else {"mean": self._mean}
        return nn.ModuleDict({**owned, "opinions": self._opinions})

    def terms(
        self, network: Network, batches: Mapping[str, Batch], step: int, progress: float
    ) -> tuple[dict[str, Tensor], StepContext]:
        """Give one term for each head, from labelled samples, and one of the sure guesses."""
        labelled, weak = batches["labelled"], batches["unlabelled"]
        assert weak.seeds is not None
        strong = view(weak.inputs, weak.seeds, self.augment, 0)
        sizes = [len(labelled.rows), len(weak.rows), len(weak.rows)]
        parts = network.encoder(torch.cat([labelled.inputs, weak.inputs, strong])).split(sizes)
        features = {"labelled": parts[0], "unlabelled": parts[1]}
        outputs, terms = labelled_terms(network, labelled, parts[0])
        guessed, said = [], {}
        for name, head in network.heads.items():
            weakly = head(parts[1])
            guessed.append(network.weights.get(name, 1.0) * self.guesses(weakly, head(parts[2])))
            said[name] = weakly.detach().float().softmax(1)
        terms["pseudo_labels"] = self.weight * torch.stack(guessed).sum()
        context = StepContext(network.encoder, network.heads, batches, features, outputs, step, progress)
        context.notes.update(self._opinions.hear(said))
        return terms, context

    def guesses(self, weak: Tensor, strong: Tensor) -> Tensor:
        """Give the mean over all samples of the cross-entropy with sure guesses, from logits (batch, classes)."""
        certainty, guess = weak.detach().float().softmax(1).max(1)
        each = functional.cross_entropy(strong.float(), guess, reduction="none")
        return (each * (certainty >= self.threshold)).mean()

    def after_step(self, network: Network, progress: float) -> None:
        """Let the mean follow."""
        if self._mean is not None:
            self._mean.follow(network, self.ema)

    def result(self, network: Network, role: str | None = None) -> Network:
        """Give the mean, or the network itself where there is none."""
        return network if self._mean is None else self._mean.network(network)
