"""Which function executes a node of a kind; named, not imported: whoever schedules loads nothing that trains."""

import importlib
from collections.abc import Mapping
from typing import Any

from tlimb.manifest import Kind

EXECUTE = "tlimb.training.execute"
"""Module whose `execute` runs a manifest from looking it up to publishing its result."""
TRIAL = "tlimb.training.trial_run"
"""Module whose `rehearse` tries two batches of a training and leaves nothing."""
_OTHER = "tlimb.training.other_nodes"
EXECUTORS: Mapping[Kind, str] = {
    Kind.PREPARE: _OTHER,
    Kind.FIT: "tlimb.training.run",
    Kind.PREDICT: _OTHER,
    Kind.SELECT: _OTHER,
}
"""Kind -> module with a function of the kind's name, called with the job and a folder for the artefacts."""


def function(module: str, name: str) -> Any:
    """Import a function by the names of its module and its own."""
    return getattr(importlib.import_module(module), name)
