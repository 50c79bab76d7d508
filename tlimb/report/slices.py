"""Example slices and time series: what a study's images look like, as stored and as networks get them.

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
from attrs import frozen
from matplotlib.axes import Axes
from matplotlib.image import imread

from tlimb.cohorts import series
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


@frozen
class Shown:
    """What is drawn of one image.

    Attributes:
        raw: the volume or slice turned to RAS, or the table of a time series as it stands (row, column); None where
            the file cannot be read.
        spacing: size of a voxel in the plane, mm; None for a time series.
        ready: the same as networks get it, (channel, x, y[, z]) or (region, time); None where it is not in the cache.
    """

    raw: Values | None
    spacing: tuple[float, float] | None
    ready: Values | None


def example_slices(images: Mapping[str, Path], store: Store, path: Path) -> int:
    """Draw images as they are and as networks get them: the central axial slice, or all of a time series.

    Args:
        images: title -> image file, such as one of each site.
        store: its volume cache holds the preprocessed ones, found by the file's sha256.
        path: PNG to write.

    Returns:
        Number of images drawn; nothing is written for none.
    """
    if not images:
        return 0
    columns = [(title, shown(image, store)) for title, image in images.items()]
    drawing, _ = figure(0, 2.6 * len(columns), 6.0)
    for place, (title, one) in enumerate(columns):
        upper = drawing.add_subplot(2, len(columns), place + 1)
        _draw(upper, one.raw, one.spacing, ("column of the table", "row of the table"), "cannot be read")
        upper.set_title(f"{shorten(title, LONGEST_TITLE, placeholder='..')}\n{_stored(one)}", fontsize=9)
        lower = drawing.add_subplot(2, len(columns), len(columns) + place + 1)
        ready = one.ready if one.ready is None or one.spacing is None else one.ready[0]
        _draw(lower, ready, None if one.spacing is None else (1.0, 1.0), ("time point", "region"), "not in the cache")
        if ready is not None:
            size = (
                f"{ready.shape[0]} regions x {ready.shape[1]} time points"
                if one.spacing is None
                else f"{' x '.join(map(str, ready.shape))} voxels"
            )
            lower.set_title(f"preprocessed\n{size}", fontsize=9)
    save(drawing, path)
    return len(columns)


def shown(image: Path, store: Store) -> Shown:
    """Return what is drawn of an image; a file that cannot be read is no end of a report."""
    try:
        data = image.read_bytes()
    except OSError:
        return Shown(None, (1.0, 1.0), None)
    key = hashlib.sha256(data).hexdigest()
    cached = (store.cache_read(folder.name, key) for folder in sorted((store.base / "cache").glob("*")))
    found = next((one for one in cached if one is not None), None)
    ready = None if found is None else np.load(io.BytesIO(found), allow_pickle=False)
    ending = next((known for known in series.ENDINGS if image.name.lower().endswith(known)), None)
    try:
        if ending is not None:
            table = series.parse(data, ending)
            return Shown(np.array(table.values).reshape(table.rows, table.columns), None, ready)
        raw, spacing = _raw(image)
    except Exception:  # noqa: BLE001 -- decoders raise anything on a damaged file; all of it means the same here
        return Shown(None, None if ending is not None else (1.0, 1.0), ready)
    # A table of numbers may be a slice or a time series; what was loaded of it tells.
    return Shown(raw, None if raw.ndim == 2 and ready is not None and ready.ndim == 2 else spacing, ready)


def _stored(one: Shown) -> str:
    if one.raw is None:
        return "as stored"
    if one.spacing is None:
        return f"as stored, {one.raw.shape[0]} x {one.raw.shape[1]} numbers"
    return f"as stored, {one.spacing[0]:.3g} x {one.spacing[1]:.3g} mm"


def _raw(image: Path) -> tuple[Values, tuple[float, float]]:
    if image.suffix == ".png":
        found = np.asarray(imread(image))
        grey = found[..., :3].mean(axis=-1) if found.ndim == 3 else found
        return grey.T[..., ::-1], (1.0, 1.0)
    if image.suffix == ".npy":
        return np.load(image, allow_pickle=False).astype(np.float32), (1.0, 1.0)
    loaded = nibabel.as_closest_canonical(nibabel.load(image))
    zooms = loaded.header.get_zooms()
    return np.asarray(loaded.dataobj, dtype=np.float32), (float(zooms[0]), float(zooms[1]))


def _draw(
    axes: Axes, values: Values | None, spacing: tuple[float, float] | None, words: tuple[str, str], instead: str
) -> None:
    """Draw one picture, or say what is the matter.

    Args:
        axes: where.
        values: a volume, a slice, or a time series; None for none.
        spacing: size of a voxel in the plane, mm; None for a time series.
        words: what the columns and the rows of a time series are.
        instead: what stands there for None.
    """
    if values is None:
        axes.text(0.5, 0.5, instead, ha="center", va="center", fontsize=9)
        axes.set_axis_off()
        return
    if spacing is None:
        axes.imshow(values, cmap="gray", aspect="auto", interpolation="nearest")
        across, up = words
    else:
        _slice(axes, values, spacing)
        across, up = "left - right (voxels)", "back - front (voxels)"
    axes.set_xlabel(across, fontsize=8)
    axes.set_ylabel(up, fontsize=8)
    axes.tick_params(labelsize=7)


def _slice(axes: Axes, volume: Values, spacing: tuple[float, float]) -> None:
    while volume.ndim > 3:
        volume = volume[..., 0]  # the first of several volumes
    plane = volume[:, :, volume.shape[2] // 2] if volume.ndim == 3 else volume
    low, high = np.percentile(plane, [1, 99.5])
    axes.imshow(
        plane.T, cmap="gray", origin="lower", vmin=low, vmax=high, aspect=spacing[1] / spacing[0],
        interpolation="nearest",
    )  # fmt: skip
