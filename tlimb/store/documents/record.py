"""What became of the attempts at a work: `record.json`, which is outside every promise of equality.

A record is written by whoever ran, or watched a run die. What cannot be read of it is as good as absent.
"""

import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import frozen

from tlimb.manifest.canonical import Json
from tlimb.manifest.fields import entry
from tlimb.manifest.forms import fits
from tlimb.manifest.parsing import check_format
from tlimb.problems import ExitCode

RECORD = "record.json"
FORMAT = 1
"""Format of `record.json` that is written, and the highest that is read."""
SIGNAL = 128
"""Exit codes from here on say that a run was killed, and may be started again."""


@frozen
class Attempt:
    """One attempt at a work; what nobody noted is absent."""

    code: int | None = entry("Exit code.", default=None)
    reason: str | None = entry("Why it did not end well, in a line without names of people or files.", default=None)
    began: float | None = entry("Start, seconds since the epoch.", default=None)
    ended: float | None = entry("End, seconds since the epoch.", default=None)
    host: str | None = entry("Machine.", default=None)
    decoded: int | None = entry("Volumes that were decoded from images.", default=None)
    cached: int | None = entry("Volumes that came from the cache.", default=None)
    parents: Mapping[str, str | None] | None = entry("Work of each parent -> digest of its result.", default=None)
    won: bool | None = entry("Its bytes are the ones that were published.", default=None)
    nondeterminism: bool | None = entry("Other bytes had been published in an equal environment.", default=None)
    resumed_at: int | None = entry("Batches that were done before.", default=None)
    saves: int | None = entry("Resume points that were written.", default=None)
    saving_s: float | None = entry("Time they took, seconds.", default=None)
    diverged: str | None = entry("Why it counts as diverged.", default=None)
    collapsed: Mapping[str, Json] | None = entry("First epoch whose embeddings or predictions collapsed.", default=None)
    log: str | None = entry("File with its last words, in the private folder.", default=None)

    @property
    def ends_as(self) -> int:
        """Return the exit code; 0 where nobody noted one."""
        return int(ExitCode.DONE) if self.code is None else self.code

    @property
    def seconds(self) -> float | None:
        """Return how long it took; None where that is not known."""
        return None if self.began is None or self.ended is None else self.ended - self.began

    @property
    def killed(self) -> bool:
        """Return whether a signal ended it."""
        return self.ends_as >= SIGNAL

    @property
    def yielded(self) -> bool:
        """Return whether it stopped itself and can be continued."""
        return self.ends_as == ExitCode.YIELDED

    @property
    def failed_for_good(self) -> bool:
        """Return whether it left no result and nobody starts it again; what has diverged left one."""
        return self.ends_as not in (ExitCode.DONE, ExitCode.YIELDED, ExitCode.DIVERGED) and not self.killed


def ended(began: float, code: int, reason: str, **more: Any) -> dict[str, Any]:
    """Return an attempt that has just ended on this machine, as the store adds it to a record.

    Args:
        began: start, seconds since the epoch.
        code: exit code.
        reason: why it did not end well; empty where it did.
        **more: other fields of `Attempt`.
    """
    return {"began": began, "ended": time.time(), "host": socket.gethostname(), "code": code, "reason": reason, **more}


@frozen
class Record:
    """The attempts at a work."""

    work: str | None = entry("The work.", default=None)
    attempts: tuple[Attempt, ...] = entry("In the order in which they ended.", default=())
    format: int = entry("Format of this file; 0, the form before there were formats, where it is absent.", default=0)

    @property
    def last(self) -> Attempt:
        """Return the last attempt; one that says nothing where there was none."""
        return self.attempts[-1] if self.attempts else Attempt()

    @property
    def parents(self) -> Mapping[str, str | None]:
        """Return the parents' digests that the last good attempt was computed from; empty where that is not noted."""
        known = [one.parents for one in self.attempts if one.parents and not one.ends_as]
        return known[-1] if known else {}


def record_of(whole: Mapping[str, Json], path: Path | str) -> Record:
    """Return the record that a JSON object stands for; one that is not of its form is as good as absent.

    Raises:
        NewerFormatError: a newer tlimb wrote it.
    """
    try:
        check_format(whole, FORMAT, path)
    except ValueError:
        return Record()
    if not fits(whole, Record):
        return Record()
    from tlimb.manifest.structure import structure

    return structure(whole, Record)
