"""Images and time series of the Human Connectome Project, in the folders of its releases."""

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Literal

from tlimb.cohorts import links
from tlimb.cohorts.columns import WHERE
from tlimb.cohorts.declaration import Declaration
from tlimb.cohorts.links import inside
from tlimb.cohorts.reading import Found, Reader, Table, escapes, lost, names, problem, read_table
from tlimb.problems import Problem, Severity

SERIES = "node_timeseries"
KEY = "Subject"
"""Column that names the person in both tables."""
KIN = ("Family_ID", "Mother_ID", "Father_ID")
"""Columns of the restricted table whose equal values make relatives; half-siblings share one parent only."""
FOLDERS = {"acpc": "T1w", "MNI152NLin6Asym": "MNINonLinear"}
"""Space -> folder of a person with the images that lie in it."""
_PERSON = re.compile(r"\d{6}")


class Hcp(Reader):
    """Images or node time series of the Human Connectome Project (Young Adult), as its releases are unpacked.

    Images are `<subject>/T1w/<image>.nii.gz` (rigidly aligned to the line of the commissures, 0.7 mm) or
    `<subject>/MNINonLinear/<image>.nii.gz` (warped to MNI152). Node time series are
    `node_timeseries/<release>_d<regions>_ts2/<subject>.txt` of the release of parcellations, time series and
    netmats (PTN): one row a time point, the runs one after the other, 4 of 1200 in `3T_HCP1200_MSMAll`; the data
    module `time_series` is told their number by `runs`.

    Most people of this project have brothers or sisters in it, and only the restricted table says who. Its columns
    are private, and people who share a Family_ID, Mother_ID or Father_ID are never divided, whatever the split's
    `group` says. Without it ages are known in steps of five years, as classes.

    Source: S1200 Release Reference Manual of the WU-Minn HCP consortium, 2017 (updated 2018), and Glasser et al.,
    NeuroImage 80 (2013) 105-124, for the names of files.

    Args:
        folder: Folder with the people's folders, or for node_timeseries the one with `node_timeseries/`, relative to
            the root.
        image: The image's name without .nii.gz, or node_timeseries. `_acpc` ones lie in the person's own space,
            others in MNI152; `_restore` is corrected for the bias field, `_brain` is without the skull.
        regions: Number of regions of the time series (15, 25, 50, 100, 200 or 300); none for the only number there.
        release: What the names of the folders of time series begin with.
        behavioural: Unrestricted table (.csv) with the column Subject, relative to the root; none for no labels.
        restricted: Restricted table (.csv) with the column Subject, relative to the root; none without access to it.
        mask: Give the images FreeSurfer's brain mask beside them, brainmask_fs.nii.gz.
    """

    def __init__(
        self,
        *,
        folder: str,
        image: Literal[
            "T1w_acpc_dc", "T1w_acpc_dc_restore", "T1w_acpc_dc_restore_brain", "T1w", "T1w_restore",
            "T1w_restore_brain", "T2w_acpc_dc", "T2w_acpc_dc_restore", "T2w_acpc_dc_restore_brain", "T2w",
            "T2w_restore", "T2w_restore_brain", "node_timeseries",
        ],
        regions: Annotated[int | None, {"minimum": 1}] = None,
        release: str = "3T_HCP1200_MSMAll",
        behavioural: str | None = None,
        restricted: str | None = None,
        mask: bool = False,
    ) -> None:  # fmt: skip
        self.folder = self.source = folder
        self.image, self.regions, self.release, self.mask = image, regions, release, mask
        self.tables = {"behavioural": behavioural, "restricted": restricted}
        self.table = behavioural or restricted or "the tables"
        self.what = "time series" if image == SERIES else f"{image} image"
        if image != SERIES:
            self.skull_stripped = image.endswith("_brain")
            self.space = "acpc" if "_acpc_" in image else "MNI152NLin6Asym"

    def find(self, declaration: Declaration, with_names: bool = False) -> tuple[list[Found], list[Problem]]:
        """Give the images of the chosen kind, with the cells of their people."""
        problems = self._refused(declaration)
        if problems:
            return [], problems
        base = declaration.root / self.folder
        files, entities, problems = self._series(declaration, base) if self.image == SERIES else self._images(base)
        if not files:
            return [], problems or [self._nothing(declaration, base)]
        outside = [path for path in files.values() if not inside(declaration.root, path)]
        if outside:
            message = f"{len(outside)} files of `{declaration.name}` are links that lead out of the root"
            note = links.leading_to(outside, with_names)
            return [], [problem(declaration, "path-escape", message, "folder", note=note, help=links.HELP)]
        cells = self._cells(declaration, problems)
        problems += self._compare(declaration, set(files), cells, with_names)
        found = []
        for person, path in sorted(files.items()):
            mask = path.with_name("brainmask_fs.nii.gz") if self.mask else None
            relative = [os.path.relpath(one, declaration.root) if one else None for one in (path, mask)]
            own, line = cells.get(person, ({}, 0))
            found.append(Found(person, None, entities, str(relative[0]), relative[1], own, line))
        return found, [*problems, *self._masks(declaration, found, with_names)]

    def _refused(self, declaration: Declaration) -> list[Problem]:
        for option, value in (("folder", self.folder), ("release", self.release), *self.tables.items()):
            why = escapes(value) if value else None
            if why:
                return [problem(declaration, "path-escape", f"`{value}`: {why}", option)]
        if "/" in self.release:
            return [problem(declaration, "path-escape", f"`{self.release}`: it is no name of a folder", "release")]
        if self.image == SERIES and self.mask:
            message = "time series have no mask"
            return [problem(declaration, "combination", message, "mask", help="leave `mask` out")]
        if self.image != SERIES and self.regions is not None:
            message = f"`{self.image}` is an image and has no regions"
            return [problem(declaration, "combination", message, "regions", help="leave `regions` out")]
        base = declaration.root / self.folder
        if not base.is_dir():
            message = f"no folder `{self.folder}`"
            return [problem(declaration, "files-missing", message, "folder", help=lost(declaration))]
        if not inside(declaration.root, base):
            message = f"`{self.folder}` leads out of the root"
            return [problem(declaration, "path-escape", message, "folder", help=links.HELP)]
        return []

    def _images(self, base: Path) -> tuple[dict[str, Path], dict[str, str], list[Problem]]:
        space = str(self.space)
        named = {path.name: path / FOLDERS[space] / f"{self.image}.nii.gz" for path in _people(base)}
        # A link to what has not been fetched is an image all the same; reading it says how to fetch it.
        files = {person: path for person, path in named.items() if path.is_file() or links.dangling(path)}
        entities = {"space": space, **({"description": "brain"} if self.image.endswith("_brain") else {})}
        return files, entities, []

    def _series(self, declaration: Declaration, base: Path) -> tuple[dict[str, Path], dict[str, str], list[Problem]]:
        counts = self._counts(base)
        if self.regions is None and len(counts) > 1:
            message = f"`{self.folder}` holds series of {', '.join(map(str, sorted(counts)))} regions"
            help_ = f"choose one, such as   regions: {min(counts)}"
            return {}, {}, [problem(declaration, "files-missing", message, "image", help=help_)]
        chosen = self.regions if self.regions is not None else next(iter(counts), None)
        if chosen not in counts:
            return {}, {}, []
        files = {path.stem: path for path in sorted(counts[chosen].glob("*.txt")) if _PERSON.fullmatch(path.stem)}
        return files, {}, []

    def _counts(self, base: Path) -> dict[int, Path]:
        pattern = re.compile(re.escape(self.release) + r"_d(\d+)_ts2")
        folders = (base / SERIES).iterdir() if (base / SERIES).is_dir() else ()
        return {int(hit[1]): path for path in folders if (hit := pattern.fullmatch(path.name)) and path.is_dir()}

    def _nothing(self, declaration: Declaration, base: Path) -> Problem:
        higher = self._higher()
        if higher is not None:
            message = f"`{self.folder}` lies inside the folder that is asked for"
            return problem(declaration, "files-missing", message, "folder", help=f"write   folder: {higher}")
        if self.image == SERIES:
            there = sorted(path.name for path in (base / SERIES).iterdir()) if (base / SERIES).is_dir() else []
            message = f"no time series of {self.release} in `{self.folder}/{SERIES}`"
            if self.regions is not None:
                message = f"no time series of {self.regions} regions of {self.release} in `{self.folder}/{SERIES}`"
            option = "regions" if self.regions is not None else "image"
        else:
            people = _people(base)
            message = f"none of the {len(people):,} people's folders in `{self.folder}` has a {self.what}"
            there = sorted(
                {path.name for one in people for f in FOLDERS.values() for path in (one / f).glob("T?w*.nii*")}
            )
            option = "image"
        note = f"there are: {', '.join(there[:8])}" if there else "there is nothing of the kind"
        return problem(declaration, "files-missing", message, option, note=note)

    def _higher(self) -> str | None:
        """Give the folder that was meant where a person's folder or that of time series is named; None elsewhere."""
        parts = Path(self.folder).parts
        below = [number for number, part in enumerate(parts) if part == SERIES or _PERSON.fullmatch(part)]
        return None if not below else Path(*parts[: below[0]]).as_posix()

    def _cells(self, declaration: Declaration, problems: list[Problem]) -> dict[str, tuple[dict[str, str], int]]:
        """Give each person's cells of both tables, and the line of the first."""
        cells: dict[str, tuple[dict[str, str], int]] = {}
        for option, file in self.tables.items():
            table = None if file is None else _table(declaration, file, option, problems)
            if table is None:
                continue
            twice = [name for name in table.columns if name in self.columns and name != KEY]
            if twice:
                message = f"column `{twice[0]}` is in both tables"
                problems.append(
                    problem(declaration, "column-twice", message, option, help="take it out of one of them")
                )
            self.columns = tuple(dict.fromkeys((*self.columns, *table.columns)))
            self.private |= {KEY} if option == "behavioural" else set(table.columns)
            if option == "restricted":
                self.kin = tuple(name for name in KIN if name in table.columns)
            for line, row in zip(table.lines, table.rows, strict=True):
                own, first = cells.get(row[KEY], ({}, line))
                cells[row[KEY]] = ({**own, **row}, first)
        return cells

    def _compare(
        self, declaration: Declaration, there: set[str], cells: Mapping[str, object], with_names: bool
    ) -> Iterable[Problem]:
        """Say whom only the tables or only the folder know, and that families are unknown."""
        unlisted, without = sorted(there - set(cells)), sorted(set(cells) - there)
        if cells and unlisted:
            message = f"{len(unlisted)} participants of `{declaration.name}` have files but no row in the tables"
            note = names(unlisted, with_names)
            yield problem(declaration, "participant-unlisted", message, "folder", note=note, severity=Severity.WARNING)
        if without:
            # The tables list everybody, and hardly anybody has all images on one disk.
            message = f"{len(without)} of {len(cells):,} participants of `{declaration.name}` have no {self.what}"
            note = names(without, with_names)
            yield problem(declaration, "participant-without-image", message, "image", note=note, severity=Severity.INFO)
        if not self.kin and not declaration.joins:
            message = f"nothing says who are relatives in `{declaration.name}`, where most people have some"
            help_ = "with access to it, name the restricted table:   restricted: FILE.csv"
            yield problem(
                declaration, "families-unknown", message, "", on_key=True, help=help_, severity=Severity.WARNING
            )

    def _masks(self, declaration: Declaration, found: list[Found], with_names: bool) -> list[Problem]:
        lacking = [one.participant for one in found if one.mask and not _there(declaration.root / one.mask)]
        if not lacking:
            return []
        message = f"{len(lacking)} of {len(found):,} images have no brainmask_fs.nii.gz beside them"
        return [problem(declaration, "mask-missing", message, "mask", note=names(lacking, with_names))]


def _people(base: Path) -> list[Path]:
    return sorted(path for path in base.iterdir() if _PERSON.fullmatch(path.name) and path.is_dir())


def _there(path: Path) -> bool:
    return path.is_file() or links.dangling(path)


def _table(declaration: Declaration, file: str, option: str, problems: list[Problem]) -> Table | None:
    path = declaration.root / file
    try:
        if path.exists() and not inside(declaration.root, path):
            raise ValueError("it leads out of the root")
        table = read_table(path)
        if KEY not in table.columns:
            raise ValueError(f"it has no column {KEY}")
        people = [row[KEY] for row in table.rows]
        if len(set(people)) < len(people):
            raise ValueError(f"{len(people) - len(set(people))} people stand in it twice")
        return table
    except ValueError as error:
        problems.append(problem(declaration, "table-unreadable", f"`{file}`: {error}", option))
    except OSError:
        problems.append(problem(declaration, "table-missing", f"no table `{file}`", option, help=WHERE))
    return None
