"""tlimb: a compiler for transfer-learning studies on brain images.

The steps of the command line are functions here too, for notebooks: `load`, `validate`, `networks`, `make_plan`, `run`
and `results`. None of them is imported before it is used, and none but `networks`, `run`, `results` and `validate` with
`deep` needs torch installed.
"""

from typing import TYPE_CHECKING, Any

from tlimb.version import __version__ as __version__

__all__ = ["load", "make_plan", "networks", "results", "run", "validate"]

if TYPE_CHECKING:
    from tlimb.api.notebook import load, make_plan, networks, results, run, validate


def __getattr__(name: str) -> Any:
    if name in __all__:
        from tlimb.api import notebook

        return getattr(notebook, name)
    raise AttributeError(f"module 'tlimb' has no attribute {name!r}")
