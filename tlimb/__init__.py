"""tlimb: a compiler for transfer-learning studies on brain images.

The steps of the command line are functions here too, for notebooks: `load`, `validate`, `networks`, `make_plan`, `run`
and `results`. None of them is imported before it is used, and none but `networks`, `run`, `results` and `validate` with
`deep` needs torch installed.
"""

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["load", "make_plan", "networks", "results", "run", "validate"]

if TYPE_CHECKING:
    from tlimb.api.steps import load, make_plan, networks, results, run, validate


def __getattr__(name: str) -> Any:
    if name in __all__:
        from tlimb.api import steps

        return getattr(steps, name)
    raise AttributeError(f"module 'tlimb' has no attribute {name!r}")
