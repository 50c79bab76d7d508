"""The node kinds that do not train: prepare, predict and select."""

from pathlib import Path

import torch

from tlimb.components.contracts import DataModule, Metric
from tlimb.manifest import Predict, Prepare, Select, digest
from tlimb.problems import ExitCode, Problem, TlimbError
from tlimb.protocol.options import DivergedError
from tlimb.store.documents import FitResult
from tlimb.store.documents.passport import read_passport
from tlimb.training.data.views import read_view, targets
from tlimb.training.data.volumes import fill, open_volumes, recipe_digest, refuse
from tlimb.training.devices.environment import choose_device, fingerprint, settle
from tlimb.training.evaluation.inference import forward_all, load_predictions, predictions, save_predictions
from tlimb.training.job import Draft, Job
from tlimb.training.network.instantiate import build
from tlimb.training.network.networks import facts_of
from tlimb.training.network.starting_weights import trained


def prepare(job: Job, staged: Path) -> Draft:
    """Fill the volume cache with a view's images.

    Raises:
        BadImagesError: some images cannot be used; the good ones are in the cache all the same, so runs that do
            not read the bad ones go on.
    """
    content = job.manifest.as_a(Prepare)
    settle(torch.device("cpu"), 1, True)
    data = build(content.data, DataModule, job.places)
    rows = read_view(job.places, content.view)
    recipe = recipe_digest(data, content.data.to_json())
    job.progress(1, 1, 0, len(rows))
    arrays, bad = fill(rows, data, recipe, job.store, job.places, job.counter)
    refuse(bad)
    shapes = sorted({array.shape for array in arrays.values()})
    return {
        **_head(job, torch.device("cpu")),
        "images": len(arrays),
        "shapes": [list(shape) for shape in shapes],
    }


def predict(job: Job, staged: Path) -> Draft:
    """Apply a parent's weights to rows and keep the predictions.

    Raises:
        DivergedError: the parent has diverged, or a prediction is not finite.
    """
    content = job.manifest.as_a(Predict)
    folder = job.parent(content.model)
    passport = read_passport(folder)
    trainer = passport.trainer
    device = choose_device(trainer.device or "any")
    settle(device, trainer.threads or 1, None)
    rows = read_view(job.places, content.view)
    data = build(passport.data, DataModule, job.places)
    recipe = recipe_digest(data, passport.data.to_json())
    volumes = open_volumes(rows, data, recipe, job.store, job.places, job.counter, job.options.memory_bytes)
    wanted = passport.inputs.whole
    if volumes.shape != wanted:
        message = f"the images have shape {list(volumes.shape)}, the weights want {list(wanted)}"
        problem = Problem("other-shape", message)
        raise TlimbError(problem, ExitCode.DATA)
    network = trained(folder, job.places, device)
    outputs = forward_all(network, volumes, len(rows), trainer.batch, device, trainer.precision or "fp32")
    made = predictions(network, outputs)
    if not all(bool(torch.isfinite(value).all()) for value in outputs.values()):
        raise DivergedError("a prediction is not finite")
    save_predictions(staged / "predictions.safetensors", made, len(rows))
    return {**_head(job, device), "rows": len(rows)}


def select(job: Job, staged: Path) -> Draft:
    """Choose the candidate that is best on validation.

    A candidate's value is the mean over its works. A work that has diverged, or descends from one that has, or whose
    metric is undefined, gives NaN, and NaN never wins. Ties go to fewer trainable parameters, then to the smaller
    digest of the works.
    """
    content = job.manifest.as_a(Select)
    metric = build(content.metric, Metric, job.places)
    values: list[float | None] = []
    ranks: list[tuple[float, int, str, int]] = []
    for position, works in enumerate(content.candidates):
        scores: list[float | None] = []
        sizes: list[int] = []
        for work in works:
            if _never(job, work):
                scores.append(None)
                continue
            result = job.parent_result(work)
            sizes.append(result.as_a(FitResult).counts.trainable)
            scores.append(_score(job, work, metric, content) if result.done else None)
        known = [score for score in scores if score is not None]
        value = sum(known) / len(known) if known and len(known) == len(scores) else None
        values.append(value)
        if value is not None:
            order = -value if metric.direction == "max" else value
            ranks.append((order, sum(sizes), digest(sorted(works)), position))
    return {
        **_head(job, torch.device("cpu")),
        "status": "done" if ranks else "diverged",
        "chosen": min(ranks)[3] if ranks else None,
        "values": values,
        **({} if ranks else {"reason": "no candidate has a finite validation value"}),
    }


def _never(job: Job, work: str) -> bool:
    """Say whether a candidate is not there and never will be, because it descends from a run that has diverged."""
    if job.store.glance(work) is not None:
        return False
    above = (job.store.result(ancestor) for ancestor in job.manifest.lineage.get(work, ()))
    return any(result is not None and not result.done for result in above)


def _score(job: Job, work: str, metric: Metric, content: Select) -> float | None:
    folder, role = job.store.path(work), content.role
    passport = read_passport(folder)
    view = passport.views[role].val if role is not None and role in passport.views else None
    if view is None:
        problem = Problem("no-validation", f"{work[:16]} has no validation part in role {role!r}")
        raise TlimbError(problem, ExitCode.USAGE)
    head = passport.head(content.head or None)
    name = head.name
    values, valid = targets(read_view(job.places, view), facts_of(head))
    if not valid.any():
        return None
    found = load_predictions(folder / f"predictions-{role}.val.safetensors")[name]
    value = float(metric.compute(values[valid], found[valid]))
    return value if abs(value) < float("inf") else None


def _head(job: Job, device: torch.device) -> Draft:
    return {
        "tlimb": 1,
        "kind": str(job.manifest.kind),
        "work": job.manifest.work,
        "status": "done",
        "environment": fingerprint(device),
    }
