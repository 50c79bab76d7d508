"""Small Lightning callbacks; apart from the components, since what trains nothing loads no Lightning."""

from pathlib import Path

import lightning.pytorch as pl
import torch


class ToyLines(pl.Callback):
    """Writes a line at each hook of an epoch, and remembers all of them."""

    def __init__(self):
        self.lines = []

    def write(self, trainer, line):
        self.lines.append(line)
        (Path(trainer.default_root_dir) / "lines.txt").write_text("\n".join(self.lines))

    def on_train_epoch_start(self, trainer, pl_module):
        self.write(trainer, f"start-{trainer.current_epoch}")

    def on_validation_end(self, trainer, pl_module):
        self.write(trainer, f"val-{trainer.current_epoch}")

    def on_train_epoch_end(self, trainer, pl_module):
        self.write(trainer, f"end-{trainer.current_epoch}-step-{trainer.global_step}")

    def state_dict(self):
        return {"lines": self.lines}

    def load_state_dict(self, state_dict):
        self.lines = list(state_dict["lines"])


class ToyHoarder(pl.Callback):
    def state_dict(self):
        return {"path": Path("somewhere")}


class ToyMeddler(pl.Callback):
    """Changes what an observer may not."""

    def __init__(self, *, what):
        self.what = what

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        first = next(pl_module.parameters())
        if self.what == "weights":
            first.data.add_(1e-3)
        elif self.what == "rate":
            trainer.optimizers[0].param_groups[0]["lr"] *= 2
        elif self.what == "mode":
            pl_module.encoder.eval()
        elif self.what == "random":
            torch.rand(1)
        elif self.what == "gradient":
            first.requires_grad_(False)
        elif self.what == "stop":
            trainer.should_stop = True
