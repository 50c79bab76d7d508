"""Two batches of a training, on its real code and a few real images, that leave no result and no resume point."""

import time
from typing import Any

from attrs import evolve

from tlimb.manifest import Fit, Manifest
from tlimb.problems import ExitCode, TlimbError
from tlimb.protocol.options import DivergedError, Options, Places, YieldError
from tlimb.store import Store
from tlimb.training.data.views import read_view
from tlimb.training.devices.distributed import Team
from tlimb.training.execute import unexpected
from tlimb.training.job import Job
from tlimb.training.prepare import prepare
from tlimb.training.run import Run

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
        fit = manifest.as_a(Fit)
        # What one device would have: a trial starts no others.
        team = Team(count=fit.trainer.devices) if fit.trainer.devices > 1 else None
        run = Run(job, team, prepare(job, team, most_rows=BATCHES * fit.trainer.batch))
        with job.store.staging() as folder:
            run.train(trial=folder)
        if len(ends) == BATCHES:
            first = next(iter(fit.ordered_roles.values())).train
            rows = len(read_view(places, first)) if first is not None else 0
            run_s = (ends[1] - ends[0]) * evolve(run.parts.setup.length, rows=rows, limit=None).batches
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
