"""Reading image files safely: every wrong file ends in one `DataError`, and no header decides how much is allocated.

A file is read into memory once, hashed from these bytes and decoded from them, so what was hashed is what is used, and
a file that shrinks meanwhile cannot kill the process. A .nii.gz is decompressed to its end, where zlib compares
length and checksum; nibabel alone would accept a file whose last bytes are wrong.
"""

import hashlib
import io
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from attrs import define, field

from tlimb.components.contracts import Image

LONGEST_AXIS = 1024
MOST_VOXELS = 2**28
LIMIT_BYTES = 2**30
SUFFIXES = (".nii", ".nii.gz", ".npy", ".png")

Array = np.ndarray[Any, np.dtype[Any]]


class DataError(ValueError):
    """An image file cannot be used.

    Attributes:
        reason: why, without the name of the file or of a person.
    """

    def __init__(self, reason: str) -> None:
        """Keep the reason, which also is the message."""
        self.reason = reason
        super().__init__(reason)


@define
class Reading:
    """What was read while a `recording` was open.

    Attributes:
        digests: sha256 of the stored bytes by path, 64 hex digits.
        replaced: number of voxels that were not finite and became 0, by path.
    """

    digests: dict[Path, str] = field(factory=dict)
    replaced: dict[Path, int] = field(factory=dict)


_open: ContextVar[Reading | None] = ContextVar("reading", default=None)


@contextmanager
def recording() -> Iterator[Reading]:
    """Keep the digests of all files that are read inside, of the very bytes that are decoded."""
    reading = Reading()
    token = _open.set(reading)
    try:
        yield reading
    finally:
        _open.reset(token)


def load(path: Path, mask: Path | None = None, *, limit_bytes: int = LIMIT_BYTES) -> Image:
    """Read an image, and its mask on the same grid.

    Args:
        path: .nii, .nii.gz, .npy or .png.
        mask: file of the same kinds; voxels above 0.5 are inside. None for no mask.
        limit_bytes: refuse files that need more than this, compressed or not.

    Raises:
        DataError: the file, or its fit with the mask, is wrong.
    """
    image = read(path, limit_bytes=limit_bytes)
    if mask is None:
        return image
    inside = read(mask, limit_bytes=limit_bytes)
    if inside.voxels.shape[1:] != image.voxels.shape[1:] or len(inside.voxels) != 1:
        raise DataError("mask: its shape is not that of the image")
    if (
        image.affine is not None
        and inside.affine is not None
        and not np.allclose(image.affine, inside.affine, atol=1e-2)
    ):
        raise DataError("mask: it lies on another grid than the image")
    return Image(image.voxels, image.affine, inside.voxels[0] > 0.5)


def read(path: Path, *, limit_bytes: int = LIMIT_BYTES) -> Image:
    """Read one image; voxels that are not finite become 0 and are counted in the open `recording`.

    Raises:
        DataError: the file is missing, of another kind, damaged, too large, or says nothing about its orientation.
    """
    name = path.name.lower()
    suffix = next((known for known in SUFFIXES if name.endswith(known)), None)
    if suffix is None:
        raise DataError(f"the file is none of {', '.join(SUFFIXES)}")
    content = read_bytes(path, limit_bytes)
    try:
        voxels, affine = _decode(content, suffix, limit_bytes)
    except DataError:
        raise
    except MemoryError as error:
        raise DataError("the image does not fit into memory") from error
    except Exception as error:
        # Decoders raise anything on a damaged file; all of it means the same.
        raise DataError(f"the {suffix} file cannot be decoded ({type(error).__name__})") from error
    return _finite(path, voxels, affine)


def read_bytes(path: Path, limit_bytes: int = LIMIT_BYTES) -> bytes:
    """Read a file whole, noting its digest in the open `recording`.

    Raises:
        DataError: it cannot be read, is empty, or larger than the limit.
    """
    try:
        with path.open("rb") as stream:
            content = stream.read(limit_bytes + 1)
    except OSError as error:
        raise DataError(f"the file cannot be read ({error.strerror or type(error).__name__})") from error
    if len(content) > limit_bytes:
        raise DataError(f"the file is larger than {limit_bytes} bytes")
    if not content:
        raise DataError("the file is empty")
    reading = _open.get()
    if reading is not None:
        reading.digests[path] = hashlib.sha256(content).hexdigest()
    return content


def _decode(content: bytes, suffix: str, limit_bytes: int) -> tuple[Array, Array | None]:
    if suffix == ".nii.gz":
        return _nifti(inflate(content, limit_bytes), limit_bytes)
    if suffix == ".nii":
        return _nifti(content, limit_bytes)
    if suffix == ".npy":
        return _npy(content, limit_bytes), None
    return _png(content, limit_bytes), None


def inflate(content: bytes, limit_bytes: int = LIMIT_BYTES) -> bytes:
    """Decompress gzip to its end, checking length and checksum of each member, in bounded memory.

    Raises:
        DataError: it is truncated, damaged, followed by something else, or larger than the limit.
    """
    if content[:4] in (b"\x5c\x01\0\0", b"\0\0\x01\x5c", b"\x1c\x02\0\0", b"\0\0\x02\x1c"):  # a header's size
        raise DataError("the file is not compressed: rename it to end with .nii, or compress it with gzip")
    parts: list[bytes] = []
    room = limit_bytes
    rest = content
    while rest:
        stream = zlib.decompressobj(wbits=31)
        try:
            part = stream.decompress(rest, room + 1)
        except zlib.error as error:
            raise DataError("the gzip data are damaged") from error
        if len(part) > room:
            raise DataError(f"the file holds more than {limit_bytes} bytes")
        if not stream.eof:
            raise DataError("the gzip data end too early")
        parts.append(part)
        room -= len(part)
        # Some writers pad the file with zeros.
        rest = stream.unused_data.lstrip(b"\0")
    return parts[0] if len(parts) == 1 else b"".join(parts)


def check_shape(shape: tuple[int, ...], itemsize: int, limit_bytes: int) -> None:
    """Refuse a shape before anything of its size is allocated.

    Raises:
        DataError: an axis is not in 1 to 1024, there are too many voxels, or they need more than the limit.
    """
    if not 1 <= len(shape) <= 4 or any(not 1 <= length <= LONGEST_AXIS for length in shape):
        raise DataError(f"the header says {' x '.join(str(n) for n in shape)}: not 1 to {LONGEST_AXIS} along each axis")
    # Voxels are worked on as float32, so that is what they need at least.
    count = int(np.prod(shape, dtype=object))
    if count > MOST_VOXELS or count * max(itemsize, 4) > limit_bytes:
        raise DataError(f"the header says {count} voxels: too many")


def _nifti(raw: bytes, limit_bytes: int) -> tuple[Array, Array | None]:
    if len(raw) < 348:
        raise DataError("the file is shorter than a NIfTI header")
    if 540 in (struct.unpack("<i", raw[:4])[0], struct.unpack(">i", raw[:4])[0]):
        kind: Any = nibabel.Nifti2Image
    else:
        kind = nibabel.Nifti1Image
    header = kind.header_class.from_fileobj(io.BytesIO(raw), check=True)
    shape = tuple(int(length) for length in header.get_data_shape())
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    itemsize = header.get_data_dtype().itemsize
    check_shape(shape, itemsize, limit_bytes)
    if header.get_data_dtype().kind not in "iuf":
        raise DataError("voxels are not plain numbers")
    expected = int(header.get_data_offset()) + int(np.prod(shape, dtype=object)) * itemsize
    if len(raw) < expected:
        raise DataError("the file ends before its last voxel")
    if len(shape) > 3:
        raise DataError(f"the file holds {shape[3]} images, one is needed")
    if header["sform_code"] <= 0 and header["qform_code"] <= 0:
        raise DataError("the header says nothing about the orientation (sform and qform code are 0)")
    image = kind.from_bytes(raw)
    voxels = np.asarray(image.get_fdata(dtype=np.float32, caching="unchanged"))
    voxels = voxels.reshape(shape + (1,) * (3 - len(shape)))
    affine = np.asarray(image.affine, dtype=np.float64)
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-9:
        raise DataError("the header's orientation is not a valid one")
    return voxels[None], affine


def _npy(content: bytes, limit_bytes: int) -> Array:
    stream = io.BytesIO(content)
    version = np.lib.format.read_magic(stream)
    if version not in ((1, 0), (2, 0)):
        raise DataError("the .npy file has an unknown version")
    read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read_header(stream)
    if dtype.kind not in "biuf":
        raise DataError("the array does not hold plain numbers")
    check_shape(shape, dtype.itemsize, limit_bytes)
    if len(content) - stream.tell() < int(np.prod(shape, dtype=object)) * dtype.itemsize:
        raise DataError("the file ends before its last number")
    stream.seek(0)
    array = np.load(stream, allow_pickle=False).astype(np.float32)
    if not 2 <= array.ndim <= 3:
        raise DataError(f"the array has {array.ndim} axes, an image has 2 or 3")
    return array[None]


def _png(content: bytes, limit_bytes: int) -> Array:
    from PIL import Image as Picture

    with Picture.open(io.BytesIO(content), formats=["PNG"]) as picture:
        check_shape((picture.height, picture.width), 4, limit_bytes)
        picture.load()
        grey = picture.mode in ("1", "L", "LA", "I", "I;16", "I;16B", "F")
        mode = "L" if picture.mode == "LA" else picture.mode if grey else "RGB"
        plain = picture if mode == picture.mode else picture.convert(mode)
        pixels = np.asarray(plain, dtype=np.float32)
    return pixels[None] if grey else np.ascontiguousarray(np.moveaxis(pixels, -1, 0))


def _finite(path: Path, voxels: Array, affine: Array | None) -> Image:
    finite = np.isfinite(voxels)
    wrong = int(voxels.size - np.count_nonzero(finite))
    if wrong == voxels.size:
        raise DataError("no voxel is a finite number")
    if wrong:
        voxels = np.where(finite, voxels, np.float32(0))
    reading = _open.get()
    if reading is not None:
        reading.replaced[path] = wrong
    return Image(np.ascontiguousarray(voxels, dtype=np.float32), affine)
