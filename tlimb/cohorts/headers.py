"""Header facts of NIfTI, npy and png images from their first bytes, with the standard library alone.

No number of a header is believed before it is checked: dimensions, sizes and offsets are bounded before
anything is allocated.
"""

import ast
import math
import struct
from collections.abc import Sequence

from attrs import evolve, frozen

CAP_BYTES = 1 << 30
"""Most decoded bytes of one image."""
PREFIX_BYTES = 1 << 16
"""Bytes that are kept to read a header from."""

_ITEM_BYTES = {2: 1, 4: 2, 8: 4, 16: 4, 32: 8, 64: 8, 128: 3, 256: 1, 512: 2, 768: 4, 1024: 8, 1280: 8}
_MM = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}


class ImageFaultError(Exception):
    """An image cannot be used; the message names no file and no person."""


@frozen
class Header:
    """What an image says of itself.

    Attributes:
        shape: size along each axis as stored; trailing axes of length 1 beyond the third are dropped.
        spacing_mm: voxel size in mm along the first three axes; None without a scale.
        kind: `nifti`, `npy`, `png` or `table`, then the type of samples: equal samples of another type are other
            voxels.
        start: first byte of the samples in the decoded file.
        length: bytes of the samples; None where only decoding tells (png, tables).
        orientation: where the stored axes run to, such as RAS for right, front and up; empty where nothing says it.
        codes: of sform and qform, which say in what space the axes are: 0 unknown, 1 the scanner's, 2 another image's,
            3 Talairach's, 4 MNI152, 5 another template's; None for files that are no NIfTI.
    """

    shape: tuple[int, ...]
    spacing_mm: tuple[float, ...] | None
    kind: str
    start: int
    length: int | None
    orientation: str = ""
    codes: tuple[int, int] | None = None


def parse(prefix: bytes, suffix: str) -> Header:
    """Read the header of a decompressed file.

    Args:
        prefix: its first bytes, up to PREFIX_BYTES.
        suffix: `.nii`, `.npy` or `.png`.

    Raises:
        ImageFaultError: it is no such file, or its sizes are impossible or above the cap.
    """
    found = {".nii": _nifti, ".npy": _npy, ".png": _png}[suffix](prefix)
    if suffix != ".nii":
        return found
    matrix, codes = _placed(prefix)
    return evolve(found, orientation="" if matrix is None else _letters(matrix), codes=codes)


def _nifti(prefix: bytes) -> Header:
    if len(prefix) < 348:
        raise ImageFaultError("it ends inside its header")
    for order in "<>":
        size = struct.unpack_from(f"{order}i", prefix)[0]
        if size == 348 and prefix[344:348] == b"n+1\0":
            return _nifti1(prefix, order)
        if size == 540 and prefix[4:8] == b"n+2\0" and len(prefix) >= 540:
            return _nifti2(prefix, order)
    if prefix[344:348] == b"ni1\0":
        raise ImageFaultError("its samples are in another file (.hdr/.img); only .nii is read")
    raise ImageFaultError("it is no NIfTI file")


def _nifti1(prefix: bytes, order: str) -> Header:
    dim = struct.unpack_from(f"{order}8h", prefix, 40)
    datatype = struct.unpack_from(f"{order}h", prefix, 70)[0]
    pixdim = struct.unpack_from(f"{order}8f", prefix, 76)
    offset, slope, inter = struct.unpack_from(f"{order}3f", prefix, 108)
    units = prefix[123] & 7
    sform = struct.unpack_from(f"{order}h", prefix, 254)[0]
    affine = struct.unpack_from(f"{order}12f", prefix, 280) if sform > 0 else ()
    return _checked(order, dim, datatype, pixdim, offset, (slope, inter), units, affine)


def _nifti2(prefix: bytes, order: str) -> Header:
    datatype = struct.unpack_from(f"{order}h", prefix, 12)[0]
    dim = struct.unpack_from(f"{order}8q", prefix, 16)
    pixdim = struct.unpack_from(f"{order}8d", prefix, 104)
    offset = struct.unpack_from(f"{order}q", prefix, 168)[0]
    slope, inter = struct.unpack_from(f"{order}2d", prefix, 176)
    sform = struct.unpack_from(f"{order}i", prefix, 348)[0]
    affine = struct.unpack_from(f"{order}12d", prefix, 400) if sform > 0 else ()
    units = struct.unpack_from(f"{order}i", prefix, 500)[0] & 7
    return _checked(order, dim, datatype, pixdim, offset, (slope, inter), units, affine)


def _checked(
    order: str,
    dim: Sequence[int],
    datatype: int,
    pixdim: Sequence[float],
    offset: float,
    scaling: tuple[float, float],
    units: int,
    affine: Sequence[float],
) -> Header:
    if not 1 <= dim[0] <= 7:
        raise ImageFaultError(f"its header claims {dim[0]} dimensions")
    shape = list(dim[1 : dim[0] + 1])
    if min(shape) < 1:
        raise ImageFaultError("its header claims an axis of length 0 or less")
    if datatype not in _ITEM_BYTES:
        raise ImageFaultError(f"its type of samples ({datatype}) is not supported")
    length = _bounded(shape, _ITEM_BYTES[datatype])
    if not math.isfinite(offset) or not 348 <= offset <= 1 << 24 or offset != int(offset):
        raise ImageFaultError("its samples start at an impossible place")
    while len(shape) > 3 and shape[-1] == 1:
        shape.pop()
    spacing = [abs(size) * _MM.get(units, 1.0) for size in pixdim[1 : min(3, dim[0]) + 1]]
    if not all(math.isfinite(size) for size in spacing) or not all(spacing):
        raise ImageFaultError("its voxel size is zero or not finite")
    if affine and not _invertible(affine):
        raise ImageFaultError("its affine is singular or not finite")
    # A float32 header cannot say 0.8; six digits take the noise away and lose nothing.
    sizes = tuple(float(f"{size:.6g}") for size in spacing)
    # A slope of 0 or not finite means that samples are not scaled.
    slope, inter = scaling
    scaled = f" {slope!r} {inter!r}" if math.isfinite(slope) and slope not in (0.0, 1.0) else ""
    return Header(tuple(shape), sizes, f"nifti {datatype}{order}{scaled}", int(offset), length)


def axes(prefix: bytes) -> tuple[int, int, int]:
    """Give for the axes to the right, to the front and up which stored axis of a NIfTI file runs along them.

    Args:
        prefix: the first bytes of the decompressed file, whose header has been read without a fault.
    """
    matrix, _ = _placed(prefix)
    return (0, 1, 2) if matrix is None else _along(matrix)


Matrix = list[tuple[float, ...]]
"""Three rows of three numbers: stored axes to the right, to the front and up."""


def _placed(prefix: bytes) -> tuple[Matrix | None, tuple[int, int]]:
    """Give the directions of the stored axes of a NIfTI file, None where it tells none, and the two codes."""
    first = prefix[344:348] == b"n+1\0"
    order = "<" if struct.unpack_from("<i", prefix)[0] in (348, 540) else ">"
    number, places = ("f", (252, 254, 256, 280, 76)) if first else ("d", (344, 348, 352, 400, 104))
    code = "h" if first else "i"
    qform, sform = (struct.unpack_from(f"{order}{code}", prefix, place)[0] for place in places[:2])
    matrix: Matrix | None = None
    if sform > 0:
        rows = struct.unpack_from(f"{order}12{number}", prefix, places[3])
        matrix = [rows[0:3], rows[4:7], rows[8:11]]
    elif qform > 0:
        matrix = _rotation(*struct.unpack_from(f"{order}3{number}", prefix, places[2]))
        if struct.unpack_from(f"{order}{number}", prefix, places[4])[0] < 0:
            # The third axis is mirrored where the first number of pixdim is negative.
            matrix = [(row[0], row[1], -row[2]) for row in matrix]
    finite = matrix is not None and all(math.isfinite(cell) for row in matrix for cell in row)
    return matrix if finite else None, (sform, qform)


def _along(matrix: Matrix) -> tuple[int, int, int]:
    """Give for each axis of the world the stored axis that runs along it, the clearest first."""
    lengths = [math.sqrt(sum(row[j] ** 2 for row in matrix)) or 1.0 for j in range(3)]
    ranked = sorted(((abs(matrix[i][j]) / lengths[j], i, j) for i in range(3) for j in range(3)), reverse=True)
    found: dict[int, int] = {}
    for _, world, stored in ranked:
        if world not in found and stored not in found.values():
            found[world] = stored
    return found[0], found[1], found[2]


def _letters(matrix: Matrix) -> str:
    """Write where the stored axes run to: R or L, A or P, S or I."""
    letters = {stored: "RASLPI"[world + 3 * (matrix[world][stored] < 0)] for world, stored in enumerate(_along(matrix))}
    return "".join(letters[stored] for stored in range(3))


def _rotation(b: float, c: float, d: float) -> list[tuple[float, ...]]:
    """Give the rotation of a quaternion whose first number is left out, as NIfTI stores it."""
    a = math.sqrt(max(0.0, 1.0 - b * b - c * c - d * d))
    return [
        (a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)),
        (2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)),
        (2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c),
    ]


def _invertible(affine: Sequence[float]) -> bool:
    if not all(map(math.isfinite, affine)):
        return False
    (a, b, c), (d, e, f), (g, h, i) = affine[0:3], affine[4:7], affine[8:11]
    return abs(a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)) > 1e-12


def _bounded(shape: Sequence[int], item: int) -> int:
    length = item
    for size in shape:
        length *= size
        if length > CAP_BYTES:
            raise ImageFaultError(f"its header claims more than {CAP_BYTES >> 20} MiB of samples")
    return length


def _npy(prefix: bytes) -> Header:
    if prefix[:6] != b"\x93NUMPY" or len(prefix) < 12:
        raise ImageFaultError("it is no npy file")
    wide = prefix[6] >= 2
    size = struct.unpack_from("<I" if wide else "<H", prefix, 8)[0]
    start = (12 if wide else 10) + size
    if start > min(len(prefix), PREFIX_BYTES):
        raise ImageFaultError("it ends inside its header, or the header is too long")
    try:
        header = ast.literal_eval(prefix[start - size : start].decode("latin-1"))
        shape, descr, fortran = header["shape"], header["descr"], bool(header["fortran_order"])
    except (ValueError, SyntaxError, KeyError, TypeError, MemoryError, RecursionError):
        raise ImageFaultError("its header is not readable") from None
    if not isinstance(descr, str) or len(descr) < 3 or descr[1] not in "fiub" or not descr[2:].isdecimal():
        raise ImageFaultError("its samples are not plain numbers")
    if not isinstance(shape, tuple) or not all(isinstance(d, int) and d > 0 for d in shape) or not shape:
        raise ImageFaultError("its shape is not readable or empty")
    length = _bounded(shape, int(descr[2:]))
    return Header(shape, None, f"npy {descr}{' F' if fortran else ''}", start, length)


def _png(prefix: bytes) -> Header:
    if prefix[:8] != b"\x89PNG\r\n\x1a\n" or prefix[12:16] != b"IHDR" or len(prefix) < 33:
        raise ImageFaultError("it is no png file")
    width, height, depth, colour = struct.unpack_from(">IIBB", prefix, 16)
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}.get(colour)
    if channels is None or depth not in (1, 2, 4, 8, 16) or not width or not height:
        raise ImageFaultError("its header is not readable")
    _bounded((height, width, channels), max(1, depth // 8))
    shape = (height, width) if channels == 1 else (height, width, channels)
    return Header(shape, None, f"png {depth} {colour}", 8, None)
