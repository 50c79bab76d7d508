"""The losses of all heads on labelled samples."""

from torch import Tensor

from tlimb.components.contracts import Batch, Network


def labelled_terms(network: Network, batch: Batch, features: Tensor) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Give each head's outputs, (batch, outputs), and its weight times its loss, a scalar."""
    outputs, terms = {}, {}
    for name, head in network.heads.items():
        outputs[name] = head(features)
        loss = network.objectives[name].loss(outputs[name], batch.targets[name], batch.valid[name])
        terms[name] = network.weights.get(name, 1.0) * loss
    return outputs, terms
