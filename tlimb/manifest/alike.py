"""Which trainings are alike: what one of them shows of shapes and of two batches holds for all of its kind."""

from collections.abc import Callable, Mapping
from typing import Any

from tlimb.manifest.canonical import Json, canonical
from tlimb.manifest.node import Manifest

VERBATIM = ("architecture", "data", "scenario", "freeze", "adapt", "weights")
"""Parts of a training whose every number may decide shapes, or which code runs."""
LOOSE = ("optimizer", "scheduler", "auxiliary", "weighting", "sampler", "callbacks")
"""Components whose numbers change no shape, and are what searches vary; only whether they are 0 counts."""
SIZES = ("batch_size", "accumulate", "precision", "threads", "device", "devices", "deterministic", "keep")
"""Settings of the trainer that decide shapes, memory or arithmetic."""


class Alike:
    """Compares trainings; what many manifests share is written once, for as long as they are kept."""

    def __init__(self) -> None:
        """Start without any text."""
        self._texts: dict[int, tuple[Json, str]] = {}

    def key(self, node: Manifest) -> tuple[str, ...]:
        """Return texts that are equal for trainings that differ in people, seed, parents and loose numbers alone."""
        hashed = node.hashed
        return (
            *(self._text(hashed.get(name), _same) for name in VERBATIM),
            *(self._text(hashed.get(name), loose) for name in LOOSE),
            self._text(hashed["heads"], _heads),
            self._text(hashed["trainer"], _sizes),
        )

    def _text(self, value: Json, change: Callable[[Any], Json]) -> str:
        found = self._texts.get(id(value))
        # The planner gives equal parts of manifests as one object; it is kept, so that no other can have its identity.
        if found is None or found[0] is not value:
            found = self._texts[id(value)] = (value, canonical(change(value)))
        return found[1]


def loose(value: Json) -> Json:
    """Replace numbers by whether they are 0."""
    if isinstance(value, Mapping):
        return {key: loose(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [loose(inner) for inner in value]
    return value != 0 if isinstance(value, int | float) and not isinstance(value, bool) else value


def _same(value: Json) -> Json:
    return value


def _heads(heads: list[dict[str, Json]]) -> Json:
    names = ("name", "role", "objective", "head")
    return [[*(one[name] for name in names), len(one["facts"]["classes"]), one["facts"]["label"]] for one in heads]


def _sizes(trainer: Mapping[str, Json]) -> Json:
    return [trainer.get(name) for name in SIZES]
