"""A picture of each augmentation for its reference page: one slice of a phantom as it is, changed a little, and a lot.

Run as `python -m tlimb.export.pictures`, or `make pictures`. Everything is drawn from fixed seeds.
"""

import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch

from tlimb.components import discovery
from tlimb.components.contracts import Augmentation
from tlimb.components.data.volume_3d import Volume3D
from tlimb.components.draws import Draws
from tlimb.components.preprocess.canonical import Canonical
from tlimb.components.preprocess.zscore import ZScore
from tlimb.describe import loading
from tlimb.phantom.dataset import make

STRENGTHS: Mapping[str, tuple[Mapping[str, Any], ...]] = MappingProxyType(
    {
        "affine": ({"rotate_deg": 5, "scale": 0.05, "shift": 1}, {"rotate_deg": 25, "scale": 0.2, "shift": 3}),
        "bias_field": ({"strength": 0.3}, {"strength": 1.0}),
        "blur": ({"sigma": 1.0}, {"sigma": 2.5}),
        "cutout": ({"size": 0.25}, {"size": 0.5}),
        "elastic": ({"displacement": 0.7}, {"displacement": 2.0}),
        "flip": ({"p": 1.0},),
        "gamma": ({"log_range": 0.3}, {"log_range": 1.5}),
        "ghosting": ({"strength": 0.3}, {"strength": 1.0}),
        "noise": ({"sd": 0.1}, {"sd": 0.4}),
    }
)
"""Augmentation -> options of its second and third panel."""
SEEDS: Mapping[str, int] = MappingProxyType({"bias_field": 2, "cutout": 5, "elastic": 6, "gamma": 2, "ghosting": 11})
"""Seed of the drawn sample where 1 draws nearly nothing."""
ENLARGED = 3
"""Edge of a voxel in pixels."""
GAP = 4
"""Pixels between panels."""
FOLDER = Path(__file__).parent.parent.parent / "docs" / "pictures"

Pixels = np.ndarray[Any, np.dtype[np.uint8]]


def caption(name: str) -> str:
    """Say what the panels of a picture show, such as `original; sd: 0.1; sd: 0.4`."""
    return "; ".join(["original", *(", ".join(f"{key}: {v}" for key, v in one.items()) for one in STRENGTHS[name])])


def page(name: str) -> str:
    """Give the line of a reference page that shows a picture; the page lies in `docs/reference/augment`."""
    return f"![{caption(name)}](../../pictures/augment-{name}.png)"


def pictures() -> dict[str, Pixels]:
    """Draw all pictures: file name -> grey levels (row, column)."""
    with tempfile.TemporaryDirectory() as folder:
        make(Path(folder) / "people", 1, voxel_mm=4, seed=1)
        (file,) = Path(folder).rglob("*_T1w.nii.gz")
        voxels = Volume3D(preprocess=[Canonical(), ZScore()]).load(file, None)
    batch = torch.from_numpy(voxels)[None]
    low, high = float(batch.min()), float(np.percentile(voxels, 99.8))
    found = {}
    for name, strengths in STRENGTHS.items():
        cls = loading.find(discovery.path_of("augment", name), Augmentation)  # type: ignore[type-abstract]
        seeds = torch.tensor([SEEDS.get(name, 1)])
        changed = [cls(**options).apply(batch, Draws(seeds, 0, 2)) for options in strengths]
        found[f"augment-{name}.png"] = _row([_panel(one, low, high) for one in (batch, *changed)])
    return found


def _panel(batch: torch.Tensor, low: float, high: float) -> Pixels:
    """Give the central axial slice, the front above and the left on the left, in the window of the original."""
    volume = batch[0, 0].numpy()
    plane = np.rot90(volume[:, :, volume.shape[2] // 2])
    grey = np.clip((plane - low) / (high - low), 0, 1) * 255
    return grey.round().astype(np.uint8).repeat(ENLARGED, axis=0).repeat(ENLARGED, axis=1)


def _row(panels: list[Pixels]) -> Pixels:
    between = np.full((len(panels[0]), GAP), 255, np.uint8)
    parts = [part for panel in panels for part in (panel, between)]
    return np.concatenate(parts[:-1], axis=1)


def main() -> int:
    """Write all pictures."""
    from PIL import Image

    FOLDER.mkdir(exist_ok=True)
    for name, pixels in pictures().items():
        Image.fromarray(pixels).save(FOLDER / name, optimize=True)
        sys.stdout.write(f"wrote: {FOLDER / name}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
