"""Gradients of heads that do not work against each other."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from tlimb.components.contracts import Weighting


class PCGrad(Weighting):
    """Take from each head's gradient what works against another head's (gradient surgery, PCGrad).

    On the encoder's parameters, the gradient of each head is projected, in turn and in random order, onto the normal
    plane of every other head's gradient with which its inner product is negative; then all are added. Heads and
    auxiliary terms keep their plain gradients. It costs one backward pass a head.

    Source: Yu et al.: Gradient surgery for multi-task learning, NeurIPS 2020, algorithm 1.
    """

    surgery = True

    def accumulate(self, terms: Mapping[str, Tensor], others: Tensor | None, shared: Sequence[nn.Parameter]) -> None:
        """Add the projected gradients to `.grad` of the encoder, and the plain ones to all others."""
        plain = [_flat(term, shared) for term in terms.values()] if shared else []
        total = torch.stack(list(terms.values())).sum()
        torch.autograd.backward(total if others is None else total + others)
        if len(plain) < 2:
            return
        change = torch.stack(projected(plain)).sum(0) - torch.stack(plain).sum(0)
        for parameter, part in zip(shared, change.split([p.numel() for p in shared]), strict=True):
            if parameter.grad is not None:
                parameter.grad += part.view_as(parameter)


def projected(gradients: Sequence[Tensor]) -> list[Tensor]:
    """Project each gradient off those that it works against, in an order drawn from torch's generator."""
    found = []
    for number, own in enumerate(gradients):
        made = own.clone()
        for other in torch.randperm(len(gradients)).tolist():
            inner = torch.dot(made, gradients[other])
            if other != number and inner < 0:
                made -= inner / gradients[other].square().sum() * gradients[other]
        found.append(made)
    return found


def _flat(term: Tensor, parameters: Sequence[nn.Parameter]) -> Tensor:
    if not term.requires_grad:
        return torch.cat([torch.zeros_like(p).flatten() for p in parameters])
    found = torch.autograd.grad(term, parameters, retain_graph=True, allow_unused=True)
    pairs = zip(found, parameters, strict=True)
    return torch.cat([(torch.zeros_like(p) if one is None else one).flatten() for one, p in pairs])
