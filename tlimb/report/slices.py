"""Example slices: what a study's images look like, as stored and as networks get them.

They show people's brains: they are for the screen and the private folder, never for a shared report.
"""

import csv
import hashlib
import io
from collections.abc import Mapping
from pathlib import Path
from textwrap import shorten

import nibabel
import numpy as np
from matplotlib.axes import Axes
from matplotlib.image import imread

from tlimb.cohorts import view as views
from tlimb.manifest import Graph, Prepare
from tlimb.report.curves import figure, save
from tlimb.report.request import Values
from tlimb.store import Store

LONGEST_TITLE = 28
"""Letters of a title that fit above a picture without touching the next one's."""

MOST = 6
"""Columns of a picture of slices."""
SITES = ("site", "site_id", "scanner", "center", "centre")
"""Columns of a BIDS participants table that may say where somebody was scanned."""


def examples(graph: Graph, private: Path, roots: Mapping[str, Path]) -> dict[str, Path]:
    """Give the first image of each site, or of each dataset where no table names sites."""
    found: dict[str, Path] = {}
    seen: set[str] = set()
    for _, fill in graph.of(Prepare):
        digest = fill.view
        if digest in seen:
            continue
        seen.add(digest)
        try:
            rows = views.read_view(private, digest)["rows"]
        except (OSError, ValueError):
            continue
        tables: dict[Path, dict[str, str]] = {}
        for row in rows:
            root = roots.get(row["root"])
            if root is None or len(found) >= MOST:
                continue
            title = _site(root, Path(row["image"]), tables) or f"dataset {row['group']}"
            if title not in found and (root / row["image"]).is_file():
                found[title] = root / row["image"]
    return dict(sorted(found.items()))


def _site(root: Path, image: Path, tables: dict[Path, dict[str, str]]) -> str | None:
    """Look a site up in the nearest `participants.tsv` above an image, by the folder of its participant."""
    for parent in image.parents:
        folder = root / parent
        if folder not in tables:
            tables[folder] = _table(folder / "participants.tsv")
        for part in image.parts:
            if part in tables[folder]:
                return f"site {tables[folder][part]}"
    return None


def _table(path: Path) -> dict[str, str]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file, delimiter="\t"))
    except OSError:
        return {}
    column = next((name for name in SITES if rows and name in rows[0]), None)
    return {} if column is None else {row["participant_id"]: row[column] for row in rows if row.get(column)}


def example_slices(images: Mapping[str, Path], store: Store, path: Path) -> int:
    """Draw the central axial slice of images as they are and as networks get them.

    Args:
        images: title -> image file, such as one of each site.
        store: its volume cache holds the preprocessed ones, found by the file's sha256.
        path: PNG to write.

    Returns:
        Number of images drawn; nothing is written for none.
    """
    if not images:
        return 0
    columns = [(title, *_volumes(image, store)) for title, image in images.items()]
    drawing, _ = figure(0, 2.6 * len(columns), 6.0)
    for place, (title, raw, spacing, ready) in enumerate(columns):
        upper = drawing.add_subplot(2, len(columns), place + 1)
        _slice(upper, raw, spacing)
        name = shorten(title, LONGEST_TITLE, placeholder="..")
        upper.set_title(f"{name}\nas stored, {spacing[0]:.3g} x {spacing[1]:.3g} mm", fontsize=9)
        lower = drawing.add_subplot(2, len(columns), len(columns) + place + 1)
        if ready is None:
            lower.text(0.5, 0.5, "not in the cache", ha="center", va="center", fontsize=9)
            lower.set_axis_off()
            continue
        _slice(lower, ready[0], (1.0, 1.0))
        lower.set_title(f"preprocessed\n{' x '.join(map(str, ready.shape[1:]))} voxels", fontsize=9)
    save(drawing, path)
    return len(columns)


def _volumes(image: Path, store: Store) -> tuple[Values, tuple[float, float], Values | None]:
    """Give the raw volume turned to RAS, its in-plane voxel size in mm, and the cached volume or None."""
    data = image.read_bytes()
    raw, spacing = _raw(image)
    ready = None
    key = hashlib.sha256(data).hexdigest()
    for folder in sorted((store.base / "cache").glob("*")):
        found = store.cache_read(folder.name, key)
        if found is not None:
            ready = np.load(io.BytesIO(found), allow_pickle=False)
            break
    return raw, spacing, ready


def _raw(image: Path) -> tuple[Values, tuple[float, float]]:
    if image.suffix == ".png":
        return np.asarray(imread(image)).T[..., ::-1], (1.0, 1.0)
    if image.suffix == ".npy":
        return np.load(image, allow_pickle=False).astype(np.float32), (1.0, 1.0)
    loaded = nibabel.as_closest_canonical(nibabel.load(image))
    zooms = loaded.header.get_zooms()
    return np.asarray(loaded.dataobj, dtype=np.float32), (float(zooms[0]), float(zooms[1]))


def _slice(axes: Axes, volume: Values, spacing: tuple[float, float]) -> None:
    plane = volume[:, :, volume.shape[2] // 2] if volume.ndim == 3 else volume
    low, high = np.percentile(plane, [1, 99.5])
    axes.imshow(
        plane.T, cmap="gray", origin="lower", vmin=low, vmax=high, aspect=spacing[1] / spacing[0],
        interpolation="nearest",
    )  # fmt: skip
    axes.set_xlabel("left - right (voxels)", fontsize=8)
    axes.set_ylabel("back - front (voxels)", fontsize=8)
    axes.tick_params(labelsize=7)
