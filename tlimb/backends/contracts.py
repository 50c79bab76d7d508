"""What a backend is given, what it declares, and what it must offer."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from typing import ClassVar

from attrs import field, frozen

from tlimb.backends.packing.tasks import Tasks
from tlimb.language.model import Profile
from tlimb.manifest import Json
from tlimb.plan.plan import Plan
from tlimb.problems import Problem

Files = Iterator[tuple[str, Iterable[str]]]
"""Relative paths with the pieces of their text, in a fixed order."""


@frozen(eq=False)
class Emission:
    """Everything that a project is made of; equal emissions give equal bytes.

    Attributes:
        plan: the plan.
        tasks: the plan's nodes as an engine starts them.
        request: what the ranking needs beside the graph, for `plan/plan.json`.
        version: tlimb's version.
        engines: name of every `backend:` component -> its options, defaults filled in, None where there is none;
            those of the chosen profile, else the only ones that the study writes.
        profile: the chosen profile of `execution`; None for none.
        code: relative path -> text of the study's own components.
        modules: top-level names of that code, which has to be allowed when it runs.
        roots: names of the study's roots.
    """

    plan: Plan
    tasks: Tasks
    request: Mapping[str, Json]
    version: str
    engines: Mapping[str, Mapping[str, Json]] = field(factory=dict)
    profile: Profile | None = None
    code: Mapping[str, str] = field(factory=dict)
    modules: tuple[str, ...] = ()
    roots: tuple[str, ...] = ()

    @property
    def container(self) -> str | None:
        """Give the container image; None where the study names none."""
        own = None if self.profile is None else self.profile.container
        return own or self.plan.study.execution.container


@frozen
class Capabilities:
    """What an engine can do, so that one place can say what a study asks in vain.

    Attributes:
        late_binding: nodes behind gates start only when a selection has opened them.
        containers: runs may be put into a container image.
        resources: keys of `execution.resources` that are passed on.
        engines: names of the `backend:` components of the language that it can run on.
        plain_paths: the project can only be started in a folder whose path is of letters, digits and _ . / @ + = -.
    """

    late_binding: bool
    containers: bool
    resources: frozenset[str]
    engines: frozenset[str]
    plain_paths: bool = False


class Backend(ABC):
    """A pure function from an emission to a project."""

    name: ClassVar[str]
    capabilities: ClassVar[Capabilities]

    @abstractmethod
    def files(self, emission: Emission) -> Files:
        """Give every file of the project but `plan/` and `code/`, which are the same for all backends."""

    def problems(self, emission: Emission) -> Iterator[Problem]:
        """Give what this backend cannot express beyond what its capabilities say; nothing by default."""
        yield from ()
