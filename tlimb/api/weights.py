"""Files of public weights looked at, and brought into a form that needs no trust: .safetensors and a description."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import frozen

from tlimb.components import discovery
from tlimb.components.base import Layout
from tlimb.components.weights import Sorted, advice, arrange, read
from tlimb.describe import loading
from tlimb.problems import ExitCode, Problem, TlimbError
from tlimb.version import __version__


@frozen
class Part:
    """The tensors of one module of a file: its `name`, how many `tensors`, and their `numbers` in all."""

    name: str
    tensors: int
    numbers: int


@frozen
class Inspected:
    """What a file of weights holds.

    Attributes:
        sha256: of the file.
        size: of the file in bytes.
        keys: what stands at its top, when that is not tensors alone; empty otherwise.
        layout: name of the layout that it was looked at with.
        licence: of the weights, as the layout says.
        cohorts: whom they were trained on, as the layout says.
        parts: first part of tensors' names, in order.
        dropped: how many tensors the layout leaves out.
        folded: how many biases went into a running mean.
        kinds: types of the tensors, such as `float32`.
        unwrapped: key under which the tensors stand; None for the file itself.
        first: name and shape of the first tensor with channels, which tells how many an image must have.
        infinite: names of tensors that hold NaN or infinity.
    """

    sha256: str
    size: int
    keys: tuple[str, ...]
    layout: str
    licence: str
    cohorts: tuple[str, ...]
    parts: tuple[Part, ...]
    dropped: int
    folded: int
    kinds: tuple[str, ...]
    unwrapped: str | None
    first: tuple[str, tuple[int, ...]] | None
    infinite: tuple[str, ...] = ()


def inspect(path: Path, layout: str = "plain") -> Inspected:
    """Look at a file of weights under the names that a layout gives it; no code is run.

    Raises:
        TlimbError: there is no such layout (64), or the file cannot be used (65).
    """
    table = _layout(layout)
    sha256 = _sha256(path)
    content, found = _arranged(path, table, "cpu")
    parts: dict[str, list[int]] = {}
    for name, tensor in found.tensors.items():
        parts.setdefault(name.split(".")[0], []).append(tensor.numel())
    wide = [(name, tuple(one.shape)) for name, one in found.tensors.items() if one.dim() >= 4]
    return Inspected(
        sha256=sha256,
        size=path.stat().st_size,
        keys=tuple(str(key) for key in content) if found.unwrapped is not None else (),
        layout=layout,
        licence=table.licence,
        cohorts=tuple(table.cohorts),
        parts=tuple(Part(name, len(numbers), sum(numbers)) for name, numbers in parts.items()),
        dropped=len(found.dropped),
        folded=len(found.folded),
        kinds=tuple(sorted({str(one.dtype).removeprefix("torch.") for one in found.tensors.values()})),
        unwrapped=found.unwrapped,
        first=wide[0] if wide else None,
        infinite=tuple(name for name, one in found.tensors.items() if not bool(one.isfinite().all())),
    )


def convert(path: Path, layout: str, out: Path, *, force: bool = False) -> Path:
    """Write the encoder's tensors under their names here as .safetensors, with a description beside it.

    A study uses the new file with the same layout, which then only says what network and images it needs.

    Args:
        path: the file as it was handed out.
        layout: name of its layout.
        out: the .safetensors file to write.
        force: write over files that are there.

    Returns:
        Path of the description, `out` with the ending .json.

    Raises:
        TlimbError: there is no such layout or a file is in the way (64), or the weights cannot be used (65).
    """
    from safetensors.torch import save

    from tlimb.store import disk

    table, beside = _layout(layout), out.with_suffix(".json")
    taken = [one for one in (out, beside) if one.exists() and not force]
    if taken:
        problem = Problem("file-exists", f"`{taken[0]}` is there already", help="write elsewhere, or add --force")
        raise TlimbError(problem, ExitCode.USAGE)
    sha256 = _sha256(path)
    _, found = _arranged(path, table, "cpu")
    if not found.tensors:
        help_ = f"another layout may be meant: `tlimb weights inspect {path.name}` lists its names"
        problem = Problem("weights-mismatch", f"`{layout}` leaves no tensor of `{path.name}`", help=help_)
        raise TlimbError(problem, ExitCode.DATA)
    data = save({name: found.tensors[name].contiguous().clone() for name in sorted(found.tensors)})
    described = _description(path, sha256, layout, table, found, hashlib.sha256(data).hexdigest(), out)
    out.parent.mkdir(parents=True, exist_ok=True)
    disk.write_output(out, data)
    disk.write_output(beside, (json.dumps(described, indent=1, sort_keys=True) + "\n").encode())
    return beside


def _description(
    path: Path, sha256: str, layout: str, table: Layout, found: Sorted, digest: str, out: Path
) -> dict[str, Any]:
    return {
        "file": out.name,
        "digest": f"sha256:{digest}",
        "from": {"file": path.name, "digest": f"sha256:{sha256}", "unwrapped": found.unwrapped},
        "layout": {"name": layout, "revision": table.revision},
        "licence": table.licence,
        "cohorts": list(table.cohorts),
        "architecture": table.architecture,
        "options": dict(table.options),
        "preprocess": dict(table.preprocess),
        "tensors": len(found.tensors),
        "numbers": sum(one.numel() for one in found.tensors.values()),
        "dropped": sorted(found.dropped),
        "folded": sorted(found.folded),
        "tlimb": __version__,
    }


def _layout(name: str) -> Layout:
    try:
        return loading.find(discovery.path_of("layout", name), Layout)()
    except TlimbError as error:
        raise TlimbError(error.problems, ExitCode.USAGE) from error


def _arranged(path: Path, layout: Layout, device: str) -> tuple[Mapping[str, Any], Sorted]:
    try:
        content = read(path, device)
        return content, arrange(content, layout)
    except OSError as error:
        raise _unread(path, error) from error
    except ValueError as error:
        problem = Problem("weights-mismatch", f"{error}; this is `{path.name}`", help=advice(str(error)))
        raise TlimbError(problem, ExitCode.DATA) from error


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise _unread(path, error) from error


def _unread(path: Path, error: OSError) -> TlimbError:
    return TlimbError(Problem("no-weights", f"`{path}` cannot be read: {error.strerror}"), ExitCode.DATA)
