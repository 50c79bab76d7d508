"""Pictures of a study: learning curves, and example slices before and after preprocessing.

Slices show people's brains: they are for the private folder and the screen, never for a shared report.
"""

import hashlib
import io
import json
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from tlimb.manifest import Graph, Kind
from tlimb.report.request import Values
from tlimb.store import Store

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442")
"""Okabe and Ito's colours, told apart by colour-blind readers. Source: Okabe and Ito, Color Universal Design, 2008."""

Curve = tuple[Values, Values]
"""Epochs (epoch,) and losses (epoch,), mean over repetitions."""


def learning_curves(graph: Graph, store: Store, path: Path) -> int:
    """Draw training and validation loss of every stage, the chosen configurations in colour, the others grey.

    Args:
        graph: the plan.
        store: holds `history.json` of each finished fit.
        path: PNG to write.

    Returns:
        Number of fits drawn; nothing is written for none.
    """
    chosen, searched = _chosen(graph, store)
    stages: dict[str, dict[tuple[str, bool], list[list[Mapping[str, Any]]]]] = {}
    drawn = 0
    for node in graph:
        if node.kind is not Kind.FIT or (history := _history(store, node.work)) is None:
            continue
        drawn += 1
        for stage, row, configuration in sorted({_use(use) for use in node.uses}):
            kept = node.work in chosen or node.work not in searched
            # Configurations that were not chosen are told apart only by where their curve lies.
            name = row if kept else f"{row}\0{configuration}"
            stages.setdefault(stage, {}).setdefault((name, kept), []).append(history)
    if not drawn:
        return 0
    figure, panels = _figure(len(stages), 4.6, 3.8)
    for axes, (stage, rows) in zip(panels, stages.items(), strict=True):
        _panel(axes, stage, rows)
    panels[0].set_ylabel("loss (solid: validation, dashed: training)")
    _save(figure, path)
    return drawn


def example_slices(images: Mapping[str, Path], store: Store, path: Path) -> int:
    """Draw the central axial slice of images as they are and as networks get them.

    Args:
        images: title -> NIfTI file, such as one of each site.
        store: its volume cache holds the preprocessed ones, found by the file's sha256.
        path: PNG to write.

    Returns:
        Number of images drawn; nothing is written for none.
    """
    if not images:
        return 0
    columns = [(title, *_volumes(image, store)) for title, image in images.items()]
    figure, _ = _figure(0, 2.6 * len(columns), 6.0)
    for place, (title, raw, spacing, ready) in enumerate(columns):
        upper = figure.add_subplot(2, len(columns), place + 1)
        _slice(upper, raw, spacing)
        upper.set_title(f"{title}\nas stored, {spacing[0]:g} x {spacing[1]:g} mm", fontsize=9)
        lower = figure.add_subplot(2, len(columns), len(columns) + place + 1)
        if ready is None:
            lower.text(0.5, 0.5, "not in the cache", ha="center", va="center", fontsize=9)
            lower.set_axis_off()
            continue
        _slice(lower, ready[0], (1.0, 1.0))
        lower.set_title(f"preprocessed, {' x '.join(map(str, ready.shape[1:]))} voxels", fontsize=9)
    _save(figure, path)
    return len(columns)


def _chosen(graph: Graph, store: Store) -> tuple[set[str], set[str]]:
    """Give the fits that a selection chose, and all that took part in one."""
    chosen: set[str] = set()
    searched: set[str] = set()
    for node in graph:
        if node.kind is not Kind.SELECT:
            continue
        candidates = node.hashed["parents"]["candidates"]
        searched.update(work for works in candidates for work in works)
        position = (store.glance(node.work) or {}).get("chosen")
        if position is not None:
            chosen.update(candidates[int(position)])
    return chosen, searched


def _history(store: Store, work: str) -> list[Mapping[str, Any]] | None:
    try:
        found = json.loads((store.path(work) / "history.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    lines = found.get("epochs", []) if isinstance(found, dict) else found
    return list(lines) or None


def _use(use: Mapping[str, Any]) -> tuple[str, str, str]:
    row = " ".join(str(label) for _, label in sorted((use.get("row") or {}).items()))
    configuration = json.dumps(use.get("configuration") or {}, sort_keys=True)
    return str(use.get("stage", "")), row, configuration


def _panel(axes: Axes, stage: str, rows: Mapping[tuple[str, bool], list[list[Mapping[str, Any]]]]) -> None:
    axes.set_title(stage, fontsize=11)
    axes.set_xlabel("epoch")
    axes.grid(alpha=0.25, linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    kept = sorted(name for name, chosen in rows if chosen)
    others = any(not chosen for _, chosen in rows)
    for (_, chosen), histories in sorted(rows.items()):
        if not chosen:
            axes.plot(*_mean(histories, "val"), color="0.75", linewidth=0.8, zorder=1)
    for place, name in enumerate(kept):
        colour = PALETTE[place % len(PALETTE)]
        histories = rows[name, True]
        runs = f" (n={len(histories)})" if len(histories) > 1 else ""
        label = f"{name or 'all'}{runs}"
        axes.plot(*_mean(histories, "val"), color=colour, linewidth=1.8, marker="o", markersize=3, label=label)
        axes.plot(*_mean(histories, "train"), color=colour, linewidth=1.2, linestyle="--")
    if others:
        axes.plot([], [], color="0.75", linewidth=0.8, label="not chosen")
    axes.set_xlim(left=0.8)
    axes.locator_params(axis="x", integer=True)
    axes.legend(fontsize=7.5, frameon=False)


def _mean(histories: list[list[Mapping[str, Any]]], part: str) -> Curve:
    """Average over repetitions, epoch by epoch, over those that got so far; heads and terms are summed."""
    values: dict[int, list[float]] = defaultdict(list)
    for history in histories:
        for line in history:
            total = _total(line.get(part))
            if total is not None:
                values[int(line["epoch"])].append(total)
    epochs = sorted(values)
    return np.array(epochs), np.array([np.mean(values[epoch]) for epoch in epochs])


def _total(value: Any) -> float | None:
    if isinstance(value, Mapping):
        parts = [_total(one) for one in value.values()]
        return None if not parts or None in parts else sum(part for part in parts if part is not None)
    return float(value) if isinstance(value, int | float) else None


def _volumes(image: Path, store: Store) -> tuple[Values, tuple[float, float], Values | None]:
    """Give the raw volume turned to RAS, its in-plane voxel size in mm, and the cached volume or None."""
    data = image.read_bytes()
    loaded = nibabel.as_closest_canonical(nibabel.load(image))
    spacing = loaded.header.get_zooms()
    raw = np.asarray(loaded.dataobj, dtype=np.float32)
    ready = None
    key = hashlib.sha256(data).hexdigest()
    for folder in sorted((store.base / "cache").glob("*")):
        found = store.cache_read(folder.name, key)
        if found is not None:
            ready = np.load(io.BytesIO(found), allow_pickle=False)
            break
    return raw, (float(spacing[0]), float(spacing[1])), ready


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


def _figure(panels: int, width: float, height: float) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(width * max(panels, 1), height), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    made = figure.subplots(1, panels, squeeze=False)[0] if panels else []
    return figure, list(made)


def _save(figure: Figure, path: Path) -> None:
    # Without the date and the library's version, equal input gives an equal file.
    figure.savefig(path, metadata={"Software": None})
