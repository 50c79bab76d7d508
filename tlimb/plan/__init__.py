"""Study and cohort indexes to a graph of manifests in which equal work stands once."""

import sys
from types import ModuleType
from typing import Any


class _Room(ModuleType):
    """This package; a notebook that calls it as if it were the step is told which function that is."""

    def __call__(self, *_: Any, **__: Any) -> None:
        """Refuse to be called.

        Raises:
            TypeError: always.
        """
        raise TypeError("`tlimb.plan` is a package; a loaded study is planned by `tlimb.make_plan(study)`")


sys.modules[__name__].__class__ = _Room
