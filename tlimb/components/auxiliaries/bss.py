"""Suppressing the weakest directions of a batch's features."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import torch
from torch import Tensor, nn

from tlimb.components.contracts import Auxiliary, Inputs, Network, StepContext
from tlimb.problems import ExitCode, Problem, TlimbError


class BSS(Auxiliary):
    """Shrink the smallest singular values of the batch's features (batch spectral shrinkage, BSS).

    The term is weight times the sum of the squares of the k smallest singular values of the matrix (batch, features)
    of all samples of the step. What a parent knows and the new task cannot use tends to lie in these directions, and
    a small target lets a head rely on them by chance. A step with fewer than 2 k samples, such as the last of an epoch,
    adds nothing: all that it has would be shrunk. The squares grow with the batch, as published.

    Args:
        k: number of singular values that shrink; the batch must hold 2 k samples and the encoder 2 k features.
        weight: factor of the term.

    Source: Chen et al.: Catastrophic forgetting meets negative transfer: batch spectral shrinkage for safe transfer
        learning, NeurIPS 2019, equation 4; k of 1 and the weight are the authors' own. The bound of 2 k is ours.
    """

    batch_at_least: ClassVar[Mapping[str, Any]] = {"option": "k", "times": 2}
    example: ClassVar[Mapping[str, Any]] = {"k": 1}

    def __init__(
        self, *, k: Annotated[int, {"minimum": 1}] = 1, weight: Annotated[float, {"minimum": 0}] = 0.001
    ) -> None:
        self.k = k
        self.weight = weight

    def build(self, network: Network, inputs: Inputs) -> nn.Module | None:
        """Own nothing; see that there are enough features.

        Raises:
            TlimbError: there are fewer than 2 k (64).
        """
        width = network.encoder.feature_dim
        if width < 2 * self.k:
            message = f"`bss` with `k: {self.k}` needs {2 * self.k} features; the encoder gives {width}"
            raise TlimbError(Problem("combination", message, help="take a smaller `k`"), ExitCode.USAGE)
        return None

    def loss(self, context: StepContext) -> Tensor:
        """Give the weighted sum of squares, a scalar."""
        features = torch.cat(list(context.features.values())).float()
        if len(features) < 2 * self.k:
            return 0.0 * features.sum()
        # In order of size, largest first.
        return self.weight * torch.linalg.svdvals(features)[-self.k :].square().sum()
