"""Preprocessed volumes, decoded once for a study and shared by all its runs.

The bytes of an image are hashed whenever they are read and must be those of the plan. All bad images are
found before anything trains, and are named by row number only.
"""

import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from attrs import define

from tlimb.components.contracts import Array, DataModule
from tlimb.manifest import digest
from tlimb.problems import ExitCode, Problem, TlimbError
from tlimb.protocol.options import BadImagesError, Places
from tlimb.store import Store, disk
from tlimb.training.data.batches import Volumes
from tlimb.training.data.views import Row
from tlimb.training.devices.environment import decoding

SHOWN = 20
"""Most bad rows, and most reasons, that a message lists; the file beside the views lists all."""
_VERIFIED: set[tuple[str, str]] = set()
"""Cached volumes whose sha256 this process has checked."""


def recipe_digest(data: DataModule, component: Mapping[str, Any]) -> str:
    """Give the name of the cache folder: everything that decides the bits of a decoded volume."""
    return digest(
        {
            # The whole component: code and revisions of the steps inside its options decide bits too.
            "component": component,
            "recipe": dict(data.recipe()),
            "environment": decoding(),
        }
    )


@define
class Counter:
    """How volumes were come by: decoded from a source image, or found in the cache."""

    decoded: int = 0
    cached: int = 0


def open_volumes(
    rows: Sequence[Row],
    data: DataModule,
    recipe: str,
    store: Store,
    places: Places,
    counter: Counter,
    room: int,
) -> Volumes:
    """Give the volumes of a view, decoding what the cache lacks.

    Args:
        rows: the view.
        data: decodes.
        recipe: name of the cache folder, from `recipe_digest`.
        store: holds the cache.
        places: says where the roots lie.
        counter: is told how the volumes were come by.
        room: bytes that may be held in memory.

    Raises:
        BadImagesError: some images cannot be used; all of them are listed by row.
        TlimbError: they differ in shape (exit code 65).
    """
    arrays, bad = fill(rows, data, recipe, store, places, counter)
    refuse(bad)
    shapes = {array.shape for array in arrays.values()}
    if len(shapes) > 1:
        text = ", ".join(sorted(str(list(shape)) for shape in shapes)[:4])
        raise TlimbError(
            Problem(
                "different-shapes",
                f"the preprocessed images differ in shape: {text}",
                help="set crop, or window_tr for time series",
            ),
            ExitCode.DATA,
        )
    shape = next(iter(shapes)) if shapes else ()
    if len(rows) * 4 * int(np.prod(shape, dtype=np.int64)) <= room:
        stacked = torch.empty((len(rows), *shape), dtype=torch.float32)
        for position, row in enumerate(rows):
            stacked[position] = torch.from_numpy(np.array(arrays[row.key]))
        return Volumes(stacked, (), shape)
    mapped = {key: np.load(store.cache_path(recipe, key), mmap_mode="r") for key in arrays}
    return Volumes(None, tuple(mapped[row.key] for row in rows), shape)


def refuse(bad: Sequence[tuple[Row, str]]) -> None:
    """Refuse a view with images that cannot be used, all of them at once.

    Raises:
        BadImagesError: there are any.
    """
    if not bad:
        return
    several = len({row.dataset for row, _ in bad}) > 1
    by_reason: dict[str, list[str]] = {}
    for row, reason in bad:
        by_reason.setdefault(reason, []).append(f"{row.number}{f' of `{row.dataset}`' if several else ''}")
    listed = [f"{_rows(names)}: {reason}" for reason, names in by_reason.items()]
    more = f"; {len(listed) - SHOWN} more reasons" if len(listed) > SHOWN else ""
    problem = Problem("bad-image", "; ".join(listed[:SHOWN]) + more)
    raise BadImagesError(problem, [f"{row.image}: {reason}" for row, reason in bad])


def _rows(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"row{'s' if len(names) > 1 else ''} {', '.join(names[:SHOWN])}{more}"


def fill(
    rows: Sequence[Row], data: DataModule, recipe: str, store: Store, places: Places, counter: Counter
) -> tuple[dict[str, Array], list[tuple[Row, str]]]:
    """Give every distinct volume of a view by its key, and each bad row with the reason."""
    arrays: dict[str, Array] = {}
    bad: list[tuple[Row, str]] = []
    for row in rows:
        if row.key in arrays:
            continue
        array = _cached(recipe, row.key, store)
        if array is not None:
            counter.cached += 1
            arrays[row.key] = array
            continue
        try:
            array = _decode(row, data, places)
        except ValueError as error:
            bad.append((row, str(error)))
            continue
        counter.decoded += 1
        store.cache_write(recipe, row.key, _npy(array))
        _VERIFIED.add((recipe, row.key))
        arrays[row.key] = array
    return arrays, bad


def _cached(recipe: str, key: str, store: Store) -> Array | None:
    if (recipe, key) in _VERIFIED:
        try:
            return np.load(store.cache_path(recipe, key), mmap_mode="r")
        except (OSError, ValueError):
            _VERIFIED.discard((recipe, key))
    found = store.cache_read(recipe, key)
    if found is None:
        return None
    _VERIFIED.add((recipe, key))
    return np.load(io.BytesIO(found), allow_pickle=False)


def _npy(array: Array) -> bytes:
    out = io.BytesIO()
    np.lib.format.write_array(out, np.ascontiguousarray(array), version=(1, 0), allow_pickle=False)
    return out.getvalue()


def _decode(row: Row, data: DataModule, places: Places) -> Array:
    """Hash, decode and hash again when the file changed meanwhile.

    Raises:
        ValueError: the image cannot be used; the message has no file name.
    """
    image = _locate(row.root, row.image, places)
    mask = _locate(row.root, row.mask, places) if row.mask is not None else None
    before = _check(image, row.sha256, "image"), _check(mask, row.mask_sha256, "mask")
    try:
        array = np.asarray(data.load(image, mask))
    except ValueError as error:
        text = str(error)
        raise ValueError(text if image.name not in text else "it cannot be decoded") from None
    except Exception as error:  # noqa: BLE001
        # Decoders raise anything from EOFError to LinAlgError, and name files in their messages.
        raise ValueError(f"it cannot be decoded ({type(error).__name__})") from None
    after = _stamp(image), _stamp(mask)
    if before != after:
        raise ValueError("the file changed while it was read")
    if array.dtype != np.float32:
        raise ValueError(f"the data module gave {array.dtype}, not float32")
    if not array.size or not np.isfinite(array).all():
        raise ValueError("the preprocessed image is empty or has voxels that are not finite")
    return array


def _locate(root: str, path: str, places: Places) -> Path:
    if root not in places.roots:
        raise ValueError(f"the root {root!r} is not known on this machine: --root {root}=FOLDER")
    relative = Path(path)
    if relative.is_absolute() or ".." in relative.parts:
        raise ValueError("its path leaves the root")
    return places.roots[root] / relative


def _stamp(path: Path | None) -> tuple[int, int, int] | None:
    if path is None:
        return None
    found = os.stat(path)  # noqa: PTH116
    return found.st_size, found.st_mtime_ns, found.st_ino


def _check(path: Path | None, expected: str | None, what: str) -> tuple[int, int, int] | None:
    if path is None:
        return None
    try:
        stamp = _stamp(path)
        found = disk.sha256(path)
    except OSError as error:
        raise ValueError(f"the {what} cannot be read ({os.strerror(error.errno or 0)})") from None
    if found != expected:
        raise ValueError(f"the {what}'s bytes are not those that were planned with (sha256 differs)")
    return stamp
