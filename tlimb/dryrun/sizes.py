"""What is wrong between a network and the size of its images, in words, with a size that fits."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from attrs import evolve
from torch import Tensor

from tlimb.components.contracts import Encoder, Inputs
from tlimb.components.transfer import first_convolution
from tlimb.dryrun.building import Bench, said
from tlimb.dryrun.step import UnfitError
from tlimb.dryrun.tracing import Layers
from tlimb.manifest import Fit
from tlimb.problems import Problem, Severity, TlimbError

MULTIPLES = (2, 4, 8, 16, 32)
GROWTH = (1, 2, 4)


def text(shape: tuple[int, ...]) -> str:
    """Write a size as `40 x 48 x 40`."""
    return " x ".join(str(length) for length in shape)


def dimensions(name: str, dims: tuple[int, ...], inputs: Inputs) -> Problem | None:
    """Say that a network of another number of dimensions meets the images; None when it fits."""
    if len(inputs.shape) in dims:
        return None
    hints: tuple[str, ...]
    takes = "time series" if dims == (1,) else " or ".join(f"{count}D" for count in dims) + " images"
    message = f"`{name}` takes {takes}, these have {len(inputs.shape)} dimensions"
    if len(inputs.shape) == 1:
        message = f"`{name}` takes {takes}, these are time series"
        hints = ("`resnet1d`, `tcn`, `transformer1d` and `connectivity` are for time series",)
    elif dims == (1,):
        hints = ("`data: time_series` reads time series", "or take a network for these images")
    elif dims == (2,):
        hints = ("`data: {slices_2d: {axis: axial}}` takes one slice of each volume", "or take a network for volumes")
    else:
        hints = ("`data: {bio_image: ..}` or `volume_3d` gives volumes", "or take a 2D network, such as `timm`")
    return Problem("shape", message, help=hints)


def patches(name: str, encoder: Encoder, layers: Layers) -> Problem | None:
    """Say that the first convolution cuts the image into patches that do not cover it; None when all is read.

    Such a network computes, but what lies beyond the last whole patch never reaches it.
    """
    weight = first_convolution(encoder.network)
    if weight is None:
        return None
    layer = weight.removesuffix(".weight")
    first: Any = encoder.network.get_submodule(layer)
    shape = layers.read.get(layer, ())
    if isinstance(first.padding, str) or any(first.padding) or first.stride != first.kernel_size:
        return None
    for length, patch in zip(shape, first.stride, strict=False):
        if patch > 1 and length % patch:
            below, above = (
                tuple(max(1, n // p + more) * p for n, p in zip(shape, first.stride, strict=False)) for more in (0, 1)
            )
            return Problem(
                "shape",
                f"patch {patch} does not divide {length}: {length % patch} of {length} are never read by `{name}`",
                help=f"sizes that fit: {text(below)}, {text(above)}",
            )
    return None


def unfit(bench: Bench, name: str, fit: Fit, inputs: Inputs, error: Exception) -> Problem:
    """Say that images of this size do not go through a network, and which size does.

    A network that takes no size at all is told with its own words.
    """
    own = said(error).partition("cannot be made: ")
    reason = own[2] or own[0]
    fits = next((size for size in _larger(inputs.shape) if _passes(bench, fit, inputs, size)), None)
    size = text(inputs.shape)
    if fits is None and isinstance(error, TlimbError):
        problem = error.problems[0]
        return evolve(problem, message=f"`{name}` cannot be made: {reason}") if own[2] else problem
    if fits is None:
        return Problem("shape", f"`{name}` cannot take images of {inputs.channels} x {size}: {reason}")
    help_ = f"a size that fits: {text(fits)}"
    if isinstance(error, UnfitError) and error.layers.smaller and error.layers.stack:
        layer, left = error.layers.stack[-1]
        count = len(error.layers.smaller)
        steps = "1 pooling or stride" if count == 1 else f"{count} poolings or strides"
        message = f"{size} is too small for `{name}`: {text(left)} is left after {steps}"
        return Problem("shape", message, help=help_, note=f"at its layer `{layer}`: {reason}")
    return Problem("shape", f"{size} does not fit `{name}`: {reason}", help=help_)


def _larger(shape: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """Give sizes to try, smallest first: each axis rounded up, then the image made larger."""
    sizes = {
        tuple(-(-length * growth // multiple) * multiple for length in shape)
        for multiple in MULTIPLES
        for growth in GROWTH
    }
    yield from sorted(sizes - {shape}, key=lambda size: (_volume(size), size))


def _volume(size: tuple[int, ...]) -> int:
    product = 1
    for length in size:
        product *= length
    return product


def _passes(bench: Bench, fit: Fit, inputs: Inputs, size: tuple[int, ...]) -> bool:
    try:
        encoder = bench.encoder(fit, Inputs(inputs.channels, size), "meta")
        with bench.way("meta"):
            encoder.eval()
            return encoder(torch.zeros(2, inputs.channels, *size, device="meta")).shape == (2, encoder.feature_dim)
    except Exception:  # noqa: BLE001
        # Modules of other people raise anything on a size that they do not take.
        return False


def apart(own: Mapping[str, Tensor], theirs: Mapping[str, Tensor]) -> tuple[str, ...]:
    """Say which tensors of two modules differ in shape, or are in one of them alone: a line each."""

    def size(found: Tensor | None) -> str:
        return "nothing" if found is None else text(tuple(found.shape)) or "a number"

    names = sorted({*own, *theirs})
    found = [(name, size(theirs.get(name)), size(own.get(name))) for name in names]
    return tuple(f"{name}: {before} in the parent, {here} here" for name, before, here in found if before != here)


def beyond(name: str, encoder: Encoder, unexpected: Sequence[str]) -> Problem | None:
    """Describe that a file has tensors inside modules of this network that the network has not; None when it has none.

    All of the network is found in such a file, and yet it may be another one: with shortcuts that this one lacks, say.
    """
    own = {module for module, _ in encoder.network.named_modules() if module}
    inside = [one for one in unexpected if one.rpartition(".")[0] in own or one.split(".")[0] in own]
    if not inside:
        return None
    listed = ", ".join(inside[:3]) + (f" and {len(inside) - 3} more" if len(inside) > 3 else "")
    message = f"the weights have more tensors inside layers of `{name}` than it has: {listed}"
    help_ = (
        "another option of the network may be meant; where they belong to nothing, a layout's `drop` leaves them out"
    )
    return Problem("weights-mismatch", message, severity=Severity.WARNING, help=help_)
