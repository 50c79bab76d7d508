"""Execute one manifest in this process, from looking it up to publishing its result."""

import errno
import logging
import os
import time
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path

from tlimb.manifest import Fit, Manifest, Predict
from tlimb.problems import ExitCode, Problem, TlimbError
from tlimb.protocol.executors import EXECUTORS, function
from tlimb.protocol.options import BAD_IMAGES, BadImagesError, DivergedError, Options, Outcome, Places, YieldError
from tlimb.store import Store, disk, seal
from tlimb.store.disk import private_folder
from tlimb.store.documents import Result, record
from tlimb.store.documents.passport import read_passport
from tlimb.store.environments import Here, same_only
from tlimb.training.devices.environment import every
from tlimb.training.job import Draft, Job

UNWRITABLE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.EMFILE, errno.ENFILE}


def execute(manifest: Manifest, place: Places, options: Options | None = None) -> Outcome:
    """Execute one manifest, unless its result is in the store and intact.

    Never raises for what goes wrong in the run: the outcome has the exit code and a reason that names no file and
    nobody; the full traceback goes to a private file.
    """
    options = options or Options()
    store = Store(place.store)
    job = Job(manifest, store, place, options)
    began = time.time()
    code, reason, reused = int(ExitCode.INTERNAL), "", False
    try:
        found = _counting(job).result(manifest.work)
        if found is None:
            found = _compute(job)
        else:
            reused = True
        code, reason = int(ExitCode.DONE if found.done else ExitCode.DIVERGED), found.why
    except YieldError as error:
        code, reason = error.code, str(error)
    except DivergedError as error:
        code, reason = int(ExitCode.DIVERGED), str(error)
    except TlimbError as error:
        code, reason = int(error.exit_code), error.line
        _keep_traceback(job, error)
        if isinstance(error, BadImagesError):
            _keep(job, BAD_IMAGES, "".join(f"{line}\n" for line in error.files))
    except Exception as error:  # noqa: BLE001
        code, reason = unexpected(job, error)
    if not reused:
        _note(job, began, code, reason)
    return Outcome(manifest.work, code, reason, reused, dict(job.facts))


def _counting(job: Job) -> Store:
    """Give the store as it counts for this run's own work: by default all that is in it."""
    if not job.options.same_environment:
        return job.store
    return same_only(job.store.root, Here(every(), _pinned(job)))


def _pinned(job: Job) -> frozenset[str]:
    """Give this run's work when it has to run on the CPU."""
    content = job.manifest.content
    pinned = isinstance(content, Fit) and content.trainer.pinned_to_cpu
    if isinstance(content, Predict):
        pinned = read_passport(job.parent(content.model)).trainer.pinned_to_cpu
    return frozenset({job.manifest.work} if pinned else ())


def _compute(job: Job) -> Result:
    kind = job.manifest.kind
    if kind not in EXECUTORS:
        problem = Problem("not-run", f"a node of kind {kind} is not executed by the runner")
        raise TlimbError(problem, ExitCode.USAGE)
    do: Callable[[Job, Path], Draft] = function(EXECUTORS[kind], str(kind))
    warnings.filterwarnings("ignore", module=r"lightning\..*|torch\..*")
    for name in ("lightning.pytorch", "lightning.fabric", "lightning"):
        logging.getLogger(name).setLevel(logging.ERROR)
    with job.store.staging() as staged:
        result = do(job, staged)
        whole = seal(staged, result)
        found = {work: job.store.glance(work) for work in job.manifest.parents}
        parents = {work: None if parent is None else parent.digest for work, parent in found.items()}
        published = job.store.publish(job.manifest.work, staged, job.options.same_environment)
    job.facts["parents"] = parents
    job.facts["won"], job.facts["nondeterminism"] = published.won, published.nondeterminism
    if whole.done:
        job.store.drop_states(job.manifest.work)
    return whole


def unexpected(job: Job, error: Exception) -> tuple[int, str]:
    """Give exit code and public reason of an error that nobody foresaw; its own text may name files and is private."""
    _keep_traceback(job, error)
    last = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{Path(last.filename).name}:{last.lineno}"
    if isinstance(error, OSError) and error.errno in UNWRITABLE:
        return int(ExitCode.CANNOT_WRITE), f"cannot write ({os.strerror(error.errno)})"
    if isinstance(error, MemoryError):
        return int(ExitCode.INTERNAL), "out of memory"
    return int(ExitCode.INTERNAL), f"{type(error).__name__} in {where}; the traceback is in the private folder"


def _keep_traceback(job: Job, error: BaseException) -> None:
    _keep(job, "tracebacks", "".join(traceback.format_exception(error)))


def _keep(job: Job, where: str, text: str) -> None:
    """Keep what may name files or people in the private folder, quietly where that cannot be written."""
    try:
        folder = private_folder(job.places.private / where)
        disk.write_atomically(folder / f"{job.manifest.work}.txt", text.encode(), 0o600)
    except OSError:
        return


def _note(job: Job, began: float, code: int, reason: str) -> None:
    """Add this attempt to the work's record, which is outside every equality promise."""
    counter = job.counter
    attempt = record.ended(began, code, reason, decoded=counter.decoded, cached=counter.cached, **job.facts)
    job.store.add_attempt(job.manifest.work, attempt)
