"""The elastic penalty: staying near the transferred weights."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from tlimb.components.contracts import Auxiliary, Encoder, StepContext

_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.LayerNorm, nn.GroupNorm)


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
        self._start: dict[str, Tensor] = {}
        self._kept: dict[str, Tensor] = {}
        self._left_out: frozenset[str] = frozenset()

    def begin(self, encoder: Encoder, transferred: Mapping[str, Tensor]) -> None:
        """Keep copies of the transferred parameters.

        Raises:
            ValueError: nothing was transferred.
        """
        parameters = dict(encoder.network.named_parameters())
        self._start = {
            name: transferred[name].detach().clone().to(parameter)
            for name, parameter in parameters.items()
            if name in transferred
        }
        if not self._start:
            raise ValueError("l2_sp needs transferred weights: the stage has no parent, or nothing was transferred")
        norms = [name for name, module in encoder.network.named_modules() if isinstance(module, _NORMS)]
        excluded = norms if self.norm == "exclude" else []
        self._left_out = frozenset(name for name in parameters if name.rpartition(".")[0] in excluded)

    def keep(self, heads: Mapping[str, Tensor]) -> None:
        """Keep copies of the parent's heads."""
        self._kept = {name: tensor.detach().clone() for name, tensor in heads.items()}

    def loss(self, context: StepContext) -> Tensor:
        """Give the weighted penalty, a scalar; parameters that are not trained add nothing."""
        encoder = [(n, p) for n, p in context.encoder.network.named_parameters() if n not in self._left_out]
        heads = [(f"{top}.{n}", p) for top, head in context.heads.items() for n, p in head.named_parameters()]
        near, small = [], []
        for starts, parameters in ((self._start, encoder), (self._kept, heads)):
            for name, parameter in parameters:
                if not parameter.requires_grad:
                    continue
                if name in starts:
                    start = starts[name] = starts[name].to(parameter)
                    near.append((parameter - start).square().sum())
                else:
                    small.append(parameter)
        zero = torch.zeros((), device=next(context.encoder.network.parameters()).device)
        pull = torch.stack(near).sum() if near else zero
        decay = torch.stack([parameter.square().sum() for parameter in small]).sum() if small else zero
        return self.weight * (self.alpha / 2 * pull + self.beta / 2 * decay)
