"""One pass over an image file: hash of its bytes, check of its compression to the end, header and samples.

Tables of time series count as images too.
"""

import hashlib
import os
import struct
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from attrs import frozen

from tlimb.cohorts import headers, series
from tlimb.cohorts.headers import CAP_BYTES, PREFIX_BYTES, Header, ImageFaultError

CHUNK = 1 << 18
SUFFIXES = (".nii", ".nii.gz", ".npy", ".png", *series.ENDINGS)
TRAILING_CAP = 1 << 20
"""Bytes that may follow the samples of a decoded file (NIfTI writers pad)."""


@frozen
class Scan:
    """What one pass has found.

    Attributes:
        sha256: of the file's bytes.
        voxels: sha256 of shape, type and samples; equal for a file and its recompression.
        shape: as in the header.
        spacing_mm: as in the header; None without a scale.
        orientation: as in the header, such as RAS; empty where nothing says it.
        codes: of sform and qform, as in the header; None for files that are no NIfTI.
    """

    sha256: str
    voxels: str
    shape: tuple[int, ...]
    spacing_mm: tuple[float, ...] | None
    orientation: str = ""
    codes: tuple[int, int] | None = None


def opener(path: Path) -> IO[bytes]:
    """Open a file for one pass; the only place of this room that opens an image."""
    return open(path, "rb", buffering=0)  # noqa: PTH123


def suffix(name: str) -> str | None:
    """Give the ending of an image that can be read, `.nii.gz` as a whole; None for others."""
    lower = name.lower()
    return next((ending for ending in (".nii.gz", *SUFFIXES) if lower.endswith(ending)), None)


def scan(path: Path) -> Scan:
    """Read a file once, to its end.

    Raises:
        ImageFaultError: it cannot be used; the message names no file.
        OSError: it cannot be read.
    """
    ending = suffix(path.name)
    if ending is None:
        raise ImageFaultError("its ending is none of .nii, .nii.gz, .npy, .png, .tsv, .csv and .txt")
    whole = hashlib.sha256()
    with opener(path) as handle:
        stored = _stored(handle, whole)
        if ending == ".nii.gz":
            found = _samples(_inflated(stored), ".nii")
        elif ending == ".png":
            found = _png(stored)
        elif ending in series.ENDINGS:
            found = _table(stored, ending)
        else:
            found = _samples(stored, ending)
        for _ in stored:  # what follows the samples belongs to the file's hash
            pass
    header, voxels = found
    return Scan(whole.hexdigest(), voxels, header.shape, header.spacing_mm, header.orientation, header.codes)


HEADERS = tuple(size.to_bytes(4, order) for size in (348, 540) for order in ("little", "big"))
"""First bytes of a NIfTI file: the size of its header, in either byte order."""


def _stored(handle: IO[bytes], whole: "hashlib._Hash") -> Iterator[bytes]:
    while chunk := handle.read(CHUNK):
        whole.update(chunk)
        yield chunk


def _inflated(stored: Iterator[bytes]) -> Iterator[bytes]:
    """Decompress gzip members to the last, checking each one's CRC; never more than a chunk at once."""
    engine = zlib.decompressobj(31)
    started = False
    for chunk in stored:
        if not started and chunk[:4] in HEADERS:
            raise ImageFaultError("it is not compressed: rename it to end with .nii, or compress it with gzip")
        rest = chunk
        while rest:
            if engine.eof:
                # Zero padding behind the last member is usual on tapes; anything else must be a new member.
                rest = rest.lstrip(b"\0")
                if not rest:
                    break
                engine = zlib.decompressobj(31)
            started = True
            try:
                out = engine.decompress(rest, CHUNK)
            except zlib.error as error:
                raise ImageFaultError(f"its compression is damaged ({_reason(error)})") from None
            if out:
                yield out
            rest = engine.unused_data if engine.eof else engine.unconsumed_tail
    if not started or not engine.eof:
        raise ImageFaultError("it is truncated: its compressed data end too early")


def _reason(error: zlib.error) -> str:
    return str(error).rsplit(": ", 1)[-1]


def _samples(chunks: Iterator[bytes], ending: str) -> tuple[Header, str]:
    prefix = bytearray()
    for chunk in chunks:
        prefix += chunk
        if len(prefix) >= PREFIX_BYTES:
            break
    header = headers.parse(bytes(prefix[:PREFIX_BYTES]), ending)
    assert header.length is not None
    end = header.start + header.length
    digest = _begun(header)
    digest.update(memoryview(prefix)[header.start : end])
    at = len(prefix)
    for chunk in chunks:
        # Slices beyond either end are empty, which is what is wanted.
        digest.update(memoryview(chunk)[max(0, header.start - at) : max(0, end - at)])
        at += len(chunk)
        if at > end + TRAILING_CAP:
            raise ImageFaultError("it holds far more data than its header says")
    if at < end:
        raise ImageFaultError(f"it is truncated: {at} of {end} bytes")
    return header, digest.hexdigest()


def _begun(header: Header) -> "hashlib._Hash":
    return hashlib.sha256(repr((header.kind, header.shape)).encode())


def _table(stored: Iterator[bytes], ending: str) -> tuple[Header, str]:
    data = bytearray()
    for chunk in stored:
        data += chunk
        if len(data) > CAP_BYTES:
            raise ImageFaultError("it is too big")
    found = series.parse(bytes(data), ending)
    header = Header((found.rows, found.columns), None, "table", 0, None)
    digest = _begun(header)
    if sys.byteorder == "big":
        found.values.byteswap()
    digest.update(found.values.tobytes())
    return header, digest.hexdigest()


def _png(stored: Iterator[bytes]) -> tuple[Header, str]:
    data = bytearray()
    for chunk in stored:
        data += chunk
        if len(data) > CAP_BYTES:
            raise ImageFaultError("it is too big")
    header = headers.parse(bytes(data[:PREFIX_BYTES]), ".png")
    digest = _begun(header)
    engine = zlib.decompressobj()
    position, ended, total = 8, False, 0
    while position + 12 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, position)
        body = memoryview(data)[position + 8 : position + 8 + size]
        if position + 12 + size > len(data):
            break
        if zlib.crc32(kind + bytes(body)) != struct.unpack_from(">I", data, position + 8 + size)[0]:
            raise ImageFaultError("a checksum inside it does not fit")
        if kind == b"IDAT":
            total += _inflate_idat(engine, bytes(body), digest, total)
        elif kind in (b"PLTE", b"tRNS"):
            digest.update(body)
        ended = ended or kind == b"IEND"
        position += 12 + size
    if not ended or not engine.eof:
        raise ImageFaultError("it is truncated")
    return header, digest.hexdigest()


def _inflate_idat(engine: "zlib._Decompress", body: bytes, digest: "hashlib._Hash", total: int) -> int:
    made = 0
    while body:
        try:
            out = engine.decompress(body, CHUNK)
        except zlib.error as error:
            raise ImageFaultError(f"its compression is damaged ({_reason(error)})") from None
        digest.update(out)
        made += len(out)
        if total + made > CAP_BYTES:
            raise ImageFaultError(f"it decodes to more than {CAP_BYTES >> 20} MiB")
        body = engine.unconsumed_tail
    return made


def stat_key(path: Path) -> tuple[int, int, int, int]:
    """Give size, mtime_ns, ctime_ns and inode of the file that a path leads to.

    Raises:
        OSError: there is no file.
    """
    found = os.stat(path)  # noqa: PTH116
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino
