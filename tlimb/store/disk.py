"""Every system call that the store makes, in one place, so that each can be made to fail in a test.

A file counts as written only after its bytes and the folder that names it have been flushed; a name appears
only by rename, so no reader ever sees half a file.
"""

import contextlib
import errno
import hashlib
import os
import secrets
import shutil
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

CHUNK = 1 << 20
STALE = (errno.ESTALE, errno.EIO)
PATIENCE_S = 90.0
STREAMS = ("/dev/std", "/dev/fd/", "/dev/tty", "/dev/null", "/proc/")
"""How paths begin that are the system's names of pipes, terminals and open files, though they may be links."""

T = TypeVar("T")


def make(folder: Path) -> Path:
    """Make a folder and those above it; one that exists is fine."""
    os.makedirs(folder, exist_ok=True)  # noqa: PTH103
    return folder


def linked(root: Path, path: Path) -> Path | None:
    """Return the first link on the way from a root to a path, the path included; None for none.

    The root itself may be a link: it was named by whoever runs the command, what is below it may come from elsewhere.
    """
    between = [one for one in (path, *path.parents) if one != root and one.is_relative_to(root)]
    return next((one for one in reversed(between) if one.is_symlink()), None)


def make_below(root: Path, folder: Path) -> Path:
    """Make a folder below a root and those between them.

    Raises:
        OSError: one of them is a link, which could lead anywhere; nothing is made.
    """
    link = linked(root, folder)
    if link is not None:
        raise OSError(errno.ELOOP, "this is a link, and nothing is written through a link", str(link))
    return make(folder)


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
    """Write a file under its own name and flush it; for files in folders that nobody reads yet.

    Raises:
        OSError: it could not be written, or the name is a link.
    """
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, mode)
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


def write_output(path: Path, data: bytes) -> None:
    """Write a file where a user asked for it: a link of its name is replaced, a pipe or a terminal is written to.

    Raises:
        OSError: it could not be written.
    """
    if str(path).startswith(STREAMS) or stat.S_ISFIFO(path.lstat().st_mode if os.path.lexists(path) else 0):
        path.write_bytes(data)
    else:
        write_atomically(path, data, 0o666)


def unlinked(path: str, flags: int) -> int:
    """Open a file, as an `opener` of `open`; to be written in place of a link of its name, and never read through one.

    Raises:
        OSError: it could not be opened; with ELOOP where it is a link and is to be read.
    """
    try:
        return os.open(path, flags | os.O_NOFOLLOW, 0o666)
    except OSError as error:
        if error.errno != errno.ELOOP or not flags & os.O_CREAT:
            raise
        os.unlink(path)  # noqa: PTH108
        return os.open(path, flags | os.O_NOFOLLOW, 0o666)


def rename(source: Path, target: Path) -> None:
    """Rename, and flush the folder of the new name."""
    os.rename(source, target)  # noqa: PTH104
    flush_folder(target.parent)


def move(source: Path, target: Path) -> bool:
    """Rename without flushing anything, and return whether there was something to rename.

    Raises:
        OSError: it is there and cannot be renamed.
    """
    try:
        os.rename(source, target)  # noqa: PTH104
    except FileNotFoundError:
        return False
    return True


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


def private_folder(path: Path) -> Path:
    """Make a folder that only its owner can read, and those above it that are missing."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    for folder in reversed(missing):
        folder.mkdir(mode=0o700, exist_ok=True)
    return path


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


def remove_tree(path: Path) -> None:
    """Remove a folder and all in it, or a file, quietly where it cannot be; of a link only the link."""
    if path.is_dir() and not path.is_symlink():
        # It walks by handles of folders, so one that becomes a link meanwhile is not followed either.
        shutil.rmtree(path, ignore_errors=True)
    else:
        remove(path)


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
