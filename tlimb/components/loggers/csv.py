"""A table of the numbers of a training, one line a step."""

import csv
import json
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import Logger


class Csv(Logger):
    """Write `metrics.csv`, a line a step and a column a number, and `hparams.json` with the options of the training.

    A column that comes later is added to all lines; what is there when a training goes on after a kill stays.

    Args:
        save_dir: folder of the files; none for the run's own folder in the store.
    """

    revision = 1

    def __init__(self, *, save_dir: str | None = None) -> None:
        """Begin where the file ends."""
        super().__init__()
        self.folder = Path(save_dir or ".")
        self.folder.mkdir(parents=True, exist_ok=True)
        self._rows = self._read()
        self._columns = list(self._rows[0]) if self._rows else ["step"]

    @property
    def name(self) -> str:
        """Return the name of this logger."""
        return "csv"

    @property
    def version(self) -> str:
        """Return nothing: a run has one table."""
        return ""

    @property
    def save_dir(self) -> str:
        """Return the folder of the files."""
        return str(self.folder)

    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:
        """Write the options."""
        found = vars(params) if isinstance(params, Namespace) else params
        (self.folder / "hparams.json").write_text(json.dumps(dict(found), indent=1, default=str), encoding="utf-8")

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Add numbers to the line of a step."""
        number = str(len(self._rows) if step is None else step)
        if self._rows and self._rows[-1]["step"] == number:
            self._rows[-1] |= {name: repr(float(value)) for name, value in metrics.items()}
        else:
            self._rows.append({"step": number, **{name: repr(float(value)) for name, value in metrics.items()}})
        new = [name for name in metrics if name not in self._columns]
        if new or len(metrics) < len(self._rows[-1]) - 1 or not self._file.is_file():
            self._columns += new
            self._write()
        else:
            with self._file.open("a", encoding="utf-8", newline="") as file:
                csv.DictWriter(file, self._columns, restval="").writerow(self._rows[-1])

    @property
    def _file(self) -> Path:
        return self.folder / "metrics.csv"

    def _write(self) -> None:
        part = self._file.with_suffix(".part")
        with part.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, self._columns, restval="")
            writer.writeheader()
            writer.writerows(self._rows)
        part.replace(self._file)

    def _read(self) -> list[dict[str, str]]:
        """Read the lines of the processes before this one; one that was cut short by a kill is left out."""
        if not self._file.is_file():
            return []
        with self._file.open(encoding="utf-8", newline="") as file:
            rows = [{k: v for k, v in row.items() if k is not None} for row in csv.DictReader(file)]
        whole = [row for row in rows if all(value is not None for value in row.values())]
        return [{name: value for name, value in row.items() if name == "step" or value} for row in whole]
