"""Images of a BIDS dataset or of its derivatives."""

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from attrs import frozen

from tlimb.cohorts import entities, links, sessions
from tlimb.cohorts.columns import capped_ages
from tlimb.cohorts.declaration import Declaration
from tlimb.cohorts.entities import ENDINGS, File
from tlimb.cohorts.links import inside
from tlimb.cohorts.narrow import same
from tlimb.cohorts.reading import Found, Reader, Table, escapes, lost, names, problem, read_table
from tlimb.problems import Problem, Severity

GRID = frozenset({"space", "resolution", "density"})
"""Entities that say on which grid an image lies."""


class Bids(Reader):
    """Images of a BIDS dataset, with participants.tsv and sessions.tsv as labels.

    Labels of a visit override those of the person, as the standard says: the age of `ses-02` is the age then.

    Source: BIDS 1.10, https://bids-specification.readthedocs.io

    Args:
        folder: Folder with dataset_description.json, relative to the root.
        suffix: BIDS suffix of the images, such as T1w.
        session: Only this session, without `ses-`.
        space: Only images in this space.
        desc: Only images with this `desc` entity.
        run: Only this run; 1 and 01 are the same.
        acquisition: Only this `acq` entity.
        extension: Only files with this ending, such as .nii.gz.
        derivatives: Folder under `derivatives/` that the images are read from; tables stay those of `folder`.
        mask: Brain masks beside the images: the value of their `desc` entity, or entities and suffix such as
            {desc: brain, suffix: mask}; entities that are not written are those of the image; none for no mask.
        exclude: Table of participants (and sessions) to leave out, with the columns participant_id and reason,
            relative to the root.
    """

    def __init__(
        self,
        *,
        folder: str,
        suffix: str,
        session: str | None = None,
        space: str | None = None,
        desc: str | None = None,
        run: str | None = None,
        acquisition: str | None = None,
        extension: str | None = None,
        derivatives: str | None = None,
        mask: str | Mapping[str, str] | None = None,
        exclude: str | None = None,
    ) -> None:
        self.folder, self.suffix, self.derivatives, self.exclude = folder, suffix, derivatives, exclude
        wanted = {
            "session": session, "space": space, "description": desc, "run": run, "acquisition": acquisition,
        }  # fmt: skip
        self.wanted = {name: str(value) for name, value in wanted.items() if value is not None}
        self.extension = extension
        self.mask = {"desc": mask, "suffix": "mask"} if isinstance(mask, str) else dict(mask or {})
        if self.mask:
            self.mask.setdefault("suffix", "mask")
        self.what = f"{suffix} image"
        self.source = folder

    def find(self, declaration: Declaration, with_names: bool = False) -> tuple[list[Found], list[Problem]]:
        """Give the images with the chosen entities, and the cells of their people and visits."""
        base = declaration.root / self.folder
        images = base / "derivatives" / self.derivatives if self.derivatives else base
        refused = self._refused(declaration, base, images)
        if refused:
            return [], refused
        problems: list[Problem] = []
        outside: list[File] = []
        files = list(entities.walk(images, declaration.root, outside))
        outside = [file for file in outside if self._fits(file) or (self.mask and file.suffix == self.mask["suffix"])]
        if outside:
            message = f"{len(outside)} images of `{declaration.name}` are links that lead out of the root"
            paths = [declaration.root / file.path for file in outside]
            note = (*names([path.name for path in paths], with_names), *links.leading_to(paths, with_names))
            return [], [problem(declaration, "path-escape", message, "folder", note=note, help=links.HELP)]
        chosen = [file for file in files if self._fits(file)]
        if not chosen:
            return [], [self._nothing(declaration, files)]
        problems += _twice(declaration, chosen, with_names)
        tables = _Tables.read(declaration, base, problems)
        there = {file.participant for file in chosen}
        visits = [(file.participant, file.entities.get("session", "")) for file in files]
        problems += sessions.miswritten(declaration, tables.visits, visits, "folder", with_names)
        chosen = self._included(declaration, chosen, visits, problems, with_names)
        masks = self._masks(declaration, files, chosen, problems, with_names)
        cells = [tables.cells(file) for file in chosen]
        problems += capped_ages(declaration, cells)
        problems += tables.compare(declaration, there, with_names, self.what)
        self.columns = tables.columns
        found = [
            Found(
                file.participant,
                file.entities.get("session"),
                {name: value for name, value in file.entities.items() if name != "subject"},
                file.path,
                masks.get(file.path),
                own,
                tables.line(file),
            )
            for file, own in zip(chosen, cells, strict=True)
        ]
        return found, problems

    def _refused(self, declaration: Declaration, base: Path, images: Path) -> list[Problem]:
        written = {"folder": self.folder, "derivatives": self.derivatives, "exclude": self.exclude}
        for option, value in written.items():
            why = escapes(value) if value else None
            if why:
                return [problem(declaration, "path-escape", f"`{value}`: {why}", option)]
        for option, path in (("folder", base), ("derivatives", images)):
            if not path.is_dir():
                shown = self.folder if option == "folder" else f"{self.folder}/derivatives/{self.derivatives}"
                return [problem(declaration, "files-missing", f"no folder `{shown}`", option, help=lost(declaration))]
            if not inside(declaration.root, path):
                message = f"`{written[option]}` leads out of the root"
                return [problem(declaration, "path-escape", message, option, help=links.HELP)]
        return []

    def _fits(self, file: File) -> bool:
        endings = ENDINGS if self.extension is None else (self.extension,)
        return (
            file.suffix == self.suffix
            and file.extension in endings
            and all(same(file.entities.get(name), value) for name, value in self.wanted.items())
        )

    def _nothing(self, declaration: Declaration, files: list[File]) -> Problem:
        same_suffix = [file for file in files if file.suffix == self.suffix]
        where = f"`{self.folder}`" + (f" derivatives `{self.derivatives}`" if self.derivatives else "")
        if same_suffix:
            option = next((n for n in ("session", "space", "desc", "run", "acquisition", "extension")
                           if n in declaration.options), "suffix")  # fmt: skip
            message = f"none of the {len(same_suffix):,} {self.what}s in {where} has the chosen entities"
            held = _held(same_suffix)
            return problem(declaration, "files-missing", message, option, note=held)
        counts = Counter(file.suffix for file in files if file.extension in ENDINGS)
        listed = ", ".join(f"{name} ({number:,})" for name, number in counts.most_common(8))
        note = f"suffixes there: {listed}" if listed else "it holds no sub-*/ images"
        return problem(declaration, "files-missing", f"no {self.what} in {where}", "suffix", note=note)

    def _included(
        self,
        declaration: Declaration,
        chosen: list[File],
        visits: list[sessions.Visit],
        problems: list[Problem],
        with_names: bool,
    ) -> list[File]:
        if self.exclude is None:
            return chosen
        table = _table(declaration, declaration.root / self.exclude, "exclude", problems)
        if table is None:
            return chosen
        if "participant_id" not in table.columns or "reason" not in table.columns:
            message = f"`{self.exclude}` needs the columns participant_id and reason"
            problems.append(problem(declaration, "table-unreadable", message, "exclude"))
            return chosen
        out = {
            (_sub(row["participant_id"]), row.get("session_id", "").removeprefix("ses-")): row["reason"]
            for row in table.rows
        }
        problems += sessions.miswritten(declaration, out, visits, "exclude", with_names)
        kept, reasons = [], Counter[str]()
        for file in chosen:
            visit = (file.participant, file.entities.get("session", ""))
            reason = out.get(visit, out.get((file.participant, "")))
            if reason is None:
                kept.append(file)
            else:
                reasons[reason or "no reason given"] += 1
        if reasons:
            listed = ", ".join(f"{reason} ({number})" for reason, number in sorted(reasons.items()))
            message = f"{sum(reasons.values())} images of `{declaration.name}` are left out: {listed}"
            problems.append(problem(declaration, "excluded", message, "exclude", severity=Severity.INFO))
        return kept

    def _masks(
        self,
        declaration: Declaration,
        files: list[File],
        chosen: list[File],
        problems: list[Problem],
        with_names: bool,
    ) -> dict[str, str]:
        if not self.mask:
            return {}
        wanted = {entities.NAMES.get(key, key): value for key, value in self.mask.items() if key != "suffix"}
        suffix = self.mask["suffix"]
        by_visit: dict[tuple[str, str | None], list[File]] = {}
        for file in files:
            if file.suffix != suffix or file.extension not in ENDINGS:
                continue
            if all(same(file.entities.get(name), value) for name, value in wanted.items()):
                by_visit.setdefault((file.participant, file.entities.get("session")), []).append(file)
        found: dict[str, str] = {}
        lacking: list[str] = []
        several: list[str] = []
        for file in chosen:
            near = by_visit.get((file.participant, file.entities.get("session")), [])
            fitting = _nearest(near, file, set(wanted))
            if len(fitting) == 1:
                found[file.path] = fitting[0].path
            else:
                (several if fitting else lacking).append(file.participant)
        for people, code, what in ((lacking, "mask-missing", "no"), (several, "mask-not-unique", "several")):
            if people:
                message = f"{len(people)} of {len(chosen):,} images have {what} fitting mask{'s' * (what != 'no')}"
                there = _held([mask for near in by_visit.values() for mask in near])
                note = (*names(people, with_names), *(f"masks there, {line}" for line in there))
                help_ = (
                    "a mask has the entities of its image; name what differs, such as "
                    "`mask: {desc: brain, suffix: mask, space: NAME}`"
                )
                problems.append(problem(declaration, code, message, "mask", note=note, help=help_))
        return found


@frozen
class _Tables:
    """participants.tsv, the table of all sessions, and one table of sessions a person."""

    people: Mapping[str, tuple[int, Mapping[str, str]]]
    visits: Mapping[tuple[str, str], Mapping[str, str]]
    columns: tuple[str, ...]

    @classmethod
    def read(cls, declaration: Declaration, base: Path, problems: list[Problem]) -> "_Tables":
        people: dict[str, tuple[int, Mapping[str, str]]] = {}
        visits: dict[tuple[str, str], Mapping[str, str]] = {}
        columns: dict[str, None] = {}
        table = _table(declaration, base / "participants.tsv", "folder", problems, needed=False)
        if table is not None:
            _first(declaration, table, "participant_id", "participants.tsv", problems)
            for line, row in zip(table.lines, table.rows, strict=True):
                person = _sub(row.get("participant_id", ""))
                if person in people:
                    message = "a participant stands twice in participants.tsv"
                    problems.append(problem(declaration, "table-unreadable", message, "folder", note=f"line {line}"))
                people[person] = (line, row)
            columns |= dict.fromkeys(table.columns)
        for person, path in sessions.tables(base):
            table = _table(declaration, path, "folder", problems, needed=False)
            if table is None:
                continue
            for row in table.rows:
                owner = person or _sub(row.get("participant_id", ""))
                visits[owner, row.get("session_id", "").removeprefix("ses-")] = row
            columns |= dict.fromkeys(table.columns)
        return cls(people, visits, tuple(columns))

    def cells(self, file: File) -> dict[str, str]:
        """Merge the cells of the person and of the visit; a visit's empty cell does not hide the person's."""
        visit = self.visits.get((file.participant, file.entities.get("session", "")), {})
        own = dict(self.people.get(file.participant, (0, {}))[1])
        own.update({column: cell for column, cell in visit.items() if cell not in ("", "n/a")})
        return own

    def line(self, file: File) -> int:
        return self.people.get(file.participant, (0, {}))[0]

    def compare(self, declaration: Declaration, there: set[str], with_names: bool, what: str) -> Iterator[Problem]:
        """Say whom only the table or only the folder knows; `there` are those with an image, left out or not."""
        if not self.people:
            return
        unlisted = sorted(there - set(self.people))
        without = sorted(set(self.people) - there)
        if unlisted:
            message = f"{len(unlisted)} participants of `{declaration.name}` have images but no row in participants.tsv"
            note = names(unlisted, with_names)
            yield problem(declaration, "participant-unlisted", message, "folder", note=note, severity=Severity.WARNING)
        if without:
            message = f"{len(without)} of {len(self.people):,} participants of `{declaration.name}` have no {what}"
            lines = ", ".join(str(self.people[person][0]) for person in without[:5])
            note = names(without, with_names) or (f"lines of participants.tsv, first: {lines}",)
            yield problem(
                declaration,
                "participant-without-image",
                message,
                "suffix",
                note=note,
                severity=Severity.WARNING,
            )


def _nearest(masks: list[File], image: File, chosen: set[str]) -> list[File]:
    """Give the masks whose entities are those of an image, as far as names say; several when they say too little.

    Args:
        masks: of the same person and visit.
        image: the image.
        chosen: entities that the spec asks of the mask, which the image therefore does not decide.
    """
    fitting: dict[int, list[File]] = {}
    for mask in masks:
        ours, theirs = ({n: v for n, v in f.entities.items() if n not in chosen} for f in (image, mask))
        if any(not same(theirs[name], ours[name]) for name in set(ours) & set(theirs) - {"description"}):
            continue
        lone = set(ours) ^ set(theirs)
        # Another grid is another mask, even where only one of the two names says so.
        if not lone & GRID:
            fitting.setdefault(len(lone - {"description"}), []).append(mask)
    return fitting[min(fitting)] if fitting else []


def _twice(declaration: Declaration, chosen: list[File], with_names: bool) -> list[Problem]:
    stems = Counter(file.path.removesuffix(file.extension) for file in chosen)
    both = sorted({f.participant for f in chosen if stems[f.path.removesuffix(f.extension)] > 1})
    if not both:
        return []
    message = f"{len(both)} participants of `{declaration.name}` have an image both as .nii and as .nii.gz"
    return [
        problem(
            declaration, "image-twice", message, "suffix",
            help="keep one of them, or choose one with `extension: .nii.gz`", note=names(both, with_names),
        )
    ]  # fmt: skip


def _held(files: list[File]) -> tuple[str, ...]:
    """Say which values of entities there are."""
    values: dict[str, Counter[str]] = {}
    for file in files:
        for name, value in file.entities.items():
            if name != "subject":
                values.setdefault(name, Counter())[value] += 1
    return tuple(
        f"{name}: " + ", ".join(f"{value} ({number:,})" for value, number in found.most_common(6))
        for name, found in values.items()
    )


def _table(
    declaration: Declaration, path: Path, option: str, problems: list[Problem], needed: bool = True
) -> Table | None:
    try:
        if path.exists() and not inside(declaration.root, path):
            raise ValueError("it leads out of the root")
        if links.dangling(path):
            raise ValueError(links.NOT_HERE)
        return read_table(path)
    except FileNotFoundError:
        if needed:
            problems.append(problem(declaration, "table-missing", f"no table `{path.name}`", option))
    except (OSError, ValueError) as error:
        # A table of one person's sessions has that person's id in its name.
        shown = "a sessions table" if path.name.startswith("sub-") else f"`{path.name}`"
        why = error if isinstance(error, ValueError) else error.strerror
        problems.append(problem(declaration, "table-unreadable", f"{shown}: {why}", option))
    return None


def _first(declaration: Declaration, table: Table, column: str, name: str, problems: list[Problem]) -> None:
    if column not in table.columns:
        message = f"{name} has no column {column}"
        problems.append(problem(declaration, "table-unreadable", message, "folder"))


def _sub(person: str) -> str:
    return person if person.startswith("sub-") else f"sub-{person}"
