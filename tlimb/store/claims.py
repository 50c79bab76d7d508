"""Who is computing what: claims that spare work and that nothing relies on.

A claim is the file `state/<work>/claim` with host, process and boot of whoever computes the work; it is touched every
few seconds while that goes on. Two that compute one work all the same, because a file system showed a claim late
or a machine slept, publish equal bytes by one rename each: a claim decides time, never a result.
"""

import contextlib
import errno
import json
import os
import secrets
import socket
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import define, field

from tlimb.store import disk
from tlimb.store.store import Store

CLAIM = "claim"
EVERY_S = 10.0
"""Seconds between two touches of a held claim."""
STALE_S = 60.0
"""A claim that was not touched for so long, by the file server's clock, is nobody's."""


@define(eq=False)
class Claims:
    """The claims of one process.

    Attributes:
        store: the store.
        every_s: seconds between two touches.
    """

    store: Store
    every_s: float = EVERY_S
    _who: Mapping[str, Any] = field(init=False)
    _held: set[str] = field(factory=set, init=False)
    _ended: threading.Event = field(factory=threading.Event, init=False)
    _thread: threading.Thread | None = field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        self._who = {**_here(), "pid": os.getpid(), "began": _began(os.getpid()), "mark": secrets.token_hex(8)}

    def take(self, work: str) -> str | None:
        """Claim a work; gives None when it is ours now, else the host that computes it.

        Where no claim can be written the work counts as ours: that it cannot be published either is told by the run.
        """
        try:
            path = self.store.state_folder(work) / CLAIM
            for _ in range(2):
                if self._make(path):
                    return None
                owner = self._owner(path)
                if owner is not None:
                    return owner
        except OSError:
            return None
        return None

    def release(self, work: str) -> None:
        """Give a claim back, and remove the folder where nothing else lies in it."""
        self._held.discard(work)
        path = self._path(work)
        if _read(path).get("mark") == self._who["mark"]:
            disk.remove(path)
        with contextlib.suppress(OSError):
            path.parent.rmdir()

    def close(self) -> None:
        """Give every claim back."""
        self._ended.set()
        for work in list(self._held):
            self.release(work)

    def _path(self, work: str) -> Path:
        return self.store.base / "state" / work / CLAIM

    def _make(self, path: Path) -> bool:
        """Make the file unless there is one; the name appears with its content."""
        disk.make(path.parent)
        draft = path.with_name(f".{CLAIM}-{self._who['mark']}")
        try:
            disk.write(draft, json.dumps(self._who).encode())
            os.link(draft, path)
        except FileExistsError:
            return False
        except OSError as error:
            # The folder went with the run that had just finished, or the file system knows no links.
            if error.errno not in (errno.ENOENT, errno.EPERM, errno.ENOTSUP, errno.EMLINK) or path.exists():
                raise
            disk.make(path.parent)
            disk.write(path, json.dumps(self._who).encode())
        finally:
            disk.remove(draft)
        self._hold(path.parent.name)
        return True

    def _owner(self, path: Path) -> str | None:
        """Give the host of a living claim; a dead one is moved away and gives None."""
        claim = _read(path)
        try:
            age = self.store.server_time() - path.stat().st_mtime
        except FileNotFoundError:
            return None
        here = all(claim.get(key) == value for key, value in _here().items())
        dead = here and _began(int(claim.get("pid", 0))) != claim.get("began")
        if age <= STALE_S and not dead:
            return str(claim.get("host", "another machine"))
        # Of several that see it stale, one moves it.
        moved = path.with_name(f".{CLAIM}-{secrets.token_hex(8)}")
        with contextlib.suppress(FileNotFoundError):
            path.rename(moved)
        disk.remove(moved)
        return None

    def _hold(self, work: str) -> None:
        self._held.add(work)
        if self._thread is None:
            self._thread = threading.Thread(target=self._touch, name="claims", daemon=True)
            self._thread.start()

    def _touch(self) -> None:
        while not self._ended.wait(self.every_s):
            for work in list(self._held):
                with contextlib.suppress(OSError):
                    os.utime(self._path(work), follow_symlinks=False)


def claimed(store: Store, now: float) -> dict[str, str]:
    """Give the works that are being computed, anywhere, with the host of each.

    Args:
        store: the store.
        now: time of the file server, as `Store.server_time` gives it; older claims are nobody's.
    """
    found: dict[str, str] = {}
    for path in (store.base / "state").glob(f"*/{CLAIM}"):
        try:
            fresh = now - path.stat().st_mtime <= STALE_S
        except FileNotFoundError:
            continue
        if fresh:
            found[path.parent.name] = str(_read(path).get("host", "another machine"))
    return found


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(disk.read(path))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _here() -> dict[str, Any]:
    """Give what processes have in common that can see each other: host, boot, and space of process ids."""
    found: dict[str, Any] = {"host": socket.gethostname()}
    with contextlib.suppress(OSError):
        found["boot"] = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        found["space"] = os.readlink("/proc/self/ns/pid")  # noqa: PTH115
    return found


def _began(pid: int) -> str | None:
    """Give when a process began, in ticks since the boot; None for a process that is not there, or cannot be asked."""
    try:
        parts = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return None if parts[0] == "Z" else parts[19]
    except (OSError, IndexError):
        return None
