"""The study as frozen typed objects: the single source of the language's schema and documentation.

Each class is a block with fixed keys; `key` gives every field its description and its constraints. A field whose
metadata says `varies` may hold a search or comparison node in place of its value. After lowering, `defaults` and
`like` are merged away: a stage holds what it reads, and `origins` says for each field where it was written.

Blocks are neither compared nor printed, so they have no methods for it: attrs would compile some sixty of them
whenever a command starts.
"""

from tlimb.language.model.datasets import Dataset, Identity, Images, Join, Label
from tlimb.language.model.evaluation import Constraints, Replicates, Report, Select, Test
from tlimb.language.model.execution import Execution, Profile, Resources
from tlimb.language.model.keys import Origins, hidden, key
from tlimb.language.model.study import Study
from tlimb.language.model.training import Adapt, EarlyStopping, Freeze, Head, Monitor, Pretrained, Stage, Trainer

__all__ = [
    "Adapt",
    "Constraints",
    "Dataset",
    "EarlyStopping",
    "Execution",
    "Freeze",
    "Head",
    "Identity",
    "Images",
    "Join",
    "Label",
    "Monitor",
    "Origins",
    "Pretrained",
    "Profile",
    "Replicates",
    "Report",
    "Resources",
    "Select",
    "Stage",
    "Study",
    "Test",
    "Trainer",
    "hidden",
    "key",
]
