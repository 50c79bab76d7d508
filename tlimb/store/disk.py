"""Every system call that the store makes, in one place, so that each can be made to fail in a test.

A file counts as written only after its bytes and the folder that names it have been flushed; a name appears
only by rename, so no reader ever sees half a file.
"""

import contextlib
import errno
import hashlib
import os
import secrets
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

CHUNK = 1 << 20
STALE = (errno.ESTALE, errno.EIO)
PATIENCE_S = 90.0

T = TypeVar("T")


def make(folder: Path) -> Path:
    """Make a folder and those above it; one that exists is fine."""
    os.makedirs(folder, exist_ok=True)  # noqa: PTH103
    return folder


def flush_folder(folder: Path) -> None:
    """Flush a folder's entries, so that a rename in it survives a power cut."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    except OSError as error:
        # Some network file systems refuse to flush a folder; they order its entries themselves.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(handle)


def write(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Write a file under its own name and flush it; for files in folders that nobody reads yet."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(handle, view) :]
        os.fsync(handle)
    finally:
        os.close(handle)


def write_atomically(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Write a file so that its name either holds all the bytes or what it held before.

    The temporary file lies in the target's own folder: a rename across file systems would be a copy.

    Raises:
        OSError: it could not be written; the temporary file is removed.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        write(temporary, data, mode)
        os.replace(temporary, path)  # noqa: PTH105
    except BaseException:
        remove(temporary)
        raise
    flush_folder(path.parent)


def rename(source: Path, target: Path) -> None:
    """Rename, and flush the folder of the new name."""
    os.rename(source, target)  # noqa: PTH104
    flush_folder(target.parent)


def seal(path: Path) -> None:
    """Take away everybody's right to write a file, and flush it."""
    os.chmod(path, 0o444)  # noqa: PTH101
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def read(path: Path, most: int | None = None) -> bytes:
    """Read a whole file, once more after an error that a just-renamed file gives on network file systems.

    Args:
        path: the file.
        most: bytes that are read at most; None for no bound.

    Raises:
        ValueError: the file is larger.
        OSError: it cannot be read.
    """
    return again(lambda: _read(path, most))


def _read(path: Path, most: int | None) -> bytes:
    handle = os.open(path, os.O_RDONLY)
    try:
        parts, size = [], 0
        while part := os.read(handle, CHUNK):
            parts.append(part)
            size += len(part)
            if most is not None and size > most:
                raise ValueError(f"the file is larger than {most} bytes")
        return b"".join(parts)
    finally:
        os.close(handle)


def sha256(path: Path) -> str:
    """Give the sha256 of a file's bytes, as 64 hex digits."""
    return again(lambda: _sha256(path))


def _sha256(path: Path) -> str:
    state = hashlib.sha256()
    handle = os.open(path, os.O_RDONLY)
    try:
        while part := os.read(handle, CHUNK):
            state.update(part)
        return state.hexdigest()
    finally:
        os.close(handle)


def again(call: Callable[[], T], tries: int = 3, pause_s: float = 0.05) -> T:
    """Repeat a read that failed with a stale handle or an input error.

    Raises:
        OSError: the last try failed too, or the error is of another kind.
    """
    for left in reversed(range(tries)):
        try:
            return call()
        except OSError as error:
            if error.errno not in STALE or not left:
                raise
            time.sleep(pause_s)
    raise AssertionError("unreachable")


def names(folder: Path) -> list[str]:
    """List a folder's entries in order; none when there is no such folder."""
    try:
        return sorted(os.listdir(folder))  # noqa: PTH208
    except (FileNotFoundError, NotADirectoryError):
        return []


def is_file(path: Path) -> bool:
    """Say whether there is a plain file of this name."""
    return path.is_file()


def remove(path: Path) -> None:
    """Remove a file, quietly when it cannot be: what is left over is for `gc`."""
    try:
        os.unlink(path)  # noqa: PTH108
    except OSError:
        return


def remove_tree(folder: Path) -> None:
    """Remove a folder and all in it, quietly where it cannot be."""
    for name in names(folder):
        path = folder / name
        if path.is_dir() and not path.is_symlink():
            remove_tree(path)
        else:
            remove(path)
    try:
        os.rmdir(folder)  # noqa: PTH106
    except OSError:
        return


def size(folder: Path) -> int:
    """Give the bytes of all files under a folder."""
    return count(folder)[1]


def count(folder: Path) -> tuple[int, int]:
    """Give the number of files under a folder and their bytes; a file that vanishes meanwhile counts as none."""
    sizes = []
    for path in folder.rglob("*"):
        with contextlib.suppress(FileNotFoundError):
            found = path.stat()
            if stat.S_ISREG(found.st_mode):
                sizes.append(found.st_size)
    return len(sizes), sum(sizes)
