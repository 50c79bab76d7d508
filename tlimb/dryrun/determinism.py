"""Layers whose backward pass has no deterministic kernel on a GPU."""

from collections.abc import Sequence

import torch

KINDS = {
    "avg_pool3d_backward": "AvgPool3d",
    "_adaptive_avg_pool2d_backward": "AdaptiveAvgPool2d",
    "_adaptive_avg_pool3d_backward": "AdaptiveAvgPool3d",
    "adaptive_max_pool2d_backward": "AdaptiveMaxPool2d",
    "fractional_max_pool2d_backward": "FractionalMaxPool2d",
    "fractional_max_pool3d_backward": "FractionalMaxPool3d",
    "max_pool3d_with_indices_backward": "MaxPool3d",
    "reflection_pad1d_backward": "ReflectionPad1d",
    "reflection_pad2d_backward": "ReflectionPad2d",
    "reflection_pad3d_backward": "ReflectionPad3d",
    "replication_pad1d_backward": "ReplicationPad1d",
    "replication_pad2d_backward": "ReplicationPad2d",
    "replication_pad3d_backward": "ReplicationPad3d",
    "upsample_linear1d_backward": "interpolate",
    "upsample_bilinear2d_backward": "interpolate",
    "upsample_bicubic2d_backward": "interpolate",
    "upsample_trilinear3d_backward": "interpolate",
    "grid_sampler_2d_backward": "grid_sample",
    "grid_sampler_3d_backward": "grid_sample",
}
"""Operations by the name of their backward pass -> the layer that torch's documentation of
`use_deterministic_algorithms` knows them by."""


def without_kernel(calls: Sequence[tuple[str, str]], documented: str | None = None) -> dict[str, str]:
    """Give layer -> kind of operation for what has no deterministic kernel on CUDA, among what was differentiated.

    Args:
        calls: what `Alive` noted of a forward and a backward pass.
        documented: the documentation that lists such operations; by default that of the installed torch, so that
            an operation whose kernel became deterministic with a release is not refused any more.
    """
    listed = _listed(torch.use_deterministic_algorithms.__doc__ or "" if documented is None else documented)
    found: dict[str, str] = {}
    for backward, kind in KINDS.items():
        times = sum(1 for name, _ in calls if name == backward)
        if not times or (listed and f".{kind}`" not in listed):
            continue
        forward = backward.removesuffix("_backward")
        # The backward pass goes back from the end and stops at what is frozen: the last calls are those it reached.
        layers = [layer for name, layer in calls if name == forward][-times:]
        found |= dict.fromkeys(layers, kind)
    return found


def _listed(text: str) -> str:
    """Give the entries of the documentation on operations that raise on CUDA."""
    section = text.partition("nondeterministic operations will throw")[2]
    return "\n".join(entry for entry in section.split("* :") if "CUDA" in entry or "MPS" not in entry)
