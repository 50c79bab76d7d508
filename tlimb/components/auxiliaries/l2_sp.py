"""The elastic penalty: staying near the transferred weights."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from torch import Tensor

from tlimb.components.contracts import Auxiliary, Encoder, StepContext
from tlimb.components.elastic import Anchors


class L2SP(Auxiliary):
    """Pull what was transferred to the parent's weights and the new layers to zero (elastic penalty, L2-SP).

    The term is alpha / 2 times the squared distance of the transferred parameters from their values before the first
    step, plus beta / 2 times the squared norm of all others. New heads are among the others; heads that were kept
    (`adapt: {heads: keep}`) are transferred, like the encoder. It is a sum over parameters, as published,
    so a larger network is held more strongly by the same alpha. It is part of the loss, hence of the gradient: a pull
    apart from an adaptive optimizer's step would have another minimum. Running statistics are no parameters.

    Args:
        alpha: strength of the pull to the transferred weights, those of kept heads included.
        beta: strength of the pull of new parameters to zero.
        norm: whether scales and shifts of normalisation layers are pulled as well.
        weight: factor of the whole term.

    Source: Li, Grandvalet, Davoine: Explicit inductive bias for transfer learning with convolutional networks, ICML
        2018. The default of beta is ours.
    """

    revision = 2  # kept heads are pulled to the parent's weights; they were pulled to zero
    needs_parent = True
    divisible = True
    elastic: ClassVar[bool] = True
    example: ClassVar[Mapping[str, Any]] = {"alpha": 0.1}

    def __init__(
        self,
        *,
        alpha: Annotated[float, {"minimum": 0}],
        beta: Annotated[float, {"minimum": 0}] = 0.01,
        norm: Literal["include", "exclude"] = "include",
        weight: Annotated[float, {"minimum": 0}] = 1.0,
    ) -> None:
        self.alpha = alpha
        self.beta = beta
        self.norm = norm
        self.weight = weight
        self._anchors = Anchors()

    def begin(self, encoder: Encoder, transferred: Mapping[str, Tensor]) -> None:
        """Keep copies of the transferred parameters.

        Raises:
            ValueError: nothing was transferred.
        """
        self._anchors.begin(encoder, transferred, self.norm, "l2_sp")

    def keep(self, heads: Mapping[str, Tensor]) -> None:
        """Keep copies of the parent's heads."""
        self._anchors.keep(heads)

    def loss(self, context: StepContext) -> Tensor:
        """Give the weighted penalty, a scalar; parameters that are not trained add nothing."""
        return self.weight * self._anchors.penalty(context, self.alpha, self.beta)
