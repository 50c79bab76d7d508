"""Images that a table names."""

import re
from collections.abc import Mapping
from pathlib import Path

from tlimb.cohorts import links
from tlimb.cohorts.columns import WHERE
from tlimb.cohorts.declaration import Declaration
from tlimb.cohorts.links import inside
from tlimb.cohorts.reading import Found, Reader, escapes, lost, names, problem, read_table
from tlimb.cohorts.reading import Table as Cells
from tlimb.problems import Problem

_HOLDER = re.compile(r"\{([^{}]*)\}")


class Table(Reader):
    """Images or time series that a table names, one row a person or visit.

    Images are .nii, .nii.gz, .npy or .png; time series are .npy, or tables of numbers in .tsv, .csv or .txt.

    Args:
        file: Table (.csv or .tsv), relative to the root.
        image: Path of an image with names of columns in braces, relative to the root, such as
            {participant_id}/T1w.nii.gz.
        id: Column that names the participant.
        mask: Path of a brain mask, written like `image`; none for no mask.
    """

    def __init__(self, *, file: str, image: str, id: str = "participant_id", mask: str | None = None) -> None:
        self.file, self.image, self.id, self.mask = file, image, id, mask
        self.table = self.source = file

    def find(self, declaration: Declaration, with_names: bool = False) -> tuple[list[Found], list[Problem]]:
        """Give one image a row, whose file exists."""
        problems = [
            problem(declaration, "path-escape", f"`{value}`: {why}", option)
            for option, value in (("file", self.file), ("image", self.image), ("mask", self.mask))
            if value and (why := escapes(value))
        ]
        if problems:
            return [], problems
        path = declaration.root / self.file
        try:
            if not inside(declaration.root, path):
                raise ValueError("it leads out of the root")
            table = read_table(path)
        except OSError:
            return [], [
                problem(
                    declaration, "table-missing", f"no table `{self.file}`", "file", help=(*lost(declaration), WHERE)
                )
            ]
        except ValueError as error:
            message = f"`{self.file}`: {error}"
            return [], [problem(declaration, "table-unreadable", message, "file", help="mend the table in that line")]
        problems = self._columns(declaration, table)
        if problems:
            return [], problems
        self.columns = table.columns
        found = [self._found(row, line) for row, line in zip(table.rows, table.lines, strict=True)]
        return found, self._checked(declaration, found, with_names)

    def _columns(self, declaration: Declaration, table: Cells) -> list[Problem]:
        held = ", ".join(table.columns[:12])
        if self.id not in table.columns:
            message = f"no column `{self.id}` in `{self.file}` (columns: {held})"
            return [problem(declaration, "target-missing", message, "id" if "id" in declaration.options else "file")]
        return [
            problem(
                declaration, "placeholder-unknown",
                f"`{{{name}}}`: no column of that name in `{self.file}` (columns: {held})", option,
            )
            for option, template in (("image", self.image), ("mask", self.mask))
            for name in _HOLDER.findall(template or "")
            if name not in table.columns
        ]  # fmt: skip

    def _found(self, row: Mapping[str, str], line: int) -> Found:
        session = row.get("session_id", row.get("session")) or None
        return Found(
            row[self.id],
            session,
            {},
            _filled(self.image, row),
            _filled(self.mask, row) if self.mask else None,
            row,
            line,
        )

    def _checked(self, declaration: Declaration, found: list[Found], with_names: bool) -> list[Problem]:
        problems: list[Problem] = []
        nobody = [str(image.line) for image in found if not image.participant]
        if nobody:
            message = f"{len(nobody)} rows of `{self.file}` have no `{self.id}`"
            note = f"lines, first: {', '.join(nobody[:5])}"
            problems.append(problem(declaration, "table-unreadable", message, "file", note=note))
        out = [image for image in found if not _harmless(declaration.root, image)]
        if out:
            message = f"{len(out)} paths made from `{self.file}` lead out of the root"
            lines = f"lines, first: {', '.join(str(image.line) for image in out[:5])}"
            notes = (lines, *links.leading_to([declaration.root / i.image for i in out], with_names))
            problems.append(problem(declaration, "path-escape", message, "image", note=notes, help=links.HELP))
        for option, paths in (
            ("image", [(i.image, i) for i in found if i not in out]),
            ("mask", [(i.mask, i) for i in found if i.mask and i not in out]),
        ):
            lost = [image for name, image in paths if not (declaration.root / str(name)).is_file()]
            if lost:
                lines = f"lines of the table, first: {', '.join(str(image.line) for image in lost[:5])}"
                unfetched = sum(links.dangling(declaration.root / str(name)) for name, image in paths if image in lost)
                helps = (f"{unfetched} are links without content; fetch it with `datalad get`",) if unfetched else ()
                shown = [image.image if option == "image" else str(image.mask) for image in lost]
                problems.append(
                    problem(
                        declaration, "files-missing",
                        f"{len(lost)} of the {len(found):,} {option}s that `{self.file}` names do not exist",
                        option, note=names(shown, with_names) or (lines,), help=helps,
                    )
                )  # fmt: skip
        return problems


def _harmless(root: Path, image: Found) -> bool:
    return all(escapes(path) is None and inside(root, root / path) for path in _paths(image))


def _paths(image: Found) -> list[str]:
    return [path for path in (image.image, image.mask) if path]


def _filled(template: str, row: Mapping[str, str]) -> str:
    # Not str.format, which would follow attributes and indexes written in the template.
    return _HOLDER.sub(lambda match: row[match.group(1)], template)
