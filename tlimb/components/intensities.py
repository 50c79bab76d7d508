"""Intensities of each sample and channel."""

from torch import Tensor


def span(inputs: Tensor) -> tuple[Tensor, Tensor]:
    """Give the smallest intensity and the width of the range, each (batch, channel, 1, ...)."""
    flat = inputs.flatten(2)
    low, high = flat.amin(2), flat.amax(2)
    shape = (*inputs.shape[:2], *(1 for _ in inputs.shape[2:]))
    return low.reshape(shape), (high - low).reshape(shape)


def spread(inputs: Tensor) -> Tensor:
    """Give the standard deviation of intensities, (batch, channel, 1, ...)."""
    shape = (*inputs.shape[:2], *(1 for _ in inputs.shape[2:]))
    return inputs.flatten(2).std(2, correction=0).reshape(shape)
