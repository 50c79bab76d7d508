"""The peer of the grid: pretrain on age, finetune on sex, test, as one would write it with Lightning and MONAI.

One process is one configuration: `handwritten.py resnet3d|sfcn RATE PENALTY`. The same networks, images, epochs and
batch sizes as the study in `benchmarks.running`; volumes are cached in memory, which is the usual advice.
"""

import csv
import sys
from itertools import pairwise
from pathlib import Path

import lightning as L  # noqa: N812
import torch
from monai.data import CacheDataset, DataLoader
from monai.transforms import (
    Compose,
    LoadImaged,
    NormalizeIntensityd,
    Orientationd,
    ResizeWithPadOrCropd,
    Spacingd,
    ToTensord,
)
from torch import nn
from torch.nn import functional

from tlimb.components.architectures.resnet3d import ResNet3D
from tlimb.components.architectures.sfcn import SFCN
from tlimb.components.contracts import Inputs

FOLDER = Path("data/population")


class Brains(L.LightningDataModule):
    def __init__(self, rows, target, parts):
        super().__init__()
        self.rows, self.target, self.parts = rows, target, parts

    def setup(self, stage=None):
        steps = Compose(
            [
                LoadImaged("image", ensure_channel_first=True),
                Orientationd("image", "RAS"),
                Spacingd("image", (8.0, 8.0, 8.0)),
                ResizeWithPadOrCropd("image", (20, 24, 20)),
                NormalizeIntensityd("image", nonzero=True),
                ToTensord("image", track_meta=False),
            ]
        )
        items = [{"image": row["image"], "label": row[self.target]} for row in self.rows]
        ends = [0, *(int(sum(self.parts[: k + 1]) * len(items)) for k in range(len(self.parts)))]
        self.sets = [CacheDataset(items[a:b], steps, num_workers=None, progress=False) for a, b in pairwise(ends)]

    def train_dataloader(self):
        return DataLoader(self.sets[0], batch_size=16, shuffle=True)

    def val_dataloader(self):
        return DataLoader(self.sets[1], batch_size=16)

    def test_dataloader(self):
        return DataLoader(self.sets[2], batch_size=16)


class Module(L.LightningModule):
    def __init__(self, encoder, outputs, rate, penalty=0.0):
        super().__init__()
        self.encoder, self.head = encoder, nn.Linear(encoder.feature_dim, outputs)
        self.rate, self.penalty = rate, penalty
        self.start = {name: value.detach().clone() for name, value in encoder.named_parameters()}

    def loss(self, batch):
        found = self.head(self.encoder(batch["image"]))
        if found.shape[1] == 1:
            return functional.mse_loss(found[:, 0], batch["label"].float()), found
        return functional.cross_entropy(found, batch["label"].long()), found

    def training_step(self, batch, index):
        loss, _ = self.loss(batch)
        if self.penalty:
            moved = ((value - self.start[name]) ** 2 for name, value in self.encoder.named_parameters())
            loss = loss + self.penalty / 2 * sum(part.sum() for part in moved)
        self.log("train", loss)
        return loss

    def validation_step(self, batch, index):
        self.log("val", self.loss(batch)[0])

    def test_step(self, batch, index):
        loss, found = self.loss(batch)
        self.log_dict({"test": loss, "accuracy": (found.argmax(1) == batch["label"]).float().mean()})

    def configure_optimizers(self):
        return torch.optim.AdamW(self.parameters(), lr=self.rate, weight_decay=0.0)


def main(network, rate, penalty):
    L.seed_everything(0)
    with (FOLDER / "participants.tsv").open(newline="") as table:
        rows = list(csv.DictReader(table, delimiter="\t"))
    for row in rows:
        row["image"] = str(next((FOLDER / row["participant_id"]).glob("**/*_T1w.nii.gz")))
        row["age"], row["sex"] = (float(row["age"]) - 50) / 20, int(row["sex"] == "M")
    cut = int(0.6 * len(rows))
    inputs = Inputs(1, (20, 24, 20))
    encoder = ResNet3D(inputs, depth=10, filters=8) if network == "resnet3d" else SFCN(inputs, channels=[8, 16, 32, 32])
    root = Path("handwritten")
    trainer = L.Trainer(max_epochs=2, accelerator="cpu", default_root_dir=root, log_every_n_steps=1)
    trainer.fit(Module(encoder, 1, rate), Brains(rows[:cut], "age", (0.8, 0.2)))
    module, data = Module(encoder, 2, rate, penalty), Brains(rows[cut:], "sex", (0.6, 0.2, 0.2))
    trainer = L.Trainer(max_epochs=1, accelerator="cpu", default_root_dir=root, log_every_n_steps=1)
    trainer.fit(module, data)
    trainer.test(module, data, verbose=False)


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), float(sys.argv[3]))
