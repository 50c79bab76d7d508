"""Time series of regions, from tables of numbers."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np

from tlimb.cohorts import headers, series
from tlimb.cohorts.headers import ImageFaultError
from tlimb.components.contracts import Array, DataModule
from tlimb.components.images import DataError, read_bytes


class TimeSeries(DataModule):
    """fMRI time series of regions, one table a person or visit; the regions become channels.

    A table is .npy with two axes, or numbers in .tsv, .csv or .txt, where a first line that is not all numbers names
    the columns. Every table must have the same regions in the same order. All of a table is one sample: whatever is
    cut from it stays with its person, so nobody is in two parts of a split.

    Args:
        rows: what a row of the table is: a time point, or a region.
        runs: number of runs of equal length that a table holds one after the other; each is cut and standardised alone.
        skip_tr: time points left out at the beginning of each run, before the signal is steady.
        window_tr: time points kept of each run, after those; none for all that are left.
        keep_runs: number of runs that are kept, from the first on, joined in their order; none for all of them.
        standardise: give each region mean 0 and standard deviation 1 in each run, of the time points that are kept; a
            constant region becomes 0.
    """

    dims: ClassVar[tuple[int, ...]] = (1,)
    later = ("keep_runs",)

    def __init__(
        self,
        *,
        rows: Literal["time", "regions"] = "time",
        runs: Annotated[int, {"minimum": 1, "maximum": 100}] = 1,
        skip_tr: Annotated[int, {"minimum": 0}] = 0,
        window_tr: Annotated[int | None, {"minimum": 2}] = None,
        keep_runs: Annotated[int | None, {"minimum": 1}] = None,
        standardise: bool = True,
    ) -> None:
        self.rows, self.runs, self.skip_tr, self.window_tr = rows, runs, skip_tr, window_tr
        if keep_runs is not None and keep_runs > runs:
            raise ValueError(f"`keep_runs: {keep_runs}`, but a table holds {runs} runs")
        self.kept = runs if keep_runs is None else keep_runs
        self.standardise = standardise

    def load(self, image: Path, mask: Path | None) -> Array:
        """Read the series of one table: float32 (region, time).

        Raises:
            ValueError: the table cannot be used, or is shorter than the options ask for.
        """
        if mask is not None:
            raise DataError("time series have no mask: leave `mask` out of `files`")
        table = _read(image)
        points = table if self.rows == "time" else table.T
        if len(points) % self.runs:
            raise DataError(f"{len(points)} time points do not fall into {self.runs} runs of equal length")
        length = len(points) // self.runs
        kept = length - self.skip_tr if self.window_tr is None else self.window_tr
        if kept < 2 or self.skip_tr + kept > length:
            asked = f"{self.skip_tr} to skip and {max(kept, 2)} to keep"
            raise DataError(f"a run has {length} time points, fewer than {asked}")
        split = points.reshape(self.runs, length, -1)[: self.kept, self.skip_tr : self.skip_tr + kept]
        if self.standardise:
            split = _standardised(split)
        return np.ascontiguousarray(split.reshape(self.kept * kept, -1).T, dtype=np.float32)

    def recipe(self) -> Mapping[str, Any]:
        """Give the options; all of them decide what is loaded."""
        recipe = {
            "reading": 1,
            "rows": self.rows,
            "runs": [self.runs, self.skip_tr, self.window_tr],
            "standardise": self.standardise,
        }
        # What was loaded before there was this option stays in the cache.
        return recipe if self.kept == self.runs else {**recipe, "keep_runs": self.kept}


def _read(path: Path) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Give the numbers of a table as they stand: float64 (row, column)."""
    name = path.name.lower()
    ending = next((known for known in (".npy", *series.ENDINGS) if name.endswith(known)), None)
    if ending is None:
        raise DataError(f"the file is no table of time series: none of .npy, {', '.join(series.ENDINGS)}")
    content = read_bytes(path)
    if ending != ".npy":
        try:
            found = series.parse(content, ending)
        except ImageFaultError as fault:
            raise DataError(f"the table cannot be used: {fault}") from fault
        return np.array(found.values).reshape(found.rows, found.columns)
    try:
        header = headers.parse(content[: headers.PREFIX_BYTES], ending)
        # Nothing is allocated by a header alone.
        if len(content) < header.start + (header.length or 0):
            raise DataError("the file ends before its last number")
        array = np.load(io.BytesIO(content), allow_pickle=False)
    except DataError:
        raise
    except Exception as error:
        # Decoders raise anything on a damaged file; all of it means the same.
        raise DataError(f"the .npy file cannot be decoded ({type(error).__name__})") from error
    if array.dtype.kind not in "iuf" or array.ndim != 2:
        raise DataError("the array is no table: two axes of plain numbers are needed")
    numbers = array.astype(np.float64)
    wrong = int(np.count_nonzero(~np.isfinite(numbers)))
    if wrong:
        raise DataError(f"{wrong} values are no finite numbers: leave these regions out, or fill the gaps")
    return numbers


def _standardised(split: np.ndarray[Any, np.dtype[np.float64]]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Give (run, time, region) with mean 0 and sd 1 (ddof 0) over time; constant series become 0."""
    centred = split - split.mean(axis=1, keepdims=True)
    sd = centred.std(axis=1, keepdims=True)
    # What is left of a constant series is rounding.
    constant = sd <= 1e-9 * np.abs(split).max(axis=1, keepdims=True)
    return np.where(constant, 0.0, centred / np.where(constant, 1.0, sd))
