"""The peer of the grid over slices: pretrain on age, finetune on sex, test, as one would write it with Lightning.

One process is one configuration: `handwritten_slices.py resnet|vit RATE PENALTY`. Networks, images, epochs and batch
sizes are those of the study in `benchmarks.slices`; all pictures are held in memory from the start.
"""

import csv
import sys
from pathlib import Path

import lightning as L  # noqa: N812
import numpy as np
import timm
import torch
from timm.models.vision_transformer import VisionTransformer
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

FOLDER = Path("data")
FINETUNE = 75


class Slices(L.LightningDataModule):
    def __init__(self, rows, target, train):
        super().__init__()
        self.rows, self.target, self.train = rows, target, train

    def setup(self, stage=None):
        pictures = np.stack([np.load(FOLDER / f"{row['participant_id']}.npy") for row in self.rows])
        mean, sd = pictures.mean((1, 2), keepdims=True), pictures.std((1, 2), keepdims=True)
        inputs = torch.from_numpy((pictures - mean) / sd).unsqueeze(1)
        labels = torch.tensor([row[self.target] for row in self.rows])
        self.sets = (
            TensorDataset(inputs[: self.train], labels[: self.train]),
            TensorDataset(inputs[self.train :], labels[self.train :]),
        )

    def train_dataloader(self):
        return DataLoader(self.sets[0], batch_size=32, shuffle=True)

    def test_dataloader(self):
        return DataLoader(self.sets[1], batch_size=32)


class Module(L.LightningModule):
    def __init__(self, encoder, outputs, rate, penalty=0.0):
        super().__init__()
        self.encoder, self.head = encoder, nn.Linear(encoder.num_features, outputs)
        self.rate, self.penalty = rate, penalty
        self.start = {name: value.detach().clone() for name, value in encoder.named_parameters()}

    def loss(self, batch):
        inputs, labels = batch
        found = self.head(self.encoder(inputs))
        if found.shape[1] == 1:
            return functional.mse_loss(found[:, 0], labels.float()), found
        return functional.cross_entropy(found, labels), found

    def training_step(self, batch, index):
        loss, _ = self.loss(batch)
        if self.penalty:
            moved = ((value - self.start[name]) ** 2 for name, value in self.encoder.named_parameters())
            loss = loss + self.penalty / 2 * sum(part.sum() for part in moved)
        self.log("train", loss)
        return loss

    def test_step(self, batch, index):
        loss, found = self.loss(batch)
        self.log_dict({"test": loss, "accuracy": (found.argmax(1) == batch[1]).float().mean()})

    def configure_optimizers(self):
        return torch.optim.AdamW(self.parameters(), lr=self.rate, weight_decay=0.0)


def people(name):
    with (FOLDER / f"{name}.csv").open(newline="") as table:
        rows = list(csv.DictReader(table))
    for row in rows:
        row["age"], row["sex"] = (float(row["age"]) - 50) / 20, int(row["sex"] == "M")
    return rows


def encoder_of(network):
    if network == "resnet":
        return timm.create_model("resnet18", in_chans=1, num_classes=0)
    return VisionTransformer(img_size=96, patch_size=16, in_chans=1, num_classes=0, embed_dim=192, depth=6, num_heads=3)


def main(network, rate, penalty):
    L.seed_everything(0)
    source, target = people("source"), people("target")
    root = Path("handwritten")
    encoder = encoder_of(network)
    trainer = L.Trainer(max_epochs=2, accelerator="cpu", default_root_dir=root, log_every_n_steps=1)
    trainer.fit(Module(encoder, 1, rate), Slices(source, "age", len(source)))
    module, data = Module(encoder, 2, rate, penalty), Slices(target, "sex", FINETUNE)
    trainer = L.Trainer(max_epochs=1, accelerator="cpu", default_root_dir=root, log_every_n_steps=1)
    trainer.fit(module, data)
    trainer.test(module, data, verbose=False)


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), float(sys.argv[3]))
