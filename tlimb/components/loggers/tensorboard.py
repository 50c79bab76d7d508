"""TensorBoard's event files."""

import secrets
from collections.abc import Mapping
from typing import Any

from lightning.pytorch.loggers import TensorBoardLogger


class TensorBoard(TensorBoardLogger):
    """Write event files that TensorBoard shows: `tensorboard --logdir` on the folder of the store's records.

    It needs one of the packages `tensorboard` and `tensorboardX`: `pip install 'tlimb[tensorboard]'`.

    Args:
        save_dir: folder of the files; none for the run's own folder in the store.
    """

    revision = 1

    def __init__(self, *, save_dir: str | None = None) -> None:
        """Write into the folder itself: it has one run."""
        # Two processes of a run may begin in one second, and a file of equal name would lose the first one's numbers.
        super().__init__(save_dir or ".", name="", version="", filename_suffix=f".{secrets.token_hex(4)}")

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Write numbers, and into the file at once: a run that is killed repeats none that it has told of."""
        super().log_metrics(dict(metrics), step)
        self.experiment.flush()

    def log_hyperparams(self, params: Any, metrics: Any = None, step: int | None = None) -> None:
        """Write the options as a text, so that a run stands once among the event files."""
        lines = "\n".join(f"    {name}: {value}" for name, value in sorted(dict(params).items()))
        self.experiment.add_text("options", lines, 0)
