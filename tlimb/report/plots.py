"""All pictures of a study."""

from collections.abc import Mapping
from pathlib import Path

from tlimb.manifest import Graph
from tlimb.report.curves import learning_curves
from tlimb.report.slices import example_slices, examples
from tlimb.store import Store


def write(graph: Graph, store: Store, private: Path, roots: Mapping[str, Path], output: Path) -> list[Path]:
    """Write all pictures of a study into a folder.

    Args:
        graph: the plan.
        store: results and volume cache.
        private: folder with the views, which name the images.
        roots: where the named roots lie.
        output: folder that exists.

    Returns:
        The files; a picture with nothing on it is not written.
    """
    curves, slices = output / "learning-curves.png", output / "slices.png"
    written = [curves] if learning_curves(graph, store, curves) else []
    return [*written, slices] if example_slices(examples(graph, private, roots), store, slices) else written
