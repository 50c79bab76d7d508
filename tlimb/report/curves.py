"""Learning curves of a study's stages."""

import io
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from tlimb.manifest import Fit, Graph, Head, Select
from tlimb.report.request import Values
from tlimb.store import Store, disk

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442")
"""Okabe and Ito's colours, told apart by colour-blind readers. Source: Okabe and Ito, Color Universal Design, 2008."""

MARKERS = ("o", "s", "^", "D")
"""Tell rows apart that share a colour, from the ninth on."""

MEASURES = {"classification": "cross-entropy (nats)", "mse": "squared error (sd² of the training part)"}
"""What the loss of one of tlimb's own objectives is, by name of the objective or of its option `loss`."""

PARTS = ("val", "train")

Curve = tuple[Values, Values]
"""Epochs (epoch,) and losses (epoch,), mean over repetitions."""


def learning_curves(graph: Graph, store: Store, path: Path) -> int:
    """Draw training and validation loss of every stage, the chosen configurations in colour, the others grey.

    Both are the weighted sum over heads; penalties that training adds are left out, so that the two can be compared.

    Args:
        graph: the plan.
        store: holds `history.json` of each finished fit.
        path: PNG to write.

    Returns:
        Number of fits drawn, those without a loss left out; nothing is written for none.
    """
    chosen, searched = _chosen(graph, store)
    stages: dict[str, dict[tuple[str, bool], list[list[Mapping[str, Any]]]]] = {}
    measures: dict[str, set[str]] = defaultdict(set)
    drawn = 0
    for node, fit in graph.of(Fit):
        if (history := _history(store, node.work)) is None:
            continue
        history = [_of_heads(line, fit.heads) for line in history]
        drawn += any(len(_mean([history], part)[0]) for part in PARTS)
        for stage, row, configuration in sorted({_use(use) for use in node.uses}):
            kept = node.work in chosen or node.work not in searched
            # Configurations that were not chosen are told apart only by where their curve lies.
            name = row if kept else f"{row}\0{configuration}"
            stages.setdefault(stage, {}).setdefault((name, kept), []).append(history)
            measures[stage].add(_measure(fit.heads))
    if not drawn:
        return 0
    lines = 2 + max(len({name for name, chosen in rows if chosen}) for rows in stages.values())
    drawing, panels = figure(len(stages), 4.6, 3.6 + 0.17 * lines)
    for axes, (stage, rows) in zip(panels, stages.items(), strict=True):
        _panel(axes, stage, rows)
        axes.set_ylabel(measures[stage].pop() if len(measures[stage]) == 1 else "loss")
    save(drawing, path)
    return drawn


def _of_heads(line: Mapping[str, Any], heads: Iterable[Head]) -> Mapping[str, Any]:
    """Leave out of an epoch what only training adds, and weigh the validation losses as training does."""
    weights = {head.name: float(head.weight) for head in heads}
    if not weights:
        return line
    train = {name: value for name, value in (line.get("train") or {}).items() if name in weights}
    val = {
        role: {name: None if value is None else weights.get(name, 1.0) * value for name, value in losses.items()}
        for role, losses in (line.get("val") or {}).items()
    }
    return {**line, "train": train, "val": val}


def _measure(heads: Iterable[Head]) -> str:
    """Say what the loss of a fit is, and in which unit, where its heads agree."""
    found = set()
    for objective in (head.objective for head in heads):
        name = objective.path.removeprefix("tlimb.components.objectives.").partition(".")[0]
        loss = "classification" if name == "classification" else objective.options.get("loss")
        found.add(MEASURES.get(str(loss), "error (sd of the training part)" if name == "regression" else "loss"))
    return found.pop() if len(found) == 1 else "loss, weighted sum over heads"


def _chosen(graph: Graph, store: Store) -> tuple[set[str], set[str]]:
    """Give the fits that a selection chose, and all that took part in one."""
    chosen: set[str] = set()
    searched: set[str] = set()
    for node, select in graph.of(Select):
        searched.update(select.parent_works)
        position = store.chosen(node.work)
        if position is not None and position < len(select.candidates):
            chosen.update(select.candidates[position])
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
    every = [value for name in kept for part in PARTS for value in _mean(rows[name, True], part)[1]]
    shown = [value for value in every if np.isfinite(value)]
    if not shown and not others:
        said = "no finite loss" if every else "no loss: nothing is trained"
        axes.text(0.5, 0.5, said, ha="center", va="center", fontsize=9, transform=axes.transAxes)
        axes.set_axis_off()
        return
    for (_, chosen), histories in sorted(rows.items()):
        if not chosen:
            axes.plot(*_mean(histories, "val"), color="0.75", linewidth=0.8, zorder=1)
    for place, name in enumerate(kept):
        colour = PALETTE[place % len(PALETTE)]
        marker = MARKERS[place // len(PALETTE) % len(MARKERS)]
        histories = rows[name, True]
        runs = f"mean of {len(histories)} runs" if len(histories) > 1 else "one run"
        label = f"{name} ({runs})" if name else runs
        axes.plot(*_mean(histories, "val"), color=colour, linewidth=1.8, marker=marker, markersize=3, label=label)
        axes.plot(*_mean(histories, "train"), color=colour, linewidth=1.2, linestyle="--")
    if kept:
        # Configurations that were not chosen may have exploded; they must not flatten the others.
        low, high = min(shown, default=0.0), max(shown, default=1.0)
        margin = 0.08 * (high - low) + 1e-9
        axes.set_ylim(low - margin, high + margin)
    if others:
        axes.plot([], [], color="0.75", linewidth=0.8, label="not chosen, validation (may lie outside)")
    axes.plot([], [], color="0.35", linewidth=1.8, marker="o", markersize=3, label="validation")
    axes.plot([], [], color="0.35", linewidth=1.2, linestyle="--", label="training")
    axes.set_xlim(left=0.8)
    axes.locator_params(axis="x", integer=True)
    # Below the axes, where it can cover no curve.
    axes.legend(fontsize=7.5, frameon=False, loc="upper left", bbox_to_anchor=(0.0, -0.16), borderaxespad=0.0)


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


def figure(panels: int, width: float, height: float) -> tuple[Figure, list[Axes]]:
    """Make a figure with so many panels side by side, each so wide and high in inches."""
    made = Figure(figsize=(width * max(panels, 1), height), dpi=120, layout="constrained")
    FigureCanvasAgg(made)
    axes = made.subplots(1, panels, squeeze=False)[0] if panels else []
    return made, list(axes)


def save(drawing: Figure, path: Path) -> None:
    """Write a PNG without the library's version, so that equal input gives an equal file."""
    data = io.BytesIO()
    drawing.savefig(data, format="png", metadata={"Software": None})
    disk.write_output(path, data.getvalue())
