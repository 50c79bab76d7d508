"""Tables of visits in BIDS datasets, and visits that tables and folders write differently."""

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from tlimb.cohorts import entities
from tlimb.cohorts.declaration import Declaration
from tlimb.cohorts.narrow import same
from tlimb.cohorts.reading import names, problem
from tlimb.problems import Problem

Visit = tuple[str, str]
"""Participant, and session without `ses-`."""


def tables(base: Path) -> Iterator[tuple[str, Path]]:
    """Go through the tables of visits: one for all people (with an empty name), and one a person."""
    if (base / "sessions.tsv").is_file():
        yield "", base / "sessions.tsv"
    for sub in entities.folders(base, "sub-"):
        path = sub / f"{sub.name}_sessions.tsv"
        if path.is_file():
            yield sub.name, path


def miswritten(
    declaration: Declaration, written: Iterable[Visit], there: Iterable[Visit], option: str, with_names: bool
) -> Iterator[Problem]:
    """Refuse visits of a table that no folder has, where one folder has the same number written otherwise.

    Nothing of such a row would reach its images: `ses-1` is another visit than `ses-01`.

    Args:
        declaration: the dataset.
        written: visits of the table.
        there: visits of which there are files.
        option: option of the reader that the table belongs to.
        with_names: the problem may name participants.
    """
    sessions: dict[str, set[str]] = {}
    for person, session in there:
        if session:
            sessions.setdefault(person, set()).add(session)
    pairs: Counter[tuple[str, str]] = Counter()
    people = []
    for person, session in written:
        known = sessions.get(person, set())
        others = sorted(one for one in known if session and session not in known and same(one, session))
        if others:
            pairs[session, others[0]] += 1
            people.append(person)
    if not pairs:
        return
    (table, folder), _ = pairs.most_common(1)[0]
    message = (
        f"{pairs.total()} visits are written otherwise in the table than in folders of `{declaration.name}`:"
        f" `ses-{table}` there, `ses-{folder}` here"
    )
    help_ = f"write both alike, such as `ses-{folder}` in the table; as it is, these rows reach no image"
    yield problem(declaration, "session-written", message, option, note=names(people, with_names), help=help_)
