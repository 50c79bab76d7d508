"""Time series as tables of numbers (.tsv, .csv, .txt), read with the standard library alone.

One parser for planning and for training, so that what was planned is what is read.
"""

import math
import re
from array import array

from attrs import frozen

from tlimb.cohorts.headers import ImageFaultError

ENDINGS = (".tsv", ".csv", ".txt")
MOST_NUMBERS = 1 << 26
_BETWEEN = {".tsv": "\t", ".csv": ",", ".txt": None}
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")


@frozen
class Numbers:
    """A table of numbers.

    Attributes:
        rows: lines with numbers.
        columns: numbers in a line.
        values: rows * columns finite numbers, line after line.
    """

    rows: int
    columns: int
    values: "array[float]"


def parse(content: bytes, ending: str) -> Numbers:
    """Read a table; a first line that is not all numbers names the columns and is left out.

    Args:
        content: of the file, UTF-8.
        ending: `.tsv` (tabs between numbers), `.csv` (commas) or `.txt` (any white space).

    Raises:
        ImageFaultError: it is no such table, its lines differ in length, or a value is missing or no finite number.
    """
    try:
        lines = content.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise ImageFaultError("it is no text") from None
    while lines and not lines[-1].strip():
        lines.pop()
    first = _cells(lines[0], ending) if lines else []
    columns = len(first)
    if any(not _NUMBER.fullmatch(cell) for cell in first):
        lines = lines[1:]
    if not lines or not columns:
        raise ImageFaultError("it holds no numbers")
    if len(lines) * columns > MOST_NUMBERS:
        raise ImageFaultError(f"it holds more than {MOST_NUMBERS} numbers")
    values = array("d")
    for position, line in enumerate(lines, start=1):
        values.extend(_row(line, ending, columns, position))
    return Numbers(len(lines), columns, values)


def _cells(line: str, ending: str) -> list[str]:
    return [cell.strip() for cell in line.split(_BETWEEN[ending])]


def _row(line: str, ending: str, columns: int, position: int) -> list[float]:
    cells = _cells(line, ending)
    if len(cells) != columns:
        raise ImageFaultError(f"its row {position} has {len(cells)} columns, others have {columns}")
    wrong = next((index for index, cell in enumerate(cells) if not _NUMBER.fullmatch(cell)), None)
    if wrong is not None:
        raise ImageFaultError(f"column {wrong + 1} of its row {position} is missing or no number")
    found = [float(cell) for cell in cells]
    if not all(map(math.isfinite, found)):
        raise ImageFaultError(f"its row {position} holds a number that is too large")
    return found
