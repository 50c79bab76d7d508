"""Make: the plan as rules of a Makefile, for a machine without a workflow engine."""

from collections.abc import Iterator
from typing import ClassVar

from tlimb.backends.contracts import Backend, Capabilities, Emission, Files
from tlimb.backends.templates import folder_files
from tlimb.manifest import Kind


class Local(Backend):
    """Emits a Makefile and one rule for each task; `make -j 4 -k` works them off."""

    name: ClassVar[str] = "local"
    capabilities: ClassVar[Capabilities] = Capabilities(
        late_binding=True,
        containers=False,
        resources=frozenset(),
        engines=frozenset({"local"}),
    )

    def files(self, emission: Emission) -> Files:
        """Give the Makefile, and the rules in plan/rules.mk, which grows with the number of runs."""
        values = {"version": emission.version, "roots": list(emission.roots), "allow": list(emission.modules)}
        for name, text in folder_files("local", values):
            yield name, (text,)
        yield "plan/rules.mk", _rules(emission)


def _rules(emission: Emission) -> Iterator[str]:
    """Write the rules: identifiers and paths of digests, nothing else."""
    kinds = {step.name: step.kind for step in emission.tasks.steps}
    yield "# Written by tlimb: one rule for each task, with what it waits for.\n"
    for task in emission.tasks.tasks:
        command = "select" if kinds[task.step] is Kind.SELECT else "run"
        must = [_mark(link.parent) for link in task.links if link.must]
        settled = [_mark(link.parent) for link in task.links if not link.must]
        yield f"\n{' '.join((_mark(task.id) + ':', *must, *settled))}\n"
        yield f"\t$(call {command},plan/{task.path},{' '.join(must)})\n"
    yield "\nall:"
    yield from (f" {_mark(task.id)}" for task in emission.tasks.tasks)
    yield "\n"


def _mark(task: str) -> str:
    return f"done/{task[:2]}/{task}"


BACKEND = Local()
