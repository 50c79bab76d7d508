"""Narrowing what was divided: portions before a split; `only` and subsets after it; and one image a person."""

import difflib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tlimb.cohorts import ranks
from tlimb.cohorts.parts import FEWER, counts
from tlimb.cohorts.rows import Cell, Cohort, Row
from tlimb.cohorts.view import text
from tlimb.problems import Problem, Severity

ANY = "any"


def portions(
    cohort: Cohort, asked: Mapping[str, Any], *, seed: int, group: Iterable[str] = (), pointer: str = ""
) -> tuple[dict[str, tuple[str, ...]], list[Problem]]:
    """Divide the people of a cohort into disjoint sub-cohorts.

    Args:
        cohort: the index.
        asked: portion -> count, share or `rest`.
        seed: of the study.
        group: labels whose members stay together: those of all splits below; `family` always, where it exists.
        pointer: JSON pointer of the `portions`.

    Returns:
        Portion -> participants, sorted; empty with problems.
    """
    by = sorted({*group, "family"} & set(cohort.labels))
    found = ranks.groups(cohort, by)
    numbers = counts(len(cohort.participants), asked)
    if isinstance(numbers, str):
        return {}, [Problem("split-too-small", numbers, pointer, help=FEWER)]
    # Not by the order in which they are written; `rest` comes last, so a larger count takes people from it.
    room = {name: numbers[name] for name in sorted(asked, key=lambda name: (asked[name] == "rest", name))}
    made: dict[str, list[str]] = {name: [] for name in room}
    for each in ranks.order(found, {}, seed, "portions"):
        name = next((name for name, left in room.items() if left >= len(each)), None)
        if name is not None:
            made[name].extend(each.members)
            room[name] -= len(each)
    empty = [
        Problem("split-too-small", f"portion `{name}` would be empty", f"{pointer}/{name}", help=FEWER)
        for name, people in made.items()
        if not people
    ]
    return {name: tuple(sorted(people)) for name, people in made.items()}, empty


def same(value: Cell, wanted: Any) -> bool:
    """Tell whether a value is the one written: as text, numbers by value, so `1` fits run `01`."""
    if value is None:
        return False
    if isinstance(wanted, bool):
        wanted = "true" if wanted else "false"
    if text(value) == text(wanted):
        return True
    both = (str(value), str(wanted))
    return all(part.isdecimal() and len(part) < 20 for part in both) and int(both[0]) == int(both[1])


def fits(row: Row, only: Mapping[str, Any]) -> bool:
    """Tell whether a row is kept by an `only` mapping: every name must fit; a missing value fits `any` alone."""
    for name, wanted in only.items():
        value = value_of(row, name)
        if isinstance(wanted, Mapping):
            low, high = wanted.get("min"), wanted.get("max")
            if not isinstance(value, int | float):
                return False
            if (low is not None and value < low) or (high is not None and value > high):
                return False
        elif isinstance(wanted, list | tuple):
            if not any(same(value, each) for each in wanted):
                return False
        elif wanted != ANY and not same(value, wanted):
            return False
    return True


def value_of(row: Row, name: str) -> Cell:
    """Give a row's value of a label or, where no label has that name, of an entity."""
    return row.labels[name] if name in row.labels else row.entities.get(name)


def only(
    cohort: Cohort, wanted: Mapping[str, Any], pointer: str = "", places: Mapping[str, str] | None = None
) -> tuple[tuple[Row, ...], list[Problem]]:
    """Keep the rows with some label or entity values.

    A name that nothing has, or nobody left, is an error; one of several values that no row has is a warning.

    Args:
        cohort: the index.
        wanted: name -> value, list of values, {min, max} or `any`.
        pointer: JSON pointer of the `only` mapping.
        places: name -> JSON pointer of its value, where that is not below `pointer`.
    """
    where = {name: (places or {}).get(name, f"{pointer}/{name}") for name in wanted}
    problems = unknown_names(cohort, wanted, pointer, where)
    if problems:
        return (), problems
    kept = tuple(row for row in cohort.rows if fits(row, wanted))
    unmatched = [_unmatched(cohort, name, wanted[name], where[name]) for name in wanted]
    if kept:
        return kept, [problem for found in unmatched for problem in found]
    alone = [name for name in wanted if not any(fits(row, {name: wanted[name]}) for row in cohort.rows)]
    for name in alone:
        message = f"no row of `{cohort.name}` has this value of `{name}`"
        problems.append(Problem("only-empty", message, where[name], help=_values(cohort, name, wanted[name])))
    if not alone:
        message = f"no row of `{cohort.name}` is left: each of these fits some row, but no row fits all"
        last = where[next(reversed(list(wanted)))] if places else pointer
        problems.append(Problem("only-empty", message, last))
    return (), problems


def unknown_names(
    cohort: Cohort, wanted: Mapping[str, Any], pointer: str = "", places: Mapping[str, str] | None = None
) -> list[Problem]:
    """Find names of an `only` mapping that no label and no entity has."""
    entities = {name for row in cohort.rows for name in row.entities}
    known = sorted({*cohort.labels, *entities})
    problems = []
    for name in wanted:
        if name not in known:
            close = difflib.get_close_matches(name, known, 1)
            message = f"`{cohort.name}` has no label or entity `{name}`"
            helps = f"did you mean `{close[0]}`?" if close else f"there are: {', '.join(known[:12])}"
            where = (places or {}).get(name, f"{pointer}/{name}")
            problems.append(Problem("unknown-label", message, where, on_key=True, help=helps))
    return problems


def _unmatched(cohort: Cohort, name: str, wanted: Any, pointer: str) -> list[Problem]:
    """Warn of each of several values that no row has: it is most often mistyped."""
    if not isinstance(wanted, list | tuple):
        return []
    return [
        Problem(
            "only-unmatched",
            f"no row of `{cohort.name}` has this value of `{name}`",
            f"{pointer}/{position}",
            severity=Severity.WARNING,
            help=_values(cohort, name, value),
        )
        for position, value in enumerate(wanted)
        if not any(same(value_of(row, name), value) for row in cohort.rows)
    ]


def _values(cohort: Cohort, name: str, wanted: Any) -> tuple[str, ...]:
    """Say which values a name has, and which of them is near; nothing of private ones, and no list of numbers."""
    if name in cohort.private or (name in cohort.labels and cohort.labels[name].kind == "number"):
        return ()
    held = Counter(text(value) for row in cohort.rows if (value := value_of(row, name)) is not None)
    listed = ", ".join(f'"{value}" ({number:,})' for value, number in sorted(held.items())[:8])
    more = f", .. {len(held) - 8} more" if len(held) > 8 else ""
    close = () if isinstance(wanted, Mapping | list | tuple) else difflib.get_close_matches(str(wanted), held, 1)
    return (*(f'did you mean "{value}"?' for value in close), f"values of `{name}` there: {listed}{more}")


def subset(
    cohort: Cohort,
    people: Iterable[str],
    asked: float,
    *,
    seed: int,
    part: str,
    stratify: Sequence[str] = (),
    pointer: str = "",
) -> tuple[tuple[str, ...], list[Problem]]:
    """Choose some participants of a part; a smaller number is contained in a larger one of equal seed.

    Args:
        cohort: the index.
        people: the part, after `only`.
        asked: a count from 1, or a share between 0 and 1 (rounded to the nearest count).
        seed: of the replicate.
        part: its name, so that train and val are drawn independently.
        stratify: labels whose proportions are kept, as in the split.
        pointer: JSON pointer of the number.
    """
    everyone = sorted(people)
    number = int(asked) if asked >= 1 else max(1, int(len(everyone) * asked + 0.5))
    if number > len(everyone):
        message = f"{number} participants of `{part}` asked, {len(everyone):,} there"
        return tuple(everyone), [Problem("split-too-small", message, pointer, help=FEWER)]
    # Families need not stay whole: whoever is not chosen is used nowhere.
    singles = tuple(ranks.Group(person, (person,)) for person in everyone)
    cells = ranks.strata(cohort, singles, stratify)
    chosen = ranks.order(singles, cells, seed, ["subset", part])[:number]
    return tuple(sorted(group.key for group in chosen)), []


def unique_images(
    cohort: Cohort,
    wanted: Mapping[str, Any],
    pointer: str,
    *,
    dataset: str = "",
    with_names: bool = False,
) -> list[Problem]:
    """Refuse several images of one person that `only` does not settle; never take a silent first.

    Args:
        cohort: the index.
        wanted: the `only` mapping; a name with several values or `any` settles what it names.
        pointer: JSON pointer of what selects images, such as `/datasets/ds_a/files/bids/suffix`.
        dataset: name of the dataset for the message; empty for the cohort's own.
        with_names: the first five participants may be named.
    """
    rows = [row for row in cohort.rows if fits(row, wanted)]
    settled = sorted(
        name for name, value in wanted.items() if value == ANY or isinstance(value, Mapping | list | tuple)
    )
    piles: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        piles.setdefault((row.participant, *(value_of(row, name) for name in settled)), []).append(row)
    several: dict[str, list[Row]] = {}
    for key, pile in piles.items():
        if len(pile) > 1:
            several.setdefault(str(key[0]), []).extend(pile)
    if not several:
        return []
    differ = _differing(several.values(), settled, cohort.private)
    people = len({row.participant for row in rows})
    what = f" {cohort.what}" if cohort.what != "image" else " image"
    names = tuple(several)[:5]
    listed = ", ".join(
        f"{name} ({number} participants)" if not position else f"{name} ({number})"
        for position, (name, number) in enumerate(differ.items())
    )
    return [
        Problem(
            "image-not-unique",
            f"{len(several)} of {people:,} participants of `{dataset or cohort.name}` have more than one{what}",
            pointer,
            on_key=True,
            label=f"{cohort.source}: {people:,} participants, {len(rows):,} images"
            + (f"; they differ in {listed}" if listed else "; nothing in names or tables tells them apart"),
            help=_narrowing(cohort, wanted, rows, differ, with_names),
            note=(f"first: {', '.join(names)}",) if with_names else (),
        )
    ]


def _differing(piles: Iterable[Sequence[Row]], settled: Sequence[str], private: frozenset[str]) -> dict[str, int]:
    """Count for how many participants each name differs: entities, or for tables the labels named like visits."""
    found: Counter[str] = Counter()
    for pile in piles:
        named = {name for row in pile for name in row.entities}
        if not named:
            named = {"session", "session_id", "visit", "run"} & set(pile[0].labels)
            named = named or {name for name in pile[0].labels if name != "participant_id"}
        # Values of private labels are in no message.
        for name in named - set(settled) - {"participant"} - private:
            if len({value_of(row, name) for row in pile}) > 1:
                found[name] += 1
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0]))[:4])


def _narrowing(
    cohort: Cohort,
    wanted: Mapping[str, Any],
    rows: Sequence[Row],
    differ: Mapping[str, int],
    with_names: bool,
) -> tuple[str, ...]:
    if not differ:
        return ()
    common = {name: _usual(rows, name) for name in differ}
    kept = {name: value for name, value in common.items() if value is not None}
    written = ", ".join(f'{name}: "{value}"' for name, value in kept.items())
    everything = ", ".join(f"{name}: any" for name in differ)
    helps = []
    if kept:
        left = Counter(row.participant for row in rows if fits(row, kept))
        one = sum(number == 1 for number in left.values())
        none = len({row.participant for row in rows} - set(left))
        lists = "" if with_names else "; --with-names lists them"
        helps.append(
            f"narrow it:   only: {{{written}}}          ({one} participants keep one image, {none} have none{lists})"
        )
    helps.append(
        f"or use all:  only: {{{everything}}}           "
        "(images of one person always stay in one part; each counts in the loss)"
    )
    return tuple(helps)


def _usual(rows: Sequence[Row], name: str) -> str | None:
    held = Counter(str(value) for row in rows if (value := value_of(row, name)) is not None)
    return min(held, key=lambda value: (-held[value], value)) if held else None
