"""New statistics of batch normalisation, and nothing else."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from tlimb.components.contracts import Batch, Inputs, Network, NetworkUnfitError, Scenario, StepContext

_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


class AdaBN(Scenario):
    """Replace the running statistics of batch normalisation by those of another dataset (AdaBN); train nothing.

    Weights and heads are the parent's. Each normalisation layer gets the mean and the unbiased variance of all its
    inputs over one pass through the training part, while batches are normalised by their own statistics and dropout
    rests. Labels are not read. It costs one forward pass, and is the baseline that every domain adaptation must beat.

    Source: Li et al.: Revisiting batch normalization for practical domain adaptation, 2016 (section 3). Sums are
        taken over samples, so a short last batch counts for as many as it has.
    """

    needs_parent = True
    trains = False
    unread = ("auxiliary", "weighting", "sampler", "optimizer", "scheduler")

    def build(self, network: Network, inputs: Inputs) -> nn.Module | None:
        """Make the sums that the statistics come from.

        Raises:
            NetworkUnfitError: the encoder has no batch normalisation.
        """
        found = [module for module in network.encoder.modules() if isinstance(module, _NORMS)]
        if not found:
            raise NetworkUnfitError("adabn needs an encoder with batch normalisation; this one has none")
        self._layers = found
        self._sums = nn.Module()
        for number, layer in enumerate(found):
            # Row 0 counts, row 1 sums, row 2 sums squares.
            empty = torch.zeros(3, layer.num_features, dtype=torch.float64)
            self._sums.register_buffer(f"layer{number}", empty)
            layer.register_forward_pre_hook(lambda _, given, number=number: self._add(number, given[0]))
        return self._sums

    def _add(self, number: int, inputs: Tensor) -> None:
        if not self._layers[number].training:
            return
        sums: Tensor = getattr(self._sums, f"layer{number}")
        flat = inputs.detach().double().transpose(0, 1).flatten(1)
        sums += torch.stack([torch.full_like(flat[:, 0], flat.shape[1]), flat.sum(1), flat.square().sum(1)])

    def terms(
        self, network: Network, batches: Mapping[str, Batch], step: int, progress: float
    ) -> tuple[dict[str, Tensor], StepContext]:
        """Pass a batch through the encoder and move the statistics; gives no term."""
        network.encoder.eval()
        for layer in self._layers:
            layer.train()
        batch = batches[self.roles[0]]
        features = network.encoder(batch.inputs)
        network.encoder.eval()
        for number, layer in enumerate(self._layers):
            count, total, squares = getattr(self._sums, f"layer{number}")
            mean = total / count
            state = layer.state_dict()
            state["running_mean"].copy_(mean)
            state["running_var"].copy_((squares - count * mean.square()) / (count - 1))
        return {}, StepContext(network.encoder, network.heads, batches, {self.roles[0]: features}, {}, step, progress)
