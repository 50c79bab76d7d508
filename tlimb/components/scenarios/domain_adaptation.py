"""Learning from a labelled source for an unlabelled target."""

import copy
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import torch
from attrs import evolve
from torch import Tensor, nn

from tlimb.components.contracts import Batch, Encoder, Inputs, Network, Scenario, StepContext
from tlimb.components.labelled import labelled_terms

_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


class DomainAdaptation(Scenario):
    """Train on a labelled source while the encoder also sees an unlabelled target (unsupervised domain adaptation).

    Alone it only lets batch normalisation see the target, which can be most of what adaptation gains: compare every
    auxiliary objective with it and with `adabn`. What pulls the domains together are the auxiliary objectives `coral`,
    `mmd` and `dann`.

    Args:
        bn: whose statistics normalise a batch. `shared`: those of source and target samples together. `per_domain`:
            each domain's own; running statistics are kept for both, the source's validate the source, and the result
            has the target's. `frozen`: the running statistics that the encoder came with, which never move;
            it needs a parent that has some.
        oracle: changes nothing: `select: {role: target, oracle: true}` is what lets selection read target labels.

    Source: per-domain statistics: Li et al.: Revisiting batch normalization for practical domain adaptation, 2016;
        Chang et al.: Domain-specific batch normalization, CVPR 2019 (with scales of their own, which we share).
    """

    roles = ("source", "target")
    needs_parent_with: ClassVar[Mapping[str, Any]] = {"bn": "frozen"}  # else nothing would ever be normalised

    def __init__(self, *, bn: Literal["shared", "per_domain", "frozen"] = "shared", oracle: bool = False) -> None:
        self.bn = bn
        self.oracle = oracle
        self._source: Encoder | None = None

    def build(self, network: Network, inputs: Inputs) -> nn.Module | None:
        """Make a second set of running statistics, for the source, on the same weights."""
        if self.bn == "per_domain":
            self._source = _twin(network.encoder)
        return self._source

    def terms(
        self, network: Network, batches: Mapping[str, Batch], step: int, progress: float
    ) -> tuple[dict[str, Tensor], StepContext]:
        """Give one term for each head, from the source; auxiliary objectives read the features of both roles."""
        features = self._features(network.encoder, batches)
        outputs, terms = labelled_terms(network, batches["source"], features["source"])
        return terms, StepContext(network.encoder, network.heads, batches, features, outputs, step, progress)

    def _features(self, encoder: Encoder, batches: Mapping[str, Batch]) -> dict[str, Tensor]:
        source, target = batches["source"].inputs, batches["target"].inputs
        if self._source is not None:
            for module, twin in zip(encoder.modules(), self._source.modules(), strict=True):
                twin.training = module.training
            return {"source": self._source(source), "target": encoder(target)}
        if self.bn == "frozen":
            for module in encoder.modules():
                if isinstance(module, _NORMS):
                    module.eval()
        both = encoder(torch.cat([source, target]))
        return {"source": both[: len(source)], "target": both[len(source) :]}

    def result(self, network: Network, role: str | None = None) -> Network:
        """Give the network with the target's statistics; for the validation of the source, with the source's."""
        return evolve(network, encoder=self._source) if role == "source" and self._source is not None else network


def _twin(encoder: Encoder) -> Encoder:
    """Copy an encoder's buffers; its parameters are the same objects."""
    made = copy.deepcopy(encoder)
    for module, original in zip(made.modules(), encoder.modules(), strict=True):
        module._parameters.update(original._parameters)
    return made
