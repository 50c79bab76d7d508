"""How the people of a cohort are divided into train, val and test, once or in folds."""

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any, Literal

from attrs import field, frozen

from tlimb.cohorts import ranks
from tlimb.cohorts.columns import missing_label
from tlimb.cohorts.ranks import Group
from tlimb.cohorts.rows import Cohort
from tlimb.cohorts.view import ordered, text
from tlimb.problems import Problem, Severity

PARTS = ("train", "val", "test")
Fold = tuple[int | None, int | None]
"""Positions of outer and inner fold; None without, and inner None for a refit."""

Parts = Mapping[str, tuple[str, ...]]
"""Part -> participants, sorted. A part that the split does not make is absent."""
FEWER = "ask for fewer people, or write shares such as 0.2; `rest` takes who is left"
FOLDS = "ask for fewer folds; people who stay together, by `group`, are in one"


@frozen
class Division:
    """Who is in which part.

    Attributes:
        kind: of the split; `all` without one.
        folds: (outer, inner) -> part -> participants.
        names: names of the outer folds, in order; empty without folds.
        stratify: labels that the split and its subsets keep in proportion.
        people: everyone who was divided, those in no part too.
    """

    kind: str
    folds: Mapping[Fold, Parts]
    names: tuple[str, ...] = ()
    stratify: tuple[str, ...] = ()
    people: tuple[str, ...] = ()

    def part(self, name: str, outer: int | None = None, inner: int | None = None) -> tuple[str, ...] | None:
        """Give the participants of a part (`all` for everybody); None when the part does not exist."""
        if name == "all":
            return self.people
        return self.folds[outer, inner].get(name)


@frozen
class _Task:
    """One division being made."""

    cohort: Cohort
    seed: int
    pointer: str
    options: Mapping[str, Any]
    groups: tuple[Group, ...]
    problems: list[Problem] = field(factory=list)

    @property
    def stratify(self) -> tuple[str, ...]:
        return tuple(self.options.get("stratify") or ())

    @property
    def people(self) -> int:
        return sum(map(len, self.groups))

    def at(self, *keys: str) -> str:
        return "/".join((self.pointer, *keys))

    def ordered(self, found: Sequence[Group], purpose: Any, least: int) -> tuple[Group, ...]:
        cells = ranks.strata(self.cohort, found, self.stratify, least)
        return ranks.order(found, cells, self.seed, purpose)


def divide(
    cohort: Cohort,
    split: Mapping[str, Mapping[str, Any]] | None,
    *,
    seed: int,
    participants: Iterable[str] | None = None,
    pointer: str = "",
) -> tuple[Division | None, list[Problem]]:
    """Divide the people of a cohort, or of a portion of it.

    Args:
        cohort: the index.
        split: component as written, such as `{"holdout": {"train": "rest", "test": 0.2}}`; options that are None
            count as not written. None: one part, `all`.
        seed: of the study, or of the replicate where the split is drawn anew.
        participants: the people of the portion; None for all.
        pointer: JSON pointer of the split's place in the spec, such as `/datasets/clinic/split`.

    Returns:
        The division, None when an error stands in the way, and the problems.
    """
    people = tuple(sorted(cohort.participants if participants is None else participants))
    if split is None:
        return Division("all", {(None, None): {}}, people=people), []
    ((kind, given),) = split.items()
    options = {key: value for key, value in (given or {}).items() if value is not None}
    by = tuple(options.get("group") or ())
    unknown = unknown_labels(cohort, options, f"{pointer}/{kind}")
    if unknown:
        return None, unknown
    task = _Task(cohort, seed, f"{pointer}/{kind}", options, ranks.groups(cohort, by, people))
    made = {"holdout": _holdout, "kfold": _kfold, "leave_one_out": _leave_one_out, "column": _column}[kind](task)
    if made is None or any(p.severity is Severity.ERROR for p in task.problems):
        return None, task.problems
    names, folds = made
    tidy = {fold: {part: tuple(sorted(who)) for part, who in parts.items()} for fold, parts in folds.items()}
    division = Division(kind, tidy, names, task.stratify, people)
    task.problems.extend(_gaps(task, division))
    return division, task.problems


def folds(
    cohort: Cohort, split: Mapping[str, Mapping[str, Any]] | None, participants: Iterable[str] | None = None
) -> tuple[str, ...]:
    """Give the names of the outer folds; empty for a split without folds."""
    for kind, options in (split or {}).items():
        if kind == "kfold":
            return tuple(str(number + 1) for number in range(int(options["folds"])))
        if kind == "leave_one_out":
            people = cohort.participants if participants is None else participants
            return _left_out(cohort, str(options["by"]), people)
    return ()


def unknown_labels(cohort: Cohort, options: Mapping[str, Any], pointer: str) -> list[Problem]:
    """Find labels that a split reads and that the cohort lacks."""
    places = [(f"{pointer}/{key}/{i}", n) for key in ("stratify", "group") for i, n in _listed(options, key)]
    places += [(f"{pointer}/{key}", options[key]) for key in ("by", "name") if key in options]
    return [missing_label(cohort, str(name), place) for place, name in places if name not in cohort.labels]


def _listed(options: Mapping[str, Any], key: str) -> list[tuple[int, Any]]:
    return list(enumerate(options.get(key) or ()))


Made = tuple[tuple[str, ...], dict[Fold, dict[str, list[str]]]] | None


def _holdout(task: _Task) -> Made:
    asked = {part: task.options[part] for part in PARTS if part in task.options}
    asked.setdefault("train", "rest")
    parts = _slices(task, task.groups, asked, "holdout", least=2)
    return None if parts is None else ((), {(None, None): parts})


def _kfold(task: _Task) -> Made:
    count = int(task.options["folds"])
    if len(task.groups) < count:
        what = "groups" if task.options.get("group") else "participants"
        task.problems.append(_small(task, f"{count} folds asked, but only {len(task.groups)} {what} there", "folds"))
        return None
    tests = _chunks(task.ordered(task.groups, "kfold", count), count)
    made: dict[Fold, dict[str, list[str]]] = {}
    for outer, test in enumerate(tests):
        rest = _without(task.groups, test)
        _fold(task, made, outer, test, rest)
    return tuple(str(number + 1) for number in range(count)), made


def _fold(
    task: _Task,
    made: dict[Fold, dict[str, list[str]]],
    outer: int,
    test: Sequence[Group],
    rest: tuple[Group, ...],
) -> None:
    """Divide the training people of one outer fold: val, and the inner folds."""
    held = _people(test)
    asked = {"train": "rest", **({"val": task.options["val"]} if "val" in task.options else {})}
    parts = _slices(task, rest, asked, ["val", outer], least=2)
    made[outer, None] = {**(parts or {}), "test": held}
    inner = task.options.get("inner")
    if not inner:
        return
    number, repeats = int(inner["folds"]), int(inner.get("repeats") or 1)
    if len(rest) < number:
        message = f"{number} inner folds asked, but only {len(rest)} groups train in fold {outer + 1}"
        task.problems.append(_small(task, message, "inner", "folds"))
        return
    for repeat in range(repeats):
        purpose = ["inner", outer, repeat]
        for position, val in enumerate(_chunks(task.ordered(rest, purpose, number), number)):
            train = _people(_without(rest, val))
            made[outer, repeat * number + position] = {"train": train, "val": _people(val), "test": held}


def _left_out(cohort: Cohort, by: str, people: Iterable[str]) -> tuple[str, ...]:
    return ordered({value for person in people for value in cohort.values(person, by)})


def _leave_one_out(task: _Task) -> Made:
    by, cohort = str(task.options["by"]), task.cohort
    people = _people(task.groups)
    sites = {person: {text(value) for value in cohort.values(person, by)} for person in people}
    several = sum(len(found) > 1 for found in sites.values())
    if several:
        message = f"{several} participants have more than one `{by}`, so none of theirs would be unseen"
        help_ = "divide by people instead: kfold, with `stratify` for this label"
        task.problems.append(Problem("leave-one-out-varies", message, task.at("by"), help=help_))
        return None
    names = _left_out(cohort, by, people)
    if len(names) < 2:
        every = len(_left_out(cohort, by, cohort.participants))
        left = f"`only` or `portion` leaves {'one' if names else 'no'} value of `{by}`, of {every}"
        said = left if every > len(names) else f"`{by}` has {len(names)} values"
        task.problems.append(_small(task, f"{said}; two are needed", "by"))
        return None
    made: dict[Fold, dict[str, list[str]]] = {}
    dropped = 0
    for outer, name in enumerate(names):
        inside = [person for person in people if name in sites[person]]
        kept = [g for g in task.groups if not any(name in sites[person] for person in g.members)]
        known = [Group(g.key, tuple(p for p in g.members if sites[p])) for g in kept]
        # Families may live at several sites: the relatives of tested people train nowhere in this fold.
        dropped += len(people) - len(inside) - sum(map(len, kept))
        _fold(task, made, outer, [Group(name, tuple(inside))], tuple(group for group in known if len(group)))
    unlabelled = sum(not found for found in sites.values())
    if dropped or unlabelled:
        task.problems.append(
            Problem(
                "left-aside",
                f"{dropped} relatives of tested people are left out of training over all folds, and"
                f" {unlabelled} participants have no `{by}`",
                task.at("by"),
                severity=Severity.INFO,
            )
        )
    return names, made


def _column(task: _Task) -> Made:
    label, cohort = str(task.options["name"]), task.cohort
    parts: dict[str, list[str]] = {}
    wrong: set[str] = set()
    several = 0
    for person in _people(task.groups):
        values = {text(value) for value in cohort.values(person, label)}
        wrong |= values - set(PARTS)
        several += len(values) > 1
        if len(values) == 1 and values <= set(PARTS):
            parts.setdefault(values.pop(), []).append(person)
    if wrong:
        shown = "" if label in cohort.private else ": " + ", ".join(f"`{name}`" for name in sorted(wrong)[:5])
        message = f"`{label}` holds {len(wrong)} other words than train, val and test{shown}"
        task.problems.append(Problem("split-column", message, task.at("name"), help="recode it with `map`"))
    if several:
        message = f"{several} participants are in more than one part of `{label}`"
        help_ = "give each of them one part in all rows"
        task.problems.append(Problem("split-column", message, task.at("name"), help=help_))
    if not parts.get("train") and not wrong and not several:
        task.problems.append(_small(task, f"nobody is `train` in `{label}`", "name"))
    return (), {(None, None): parts}


def _slices(
    task: _Task, found: tuple[Group, ...], asked: Mapping[str, Any], purpose: Any, least: int
) -> dict[str, list[str]] | None:
    """Cut an order into test, val and train, so that more training people leave val and test as they are."""
    counts = _counts(task, sum(map(len, found)), asked)
    if counts is None:
        return None
    room = {part: counts[part] for part in ("test", "val", "train") if part in counts}
    parts: dict[str, list[str]] = {part: [] for part in room}
    last = next(reversed(room))
    if sum(room.values()) == sum(map(len, found)):
        # Everybody is to be used: what does not fit elsewhere, because groups stay whole, joins the last part.
        room[last] = sum(map(len, found))
    for group in task.ordered(found, purpose, least):
        part = next((part for part, left in room.items() if left >= len(group)), None)
        if part is None:
            # Whoever does not fit any more is used nowhere, so the last part may take some of a family.
            parts[last].extend(group.members[: room[last]])
            room[last] = 0
        else:
            parts[part].extend(group.members)
            room[part] -= len(group)
    short = [
        f"{part} gets {len(parts[part])} of the {counts[part]} asked"
        for part in parts
        if len(parts[part]) < counts[part]
    ]
    if short:
        task.problems.append(
            Problem(
                "split-uneven",
                f"groups are never divided: {', '.join(short)}",
                task.pointer,
                severity=Severity.WARNING,
            )
        )
    task.problems.extend(_small(task, f"part `{name}` would be empty", name) for name in parts if not parts[name])
    return parts


def _counts(task: _Task, people: int, asked: Mapping[str, Any]) -> dict[str, int] | None:
    """Turn counts, shares and `rest` into participants; a Problem when there are too few."""
    found = counts(people, asked)
    if isinstance(found, str):
        task.problems.append(_small(task, found))
        return None
    for part, number in found.items():
        if number == 0:
            task.problems.append(_small(task, f"part `{part}` would be empty: {people} participants there", part))
            return None
    return found


def counts(people: int, asked: Mapping[str, Any]) -> dict[str, int] | str:
    """Turn counts, shares and `rest` of so many participants into counts, or say what is wrong.

    Shares are rounded by largest remainder, so shares that add up to 1 use everybody.
    """
    fixed = {name: int(value) for name, value in asked.items() if value != "rest" and value >= 1}
    shares = {name: Fraction(str(value)) for name, value in asked.items() if value != "rest" and 0 < value < 1}
    exact = {name: share * people for name, share in shares.items()}
    found = {**fixed, **{name: int(value) for name, value in exact.items()}}
    spare = int(sum(exact.values(), Fraction()) + Fraction(1, 2)) - sum(found[name] for name in exact)
    for name in sorted(exact, key=lambda name: (found[name] - exact[name], name))[:spare]:
        found[name] += 1
    total = sum(found.values())
    if total > people:
        listed = " + ".join(str(found[name]) for name in asked if name in found)
        return f"{listed} participants asked, {people:,} there"
    return {name: found.get(name, people - total) for name in asked}


def _chunks(found: Sequence[Group], number: int) -> list[list[Group]]:
    """Cut an order into stretches of nearly equal numbers of people; none is empty."""
    people = sum(map(len, found))
    chunks: list[list[Group]] = [[] for _ in range(number)]
    before, at = 0, 0
    for position, group in enumerate(found):
        left_over = len(found) - position
        # Half of a group beyond the boundary is enough to belong to the next stretch; each gets one at least.
        while at < number - 1 and chunks[at] and 2 * before + len(group) > 2 * people * (at + 1) / number:
            at += 1
        if chunks[at] and left_over <= number - 1 - at:
            at += 1
        chunks[at].append(group)
        before += len(group)
    return chunks


def _without(found: Iterable[Group], out: Iterable[Group]) -> tuple[Group, ...]:
    keys = {group.key for group in out}
    return tuple(group for group in found if group.key not in keys)


def _people(found: Iterable[Group]) -> list[str]:
    return [person for group in found for person in group.members]


def _small(task: _Task, message: str, *keys: str) -> Problem:
    pointer = task.at(*keys) if keys and keys[0] in task.options else task.pointer
    return Problem("split-too-small", message, pointer, help=FOLDS if "folds" in keys else FEWER)


def _gaps(task: _Task, division: Division) -> list[Problem]:
    return [gap for label in task.stratify for gap in gaps(task.cohort, division, label, task.pointer)]


def gaps(cohort: Cohort, division: Division, label: str, pointer: str) -> list[Problem]:
    """Find classes of a label that a part lacks: an error in train, else a warning; the worst fold speaks."""
    facts = cohort.labels.get(label)
    if facts is None or (facts.kind == "number" and len(facts.classes) > 4):
        return []
    held = {person: text(cohort.value(person, label)) for person in division.people}
    wanted = set(held.values()) - {"None"}
    lacking: dict[str, tuple[set[str], int]] = {}
    for parts in division.folds.values():
        for part, people in parts.items():
            absent = wanted - {held[person] for person in people}
            if absent:
                known, number = lacking.get(part, (set(), 0))
                lacking[part] = (known | absent, number + 1)
    found = []
    for part, (absent, number) in lacking.items():
        private = label in cohort.private
        classes = f"{len(absent)} classes" if private else "class " + ", ".join(f"`{n}`" for n in sorted(absent))
        where = f"part `{part}`" + (f" of {number} folds" if len(division.folds) > 1 else "")
        severity: Literal[Severity.ERROR, Severity.WARNING] = Severity.ERROR if part == "train" else Severity.WARNING
        found.append(
            Problem(
                "split-too-small",
                f"{classes} of `{label}` is absent from {where}",
                pointer,
                severity=severity,
                help=f"keep proportions with   stratify: [{label}]   or make the part larger",
            )
        )
    return found
