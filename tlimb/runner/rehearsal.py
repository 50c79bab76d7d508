"""Two batches of a training, on its real code and a few real images, that leave no result and no resume point."""

import time
from typing import Any

from attrs import define, evolve, field

from tlimb.components.contracts import Auxiliary
from tlimb.manifest import Manifest
from tlimb.problems import ExitCode, TlimbError
from tlimb.runner.api import DivergedError, Options, Places, YieldError
from tlimb.runner.batches import Course, Position
from tlimb.runner.execute import unexpected
from tlimb.runner.fit import Fit
from tlimb.runner.job import Job
from tlimb.runner.team import Team
from tlimb.runner.training import Training
from tlimb.runner.views import Row
from tlimb.store import State, Store

BATCHES = 2


def rehearse(manifest: Manifest, places: Places, options: Options) -> dict[str, Any]:
    """Train two batches and throw the weights away.

    Images that it decodes stay in the volume cache, where the real run finds them.

    Returns:
        `code` and `reason` as of a run; `run_s`, the seconds that the whole run takes at the pace of the second batch,
        None where that is not known; `decoded` and `cached`, how its volumes were come by.
    """
    ends: list[float] = []
    clock = lambda _: ends.append(time.perf_counter())  # noqa: E731
    quick = evolve(options, smoke=True, deadline=None, progress=None, after_batch=clock)
    job = Job(manifest, Store(places.store), places, quick)
    code, reason, run_s = int(ExitCode.DONE), "", None
    try:
        # What one device would have: a rehearsal starts no others.
        trial = Rehearsal(job, Team(count=manifest.hashed["trainer"].get("devices", 1)))
        trial.train()
        if len(ends) == BATCHES:
            run_s = (ends[1] - ends[0]) * trial.whole.batches
    except DivergedError as error:
        code, reason = int(ExitCode.DIVERGED), str(error)
    except YieldError as error:
        code, reason = error.code, str(error)
    except TlimbError as error:
        code, reason = int(error.exit_code), error.line
    except Exception as error:  # noqa: BLE001
        code, reason = unexpected(job, error)
    return {
        "code": code,
        "reason": reason,
        "reused": False,
        "run_s": run_s,
        "decoded": job.counter.decoded,
        "cached": job.counter.cached,
    }


@define(eq=False)
class Rehearsal(Fit):
    """A training on its first images, from initial weights where its parent has not been trained yet.

    Attributes:
        sizes: images of each part before it was cut.
        whole: the course of the real run.
    """

    sizes: dict[str, int] = field(factory=dict, init=False)
    whole: Course = field(init=False)

    def _read(self, part: str, view: str) -> tuple[Row, ...]:
        rows = super()._read(part, view)
        self.sizes.setdefault(part, len(rows))
        return rows[: BATCHES * self.hashed["trainer"]["batch_size"]]

    def _course(self, rows: int) -> Course:
        course = super()._course(rows)
        self.whole = evolve(course, rows=self.sizes["train"], limit=None)
        return course

    def _inherit(self, network: Any) -> None:
        parents = (self.hashed.get("parents") or {}).values()
        if all(self.job.store.has(work) for work in parents if isinstance(work, str)):
            super()._inherit(network)

    def _auxiliaries(self) -> dict[str, Auxiliary]:
        # A penalty on the distance from the parent's weights has nothing to hold on to before there are any.
        return super()._auxiliaries() if self.loaded is not None or not self.hashed.get("parents") else {}

    def _epochs(self, wanted: Any) -> int | None:
        return wanted if wanted is None or isinstance(wanted, int) else 1

    def _resume_point(self) -> State | None:
        return None

    def _save(self, module: Training, at: Position) -> None:
        """Keep nothing."""
