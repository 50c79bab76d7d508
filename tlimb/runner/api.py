"""What a caller gives to the runner and what it gets back; imports no torch."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from attrs import Factory, field, fields_dict, frozen

from tlimb.problems import ExitCode, Problem, TlimbError

Event = dict[str, Any]
"""A JSON object with at least `event`; see `tlimb.runner.supervise`."""


BAD_IMAGES = "bad-images"
"""Folder in the private folder: for each work that could not use some images, their names and what is wrong."""


def _paths(found: Mapping[str, str | Path]) -> dict[str, Path]:
    return {name: Path(path) for name, path in found.items()}


def _folders(found: Iterable[str | Path]) -> tuple[Path, ...]:
    return tuple(Path(path) for path in found)


def _texts(found: Iterable[str]) -> tuple[str, ...]:
    return tuple(found)


def role_order(item: tuple[str, Any]) -> tuple[int, str]:
    """Order roles by what they are for, never by how a spec or a file happens to order them.

    The first role says how long an epoch is, and its images say what the network is built for.
    """
    role = item[0]
    known = ("data", "labelled", "source")
    return (known.index(role) if role in known else len(known), role)


@frozen
class Places:
    """Where things lie on this machine; none of it is part of a digest.

    Attributes:
        store: folder of the store.
        private: folder with views, tracebacks and logs that may name people or files.
        roots: absolute folder by root name; images of a view are relative to these.
        allow: module prefixes of user code that may be imported.
        code: folders with user code, searched after everything installed.
        weights: weights files by their sha256.
    """

    store: Path = field(converter=Path)
    private: Path = field(converter=Path)
    roots: Mapping[str, Path] = field(factory=dict, converter=_paths)
    allow: tuple[str, ...] = field(default=(), converter=_texts)
    code: tuple[Path, ...] = field(default=(), converter=_folders)
    weights: Mapping[str, Path] = field(factory=dict, converter=_paths)

    def to_json(self) -> dict[str, Any]:
        """Give what `from_json` reads."""
        return {
            "store": str(self.store),
            "private": str(self.private),
            "roots": {name: str(path) for name, path in self.roots.items()},
            "allow": list(self.allow),
            "code": [str(path) for path in self.code],
            "weights": {key: str(path) for key, path in self.weights.items()},
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Places":
        """Read what `to_json` gave."""
        return cls(**value)


@frozen
class Options:
    """How to run; nothing here changes a bit of a result.

    Attributes:
        deadline: time (seconds since the epoch) before which the run must have stopped itself; None for none.
        checkpoint_every_s: longest time between two resume points, seconds.
        checkpoint_every_steps: also after so many optimizer steps; None for by time only.
        smoke: stop every fit after two batches; for a store of its own, since results are marked and useless.
        check: before many runs, try two batches of each kind of them; see `tlimb.runner.rehearsal`.
        same_environment: what was computed in another environment is computed again.
        loader_workers: processes that prepare batches.
        memory_bytes: volumes of one view that need more than this are mapped from the cache, not loaded.
        progress: called with an event every now and then.
        after_batch: called with the number of batches done after each one; tests interrupt runs in it.
    """

    deadline: float | None = None
    checkpoint_every_s: float = 600.0
    checkpoint_every_steps: int | None = None
    smoke: bool = False
    check: bool = True
    same_environment: bool = False
    loader_workers: int = 0
    memory_bytes: int = 4 << 30
    progress: Callable[[Event], None] | None = None
    after_batch: Callable[[int], None] | None = None

    def to_json(self) -> dict[str, Any]:
        """Give what `from_json` reads; the two callables are not passed on."""
        left_out = ("progress", "after_batch")
        return {name: getattr(self, name) for name in fields_dict(Options) if name not in left_out}

    @classmethod
    def from_json(cls, value: Mapping[str, Any], **more: Any) -> "Options":
        """Read what `to_json` gave; callables may be added."""
        return cls(**value, **more)


@frozen
class Outcome:
    """How one manifest ended.

    Attributes:
        work: the manifest's work.
        code: exit code of the run; 128 + n after signal n.
        reason: why it did not end well, without any file name or id; empty when it did.
        reused: the result had been there already.
        facts: what the record says of this attempt.
    """

    work: str
    code: int = ExitCode.DONE
    reason: str = ""
    reused: bool = False
    facts: Mapping[str, Any] = Factory(dict)


class YieldError(Exception):
    """The run stopped itself at the deadline or when asked to; a resume point was written.

    Attributes:
        code: exit code, 75 for the deadline, 128 + n for a signal.
    """

    def __init__(self, code: int = ExitCode.YIELDED) -> None:
        """Keep the exit code."""
        self.code = code
        super().__init__("the run stopped itself; a resume point was written")


class BadImagesError(TlimbError):
    """Images cannot be used; the problem names them by row number.

    Attributes:
        files: one line each with the file's name; for the private folder only.
    """

    def __init__(self, problem: Problem, files: Iterable[str]) -> None:
        """Keep both, with the exit code of bad data."""
        super().__init__(problem, ExitCode.DATA)
        self.files = tuple(files)


class DivergedError(Exception):
    """A loss, weight or metric is not finite."""
