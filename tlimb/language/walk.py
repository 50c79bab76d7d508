"""What the checks of one spec share: the grammar, the mistakes found so far, and the uses of params."""

from collections.abc import Callable, Iterable
from typing import Any

from attrs import define, field

from tlimb.language.grammar import Grammar
from tlimb.language.shapes import Shape
from tlimb.language.suggest import closest
from tlimb.language.tree import Entry, Tree
from tlimb.problems import Problem, Severity

MOST_TEXT = 60


@define
class Use:
    """A `{param: name}` and what may stand where it is used."""

    tree: Tree
    shape: Shape


@define
class Walk:
    """One pass over a spec.

    Attributes:
        grammar: what may stand where.
        visit: checks a node against a shape; the checks call it for what lies inside.
        problems: what was found.
        uses: where params are used.
        data_modules: names of the data modules that the study writes, which tell what its images are.
    """

    grammar: Grammar
    visit: "Callable[[Walk, Tree, Shape], None]"
    problems: list[Problem] = field(factory=list)
    uses: list[Use] = field(factory=list)
    data_modules: frozenset[str] = frozenset()

    def inside(self, tree: Tree, shape: Shape) -> None:
        """Check a node that lies inside the present one."""
        self.visit(self, tree, shape)

    def report(self, code: str, message: str, tree: Tree, **more: Any) -> None:
        """Report a mistake in a value."""
        self.problems.append(Problem(code, message, tree.pointer, **more))

    def report_key(self, code: str, message: str, entry: Entry, **more: Any) -> None:
        """Report a mistake in a key."""
        self.problems.append(Problem(code, message, entry.value.pointer, on_key=True, **more))

    def warn(self, code: str, message: str, tree: Tree, **more: Any) -> None:
        """Report what is allowed but probably not meant."""
        self.problems.append(Problem(code, message, tree.pointer, severity=Severity.WARNING, **more))


def clip(text: str, most: int = MOST_TEXT) -> str:
    """Cut a long text."""
    text = text.replace("\n", " ")
    return text if len(text) <= most else text[: most - 2] + ".."


def inline(tree: Tree) -> str:
    """Write a value in one line, as it could stand in a spec."""
    if tree.kind == "mapping":
        return "{" + ", ".join(f"{entry.key}: {inline(entry.value)}" for entry in tree.entries) + "}"
    if tree.kind == "sequence":
        return "[" + ", ".join(inline(item) for item in tree.items) + "]"
    return f'"{tree.raw}"' if tree.quoted else tree.raw


def listed(names: Iterable[Any], last: str = "or") -> str:
    """Write names as one phrase."""
    names = [str(name) for name in names]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} {last} {names[-1]}"


def did_you_mean(word: str, names: Iterable[str]) -> tuple[str | None, tuple[str, ...]]:
    """Give the name that was probably meant and the help that says so; else a help with all names."""
    names = list(names)
    meant = closest(word, names)
    if meant is not None:
        return meant, (f"did you mean `{meant}`?",)
    return None, ((f"allowed here: {', '.join(names)}",) if names else ())
