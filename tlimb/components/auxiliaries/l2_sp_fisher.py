"""The elastic penalty with each parameter held by how much the features depend on it."""

import copy
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, cast

import torch
from torch import Tensor, nn

from tlimb.components.contracts import Auxiliary, Encoder, Inputs, Network, StepContext
from tlimb.components.elastic import Anchors


class L2SPFisher(Auxiliary):
    """Pull what was transferred to the parent's weights, each by its Fisher information (L2-SP-Fisher).

    The term is that of `l2_sp`, with each squared difference of the encoder multiplied by F_j over the mean of F, so
    that the same alpha holds a network as strongly as `l2_sp` does on average. F_j is the diagonal of the Fisher
    information of a Gaussian of unit variance around the features f(x), at the parent's weights: the mean over images
    of sum_k (df_k / dw_j)^2. It needs neither the parent's images nor its head, which public weights come without.
    It is estimated on the first `samples` training images of this run, as they are drawn, by one random direction v
    for each: (d(v f) / dw_j)^2 with v of unit variance has just this mean. The directions are the same in every run,
    so that arms stay paired. Before all images were seen, the term uses the mean over those seen so far. This costs
    about as much as an epoch over so many images, and memory for a second encoder. Normalisation uses running
    statistics for it. Kept heads are held with a factor of 1.

    Args:
        alpha: strength of the pull to the transferred weights, those of kept heads included.
        beta: strength of the pull of new parameters to zero.
        norm: whether scales and shifts of normalisation layers are pulled as well.
        samples: images that the Fisher information is estimated on; of smaller training parts some come twice.
        weight: factor of the whole term.

    Source: Li, Grandvalet, Davoine: Explicit inductive bias for transfer learning with convolutional networks, ICML
        2018, L2-SP-Fisher in section 3. There F is that of the source task's classifier, on source images, and it is
        not divided by its mean; the default of beta is ours.
    """

    needs_parent = True
    elastic: ClassVar[bool] = True
    example: ClassVar[Mapping[str, Any]] = {"alpha": 0.1, "samples": 8}

    def __init__(
        self,
        *,
        alpha: Annotated[float, {"minimum": 0}],
        beta: Annotated[float, {"minimum": 0}] = 0.01,
        norm: Literal["include", "exclude"] = "include",
        samples: Annotated[int, {"minimum": 1}] = 512,
        weight: Annotated[float, {"minimum": 0}] = 1.0,
    ) -> None:
        self.alpha = alpha
        self.beta = beta
        self.norm = norm
        self.samples = samples
        self.weight = weight
        self._anchors = Anchors()

    def build(self, network: Network, inputs: Inputs) -> nn.Module | None:
        """Copy the encoder at the parent's weights, and make room for the sums over images."""
        self._estimate = _Estimate(network.encoder)
        return self._estimate

    def begin(self, encoder: Encoder, transferred: Mapping[str, Tensor]) -> None:
        """Keep copies of the transferred parameters.

        Raises:
            ValueError: nothing was transferred.
        """
        self._anchors.begin(encoder, transferred, self.norm, "l2_sp_fisher")

    def keep(self, heads: Mapping[str, Tensor]) -> None:
        """Keep copies of the parent's heads."""
        self._anchors.keep(heads)

    def loss(self, context: StepContext) -> Tensor:
        """Give the weighted penalty, a scalar; parameters that are not trained add nothing."""
        for batch in context.batches.values():
            self._estimate.see(batch.inputs, self.samples)
        return self.weight * self._anchors.penalty(context, self.alpha, self.beta, self.importance())

    def importance(self) -> dict[str, Tensor]:
        """Give the factor of each transferred parameter by name in `encoder.network`; their mean is 1."""
        held = [name for name in self._anchors.start if name not in self._anchors.left_out]
        found = {name: one for name, one in self._estimate.information().items() if name in held}
        mean = torch.cat([one.flatten() for one in found.values()]).mean() if found else torch.ones(())
        return {name: one / mean.clamp(min=torch.finfo(one.dtype).tiny) for name, one in found.items()}


class _Estimate(nn.Module):
    """The running mean of squared derivatives of the features, at weights that stay.

    Attributes:
        encoder: a copy that never moves.
        sums: (parameters,) float32, sums over images, all parameters of `encoder.network` in their order.
        seen: number of images, int64.
    """

    sums: Tensor
    seen: Tensor

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder = copy.deepcopy(encoder).requires_grad_(False)
        count = sum(parameter.numel() for parameter in self.encoder.network.parameters())
        self.register_buffer("sums", torch.zeros(count))
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))

    def see(self, inputs: Tensor, most: int) -> None:
        """Add images (batch, channel, *spatial) until so many were seen in all."""
        for image in inputs[: max(0, most - int(self.seen))]:
            direction = torch.randn(self.encoder.feature_dim, generator=torch.Generator().manual_seed(int(self.seen)))
            self.sums += self._squares(image[None], direction.to(image.device))
            self.seen += 1

    def _squares(self, image: Tensor, direction: Tensor) -> Tensor:
        self.encoder.eval()
        parameters = list(self.encoder.network.parameters())
        self.encoder.requires_grad_(True)
        try:
            # Squares of small derivatives would be lost in bf16.
            with torch.enable_grad(), torch.autocast(image.device.type, enabled=False):
                features = cast("Tensor", self.encoder(image))[0]
                found = torch.autograd.grad((direction * features).sum(), parameters, allow_unused=True)
        finally:
            self.encoder.requires_grad_(False)
        pairs = zip(parameters, found, strict=True)
        flat = [torch.zeros_like(one).flatten() if grad is None else grad.flatten() for one, grad in pairs]
        return torch.cat(flat).square().to(self.sums)

    def information(self) -> dict[str, Tensor]:
        """Give the mean over the images seen, by name in `encoder.network`."""
        named = dict(self.encoder.network.named_parameters())
        parts = (self.sums / self.seen.clamp(min=1)).split([one.numel() for one in named.values()])
        return {name: part.view_as(one) for (name, one), part in zip(named.items(), parts, strict=True)}
