"""Derive the phantom's tissue templates from the ICBM152 maps that nilearn's wheel holds.

Run as `python -m tlimb.phantom.template [FOLDER]`, FOLDER being nilearn's `datasets/data`; without it, nilearn
must be importable. The phantom itself never needs nilearn: the derived files are shipped.

Source: Fonov et al., Unbiased average age-appropriate atlases for pediatric studies, NeuroImage 2011; nilearn's
copy of ICBM152 2009a.
"""

import hashlib
import importlib.util
import io
import sys
import zipfile
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from scipy import ndimage

Array = np.ndarray[Any, Any]

DATA = Path(__file__).parent / "data"
SIZES_MM = (4, 8)
START_MM = (-80, -114, -72)
"""Lower corner of the field of view, MNI mm."""
EXTENT_MM = (160, 192, 160)
DEPTH_MM = 14
"""Fluid this deep below the brain's surface belongs to the ventricles."""
FAR_MM = 25.0
"""Distances are kept up to here: effects have faded by then."""
MAPS = ("gm", "wm", "csf", "texture", "ventricle", "surface", "hippocampus")


def read(folder: Path) -> dict[str, Array]:
    """Read the three 1 mm maps: `t1` in 0..1 of white matter's, `gm` and `wm` as shares."""
    found = {}
    for name in ("t1", "gm", "wm"):
        image = nibabel.load(folder / f"mni_icbm152_{name}_tal_nlin_sym_09a_converted.nii.gz")
        origin = image.affine[:3, 3].astype(int)  # type: ignore[attr-defined]
        low = np.array(START_MM) - origin
        stored = np.asarray(image.dataobj, dtype=np.float32) / 255.0  # type: ignore[attr-defined]
        window = tuple(slice(int(a), int(a + n)) for a, n in zip(low, EXTENT_MM, strict=True))
        found[name] = stored[window]
    return found


def derive(maps: dict[str, Array]) -> dict[str, Array]:
    """Make the maps of the phantom at 1 mm: tissue shares, texture, distances in mm and the hippocampi."""
    t1, gm, wm = maps["t1"], maps["gm"], maps["wm"]
    mask = ndimage.binary_fill_holes(ndimage.binary_closing((t1 > 0.05) | (gm + wm > 0.3), iterations=2))
    assert mask is not None
    gm, wm = gm * mask, wm * mask
    total = np.maximum(gm + wm, 1.0)
    gm, wm = gm / total, wm / total
    csf = mask - gm - wm
    depth = ndimage.distance_transform_edt(mask)
    labels, number = ndimage.label((csf > 0.5) & (depth > DEPTH_MM) & _central())
    sizes = np.bincount(labels.ravel(), minlength=number + 1)
    keep = [part for part in range(1, number + 1) if sizes[part] > 500]
    ventricle = np.isin(labels, keep)
    tissues = np.stack([gm[mask], wm[mask], csf[mask]], axis=1)
    weights, *_ = np.linalg.lstsq(tissues, t1[mask], rcond=None)
    texture = np.zeros_like(t1)
    texture[mask] = t1[mask] - tissues @ weights
    return {
        "gm": gm,
        "wm": wm,
        "csf": csf,
        "texture": texture,
        "ventricle": _signed(ventricle),
        "surface": np.minimum(depth, FAR_MM),
        "hippocampus": _hippocampi(gm),
        "weights": weights,
    }


def _central() -> Array:
    """Mark the box that holds the ventricles but neither the lateral nor the interhemispheric fissure."""
    x, y, z = _places()
    return np.asarray((np.abs(x) < 34) & (y > -62) & (y < 36) & (z > -12) & (z < 30))


def _places() -> tuple[Array, ...]:
    """Give MNI coordinates in mm along each axis, shaped to broadcast."""
    axes = [START_MM[axis] + np.arange(EXTENT_MM[axis]) for axis in range(3)]
    return tuple(np.meshgrid(*axes, indexing="ij", sparse=True))


def _signed(inside: Array) -> Array:
    """Give the distance to a boundary in mm, negative inside, smoothed and kept within FAR_MM."""
    found = ndimage.distance_transform_edt(~inside) - ndimage.distance_transform_edt(inside)
    smooth: Array = ndimage.gaussian_filter(np.clip(found, -FAR_MM, FAR_MM), 2.0)
    return smooth


def _hippocampi(gm: Array) -> Array:
    """Give grey matter inside two tilted ellipsoids at (+-26, -22, -13) mm, soft at the edge, 0..1."""
    x, y, z = _places()
    along, across = (y + 22.0) * 0.9 - (z + 13.0) * 0.43, (y + 22.0) * 0.43 + (z + 13.0) * 0.9
    radius = ((np.abs(x) - 26.0) / 9.0) ** 2 + (along / 21.0) ** 2 + (across / 8.0) ** 2
    return np.asarray(np.clip(2.0 - 2.0 * radius, 0.0, 1.0) * (gm > 0.1), dtype=np.float32)


def pack(maps: dict[str, Array], size_mm: int) -> bytes:
    """Average maps over cubes and store them as small integers in a zip of fixed dates."""
    held: dict[str, Array] = {"weights": np.asarray(maps["weights"], dtype=np.float32)}
    for name in MAPS:
        cubes = _averaged(maps[name], size_mm)
        if name in ("ventricle", "surface"):
            held[name] = np.round(cubes * 4.0).astype(np.int8)  # quarters of a mm
        elif name == "texture":
            held[name] = np.round(cubes * 100.0).astype(np.int8)
        else:
            held[name] = np.round(cubes * 100.0).astype(np.uint8)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, array in sorted(held.items()):
            body = io.BytesIO()
            np.lib.format.write_array(body, np.ascontiguousarray(array), version=(1, 0))
            archive.writestr(
                zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0)), body.getvalue(), zipfile.ZIP_DEFLATED, 9
            )
    return out.getvalue()


def _averaged(array: Array, size: int) -> Array:
    x, y, z = (length // size for length in EXTENT_MM)
    blocks: Array = array.reshape(x, size, y, size, z, size).mean(axis=(1, 3, 5))
    return blocks


def main(arguments: list[str]) -> int:
    """Write the templates into the package and print their digests."""
    if arguments:
        folder = Path(arguments[0])
    else:
        found = importlib.util.find_spec("nilearn")
        if found is None or found.origin is None:
            print("nilearn is not installed here; give its folder datasets/data", file=sys.stderr)
            return 64
        folder = Path(found.origin).parent / "datasets" / "data"
    maps = derive(read(folder))
    for size in SIZES_MM:
        data = pack(maps, size)
        path = DATA / f"template-{size}mm.npz"
        path.write_bytes(data)
        print(f"{path.name} {len(data)} bytes sha256 {hashlib.sha256(data).hexdigest()}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
