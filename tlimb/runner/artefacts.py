"""What a finished training leaves in its object."""

import math
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tlimb.components.collapse import collapsed
from tlimb.manifest import canonical
from tlimb.runner.api import DivergedError
from tlimb.runner.batches import Position
from tlimb.runner.inference import save_predictions
from tlimb.runner.job import Draft
from tlimb.runner.networks import SCALES, finite, head_tensors, save_tensors
from tlimb.runner.training import plain_number
from tlimb.runner.validation import unlabelled
from tlimb.store import disk
from tlimb.store.documents.passport import FORMAT, PASSPORT

if TYPE_CHECKING:
    from tlimb.runner.fit import Fit

SEEN = "seen.json"
"""Name of the note with the people that weights have seen."""


def write_fit(run: "Fit", staged: Path) -> Draft:
    """Write weights, validation predictions, history and passport of a training that has ended.

    Raises:
        DivergedError: weights, predictions or every monitored value are not finite.
    """
    module, network = run.module, run.recipe.result
    if run.recipe.keep_best and module.best_weights:
        module.load_state_dict(module.best_weights)
    if not finite(module.state_dict()):
        raise DivergedError("weights are not finite at the end")
    if run.recipe.validation:
        lacking = unlabelled(network, run.recipe.validation, run.recipe.monitored)
        # Without labels the value is undefined all along, which is no fault of the training.
        if module.ledger.best is None and not lacking:
            raise DivergedError("the monitored value was not finite after any epoch")
        for role, found in module.validate_all().predictions.items():
            if not all(bool(math.isfinite(values.sum())) for values in found.values()):
                raise DivergedError("predictions are not finite at the end")
            path = staged / f"predictions-{role}.val.safetensors"
            save_predictions(path, found, run.recipe.validation[role].rows)
    save_tensors(staged / "encoder.safetensors", network.encoder.network.state_dict())
    save_tensors(staged / "heads.safetensors", head_tensors(network))
    if run.scales:
        save_tensors(staged / SCALES, run.scales)
    _json(staged / "history.json", module.ledger.history)
    _json(staged / PASSPORT, passport(run))
    note_seen(run)
    return _result(run, "done")


def write_diverged(run: "Fit", staged: Path, reason: str) -> Draft:
    """Write the history of a training that has diverged, and why it counts as that."""
    run.job.facts["diverged"] = reason
    for path in staged.iterdir():
        path.unlink()
    _json(staged / "history.json", run.module.ledger.history)
    return {**_result(run, "diverged"), "reason": reason}


def passport(run: "Fit") -> dict[str, Any]:
    """Give what anybody needs to use the weights rightly, and which views they have seen, ancestors included.

    Keyed identities of people are not in it: the key differs from group to group, and equal work must give equal
    bytes. They are kept beside the object, see `note_seen`.
    """
    hashed = run.hashed
    views = {view for parts in hashed["views"].values() for view in parts.values() if view is not None}
    for parent in run.parent_passports():
        views.update(parent.seen)
    return {
        "format": FORMAT,
        "tlimb": 1,
        "work": run.job.manifest.work,
        "data": hashed["data"],
        "preprocessing": dict(run.data.recipe()),
        "architecture": hashed["architecture"],
        "inputs": {"channels": run.inputs.channels, "shape": list(run.inputs.shape)},
        "heads": hashed["heads"],
        "trainer": {key: hashed["trainer"].get(key) for key in ("batch_size", "precision", "threads", "device")},
        "views": hashed["views"],
        "seen": sorted(views),
        "licence": None,
        "counts": run.counts,
    }


def tell_collapse(run: "Fit", at: Position) -> None:
    """Write to the log, and note in the record, the first epoch whose embeddings or predictions have collapsed."""
    if not at.ends_epoch:
        return
    last = run.module.ledger.history[-1]
    found = list(collapsed(last.get("notes", {})))
    if found and "collapsed" not in run.job.facts:
        run.job.facts["collapsed"] = {"epoch": last["epoch"], "why": found}
        print(f"epoch {last['epoch']}: {'; '.join(found)}", file=sys.stderr, flush=True)


def note_seen(run: "Fit") -> None:
    """Keep the keyed identities of everybody the weights have seen, ancestors included, beside the object."""
    people = {row.person for parts in run.rows.values() for rows in parts.values() for row in rows}
    store, work = run.job.store, run.job.manifest.work
    for parent in run.job.manifest.parents:
        known = store.note(parent, SEEN).get("people")
        people.update(one for one in (known if isinstance(known, list) else ()) if isinstance(one, str))
    store.write_note(work, SEEN, {"people": sorted(people)})


def _result(run: "Fit", status: str) -> Draft:
    ledger = run.module.ledger
    last: Mapping[str, Any] = ledger.history[-1] if ledger.history else {}
    return {
        "tlimb": 1,
        "kind": "fit",
        "work": run.job.manifest.work,
        "status": status,
        "environment": run.environment,
        "counts": run.counts,
        "transfer": None if run.loaded is None else dict(run.loaded.report),
        "heads_kept": run.kept_heads,
        "epochs": len(ledger.history),
        "batches": ledger.index,
        "best_epoch": ledger.best_epoch or len(ledger.history),
        "best_value": None if ledger.best is None else plain_number(ledger.best),
        "stopped_early": ledger.stopped,
        "losses": {"train": last.get("train"), "val": last.get("val")},
        **({"collapsed": found} if (found := list(collapsed(last.get("notes", {})))) else {}),
        **({"smoke": True} if run.job.options.smoke else {}),
    }


def _json(path: Path, value: Any) -> None:
    disk.write(path, (canonical(value) + "\n").encode())
