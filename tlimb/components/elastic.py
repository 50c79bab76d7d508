"""Holding parameters near where a transfer put them: what the elastic penalties share."""

from collections.abc import Mapping

import torch
from attrs import define, field
from torch import Tensor, nn

from tlimb.components.contracts import Encoder, StepContext

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.LayerNorm, nn.GroupNorm)


@define(eq=False)
class Anchors:
    """The values that parameters are pulled to; what has none is pulled to zero.

    Attributes:
        start: transferred parameters before the first step, by name in `encoder.network`.
        kept: parameters of kept heads before the first step, as `<head>.<name>`.
        left_out: parameters of `encoder.network` that are not pulled at all.
    """

    start: dict[str, Tensor] = field(factory=dict)
    kept: dict[str, Tensor] = field(factory=dict)
    left_out: frozenset[str] = frozenset()

    def begin(self, encoder: Encoder, transferred: Mapping[str, Tensor], norm: str, named: str) -> None:
        """Keep copies of the transferred parameters.

        Args:
            encoder: the network with the parent's weights in it.
            transferred: the parent's tensors by name in `encoder.network`.
            norm: `exclude` leaves out scales and shifts of normalisation layers, `include` pulls them too.
            named: name of the penalty, for the message.

        Raises:
            ValueError: nothing was transferred.
        """
        parameters = dict(encoder.network.named_parameters())
        self.start = {
            name: transferred[name].detach().clone().to(parameter)
            for name, parameter in parameters.items()
            if name in transferred
        }
        if not self.start:
            raise ValueError(f"{named} needs transferred weights: the stage has no parent, or nothing was transferred")
        norms = [name for name, module in encoder.network.named_modules() if isinstance(module, NORMS)]
        excluded = norms if norm == "exclude" else []
        self.left_out = frozenset(name for name in parameters if name.rpartition(".")[0] in excluded)

    def keep(self, heads: Mapping[str, Tensor]) -> None:
        """Keep copies of the parent's heads, by `<head>.<name>`."""
        self.kept = {name: tensor.detach().clone() for name, tensor in heads.items()}

    def penalty(
        self, context: StepContext, alpha: float, beta: float, importance: Mapping[str, Tensor] | None = None
    ) -> Tensor:
        """Give alpha / 2 times the squared distance from the anchors plus beta / 2 times the squared norm of the rest.

        Args:
            context: the step; parameters that are not trained add nothing.
            alpha: strength of the pull to the anchors.
            beta: strength of the pull of all others to zero.
            importance: factor of each squared difference, by name in `encoder.network` and of the parameter's shape;
                1 where there is none. None for 1 everywhere.
        """
        encoder = [(n, p) for n, p in context.encoder.network.named_parameters() if n not in self.left_out]
        heads = [(f"{top}.{n}", p) for top, head in context.heads.items() for n, p in head.named_parameters()]
        factors = importance or {}
        near, small = [], []
        for starts, weights, parameters in ((self.start, factors, encoder), (self.kept, {}, heads)):
            for name, parameter in parameters:
                if not parameter.requires_grad:
                    continue
                if name not in starts:
                    small.append(parameter)
                    continue
                start = starts[name] = starts[name].to(parameter)
                square = (parameter - start).square()
                near.append((weights[name] * square if name in weights else square).sum())
        zero = torch.zeros((), device=next(context.encoder.network.parameters()).device)
        pull = torch.stack(near).sum() if near else zero
        decay = torch.stack([parameter.square().sum() for parameter in small]).sum() if small else zero
        return alpha / 2 * pull + beta / 2 * decay
