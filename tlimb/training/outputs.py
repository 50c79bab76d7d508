"""What a finished training leaves in its object."""

import math
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tlimb.components.collapse import collapsed
from tlimb.manifest import canonical
from tlimb.manifest.structure import unstructure
from tlimb.protocol.options import DivergedError
from tlimb.store import disk
from tlimb.store.documents.passport import FORMAT, PASSPORT
from tlimb.training.data.batches import StepInfo
from tlimb.training.evaluation.inference import save_predictions
from tlimb.training.evaluation.validation import unlabelled
from tlimb.training.job import Draft, Job
from tlimb.training.loop import Loop, plain_number
from tlimb.training.network.networks import SCALES, finite, head_tensors, save_tensors
from tlimb.training.prepare import Prepared

SEEN = "seen.json"
"""Name of the note with the people that weights have seen."""


def write_fit(job: Job, parts: Prepared, loop: Loop, staged: Path) -> Draft:
    """Write weights, validation predictions, history and passport of a training that has ended.

    Raises:
        DivergedError: weights, predictions or every monitored value are not finite.
    """
    setup = parts.setup
    network = setup.result
    if setup.keep_best and loop.best_weights:
        loop.load_state_dict(loop.best_weights)
    if not finite(loop.state_dict()):
        raise DivergedError("weights are not finite at the end")
    if setup.validation:
        lacking = unlabelled(network, setup.validation, setup.monitored)
        # Without labels the value is undefined all along, which is no fault of the training.
        if loop.state.best is None and not lacking:
            raise DivergedError("the monitored value was not finite after any epoch")
        for role, found in loop.validate_all().predictions.items():
            if not all(bool(math.isfinite(values.sum())) for values in found.values()):
                raise DivergedError("predictions are not finite at the end")
            path = staged / f"predictions-{role}.val.safetensors"
            save_predictions(path, found, setup.validation[role].rows)
    save_tensors(staged / "encoder.safetensors", network.encoder.network.state_dict())
    save_tensors(staged / "heads.safetensors", head_tensors(network))
    if parts.scales:
        save_tensors(staged / SCALES, parts.scales)
    _json(staged / "history.json", loop.state.history)
    _json(staged / PASSPORT, passport(job, parts))
    note_seen(job, parts)
    return _result(job, parts, loop, "done")


def write_diverged(job: Job, parts: Prepared, loop: Loop, staged: Path, reason: str) -> Draft:
    """Write the history of a training that has diverged, and why it counts as that."""
    job.facts["diverged"] = reason
    for path in staged.iterdir():
        path.unlink()
    _json(staged / "history.json", loop.state.history)
    return {**_result(job, parts, loop, "diverged"), "reason": reason}


def passport(job: Job, parts: Prepared) -> dict[str, Any]:
    """Return what anybody needs to use the weights rightly, and which views they have seen, ancestors included.

    Keyed identities of people are not in it: the key differs from group to group, and equal work must give equal
    bytes. They are kept beside the object, see `note_seen`.
    """
    content = parts.content
    seen = set(content.views)
    for parent in job.parent_passports():
        seen.update(parent.seen)
    as_manifest = unstructure(content)
    return {
        "format": FORMAT,
        "tlimb": 1,
        "work": job.manifest.work,
        "data": as_manifest["data"],
        "preprocessing": dict(parts.setup.data.recipe()),
        "architecture": as_manifest["architecture"],
        "inputs": {"channels": parts.inputs.channels, "shape": list(parts.inputs.shape)},
        "heads": as_manifest["heads"],
        "trainer": {key: as_manifest["trainer"][key] for key in ("batch_size", "precision", "threads", "device")},
        "views": as_manifest["views"],
        "seen": sorted(seen),
        "licence": None,
        "counts": parts.counts,
    }


def tell_collapse(job: Job, loop: Loop, at: StepInfo) -> None:
    """Write to the log, and note in the record, the first epoch whose embeddings or predictions have collapsed."""
    if not at.ends_epoch:
        return
    last = loop.state.history[-1]
    found = list(collapsed(last.get("notes", {})))
    if found and "collapsed" not in job.facts:
        job.facts["collapsed"] = {"epoch": last["epoch"], "why": found}
        print(f"epoch {last['epoch']}: {'; '.join(found)}", file=sys.stderr, flush=True)


def note_seen(job: Job, parts: Prepared) -> None:
    """Keep the keyed identities of everybody the weights have seen, ancestors included, beside the object."""
    people = {row.person for found in parts.rows.values() for rows in found.values() for row in rows}
    store, work = job.store, job.manifest.work
    for parent in job.manifest.parents:
        known = store.note(parent, SEEN).get("people")
        people.update(one for one in (known if isinstance(known, list) else ()) if isinstance(one, str))
    store.write_note(work, SEEN, {"people": sorted(people)})


def _result(job: Job, parts: Prepared, loop: Loop, status: str) -> Draft:
    state = loop.state
    last: Mapping[str, Any] = state.history[-1] if state.history else {}
    return {
        "tlimb": 1,
        "kind": "fit",
        "work": job.manifest.work,
        "status": status,
        "environment": parts.environment,
        "counts": parts.counts,
        "transfer": None if parts.loaded is None else dict(parts.loaded.report),
        "heads_kept": parts.kept_heads,
        "epochs": len(state.history),
        "batches": state.index,
        "best_epoch": state.best_epoch or len(state.history),
        "best_value": None if state.best is None else plain_number(state.best),
        "stopped_early": state.stopped,
        "losses": {"train": last.get("train"), "val": last.get("val")},
        **({"collapsed": found} if (found := list(collapsed(last.get("notes", {})))) else {}),
        **({"smoke": True} if job.options.smoke else {}),
    }


def _json(path: Path, value: Any) -> None:
    disk.write(path, (canonical(value) + "\n").encode())
