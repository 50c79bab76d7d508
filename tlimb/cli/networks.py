"""The networks of a study as a table: sizes, and what training them takes."""

from collections.abc import Sequence

from tlimb.api.deep import Network, check_deep
from tlimb.api.load import Loaded
from tlimb.cli import progress, show
from tlimb.problems import Problem
from tlimb.project import Asked

HEADER = (
    "stage",
    "architecture",
    "frozen before",
    "input",
    "parameters",
    "trainable",
    "features",
    "heads",
    "batch",
    "memory",
    "multiply-adds",
)
METHODS = {
    "fake": "as fake tensors, which torch's meta device cannot do",
    "cpu": "on the processor, with one image: neither meta device nor fake tensors can do what it does",
}


def checked(loaded: Loaded, asked: Asked, *, with_names: bool = False) -> tuple[list[Problem], str]:
    """Check a study deeply with progress; give what is wrong and the table, empty when no network was built."""
    with progress.hashing() as hashing, progress.bar("building networks", "networks") as building:
        found = check_deep(loaded, asked, with_names=with_names, hashing=hashing, building=building)
    return list(found.problems), table(found.networks) if found.networks else ""


def table(networks: Sequence[Network]) -> str:
    """Give the table, and what its numbers are."""
    out = [show.table(HEADER, [_row(one) for one in networks]), ""]
    out.append(
        "memory: estimate from shapes of one training's peak (weights, gradients, optimizer, activations), without "
        "libraries and stored images; multiply-adds: forward pass of one image"
    )
    for method, how in METHODS.items():
        made = [one for one in networks if one.facts.method == method]
        # Mixed precision needs fake tensors anyway: that says nothing of the network.
        names = dict.fromkeys(one.architecture for one in made if method == "cpu" or one.facts.precision == "fp32")
        if names:
            out.append(f"{', '.join(names)}: built {how}")
    return "\n".join([*out, *dict.fromkeys(line for one in networks for line in _transfer(one))])


def _transfer(one: Network) -> list[str]:
    """Say what becomes of a parent's tensors where not all of them are taken as they are."""
    counts = dict(one.facts.transfer or ())
    new = counts.get("missing", 0) + counts.get("mismatched", 0)
    if not one.facts.changes and not new:
        return []
    fitted = [f"{len(one.facts.changes)} fitted"] if one.facts.changes else []
    words = [f"{counts.get('matched', 0)} as they are", *fitted, *([f"{new} at random"] if new else [])]
    changes = [f"  {name}: {how}" for name, how in one.facts.changes]
    return [f"{one.stage}: {one.architecture} takes tensors of its parent: {', '.join(words)}", *changes]


def _row(one: Network) -> tuple[object, ...]:
    facts = one.facts
    channels = "" if facts.channels == 1 else f"{facts.channels} of "
    precision = "" if facts.precision == "fp32" else f" {facts.precision}"
    return (
        one.stage,
        one.architecture,
        one.frozen or "-",
        channels + " x ".join(map(str, facts.shape)),
        show.grouped(facts.total),
        show.grouped(facts.trainable),
        facts.features,
        ", ".join(f"{name} {width}" for name, width in facts.heads) or "-",
        show.Quantity(f"{facts.batch_size}{precision}"),
        "-" if facts.memory is None else show.rounded(facts.memory.total, "B"),
        "-" if facts.multiply_adds is None else show.rounded(facts.multiply_adds),
    )
