"""The JSON files of a store as frozen classes: what finished work says of itself, and what became of its attempts.

`result` has a class for the `result.json` of each kind of node, `passport` what weights need to be used rightly,
`record` the attempts, which are outside every promise. Each file says its format in a key `format`; one without it is
in format 0. `schemas` makes the JSON Schemas that are published.
"""

from tlimb.store.documents.passport import Passport
from tlimb.store.documents.record import Attempt, Record
from tlimb.store.documents.result import (
    Counts,
    FitResult,
    PredictResult,
    PrepareResult,
    Result,
    SelectResult,
)

__all__ = [
    "Attempt", "Counts", "FitResult", "Passport", "PredictResult", "PrepareResult", "Record", "Result", "SelectResult",
]  # fmt: skip
