"""Source of a researcher's own package, as text: nothing of tlimb may import it before a run may."""

INIT = '''"""Our own."""

from pathlib import Path

Path(__file__).with_name("imported.txt").write_text("yes")
'''

NETS = '''"""A small network."""

from torch import nn

from tlimb.components.contracts import Encoder


class Small(Encoder):
    """Two convolutions."""

    dims = (3,)

    def __init__(self, inputs, *, width: int = 4):
        super().__init__()
        self.feature_dim = width
        self.network = nn.Sequential()
        # the first layer
        self.network.add_module("first", nn.Conv3d(inputs.channels, width, 3, stride=2))
        self.network.add_module("second", nn.Conv3d(width, width, 3, stride=2))
        self.stages = ("first", "second")

    def forward(self, inputs):
        return self.network(inputs).relu().mean(dim=(2, 3, 4))
'''

LOSSES = '''"""Objectives that fail in their own ways, and one that does not."""

import torch

from tlimb.components.objectives.regression import Regression


class Moody(Regression):
    """Regression in a mood.

    Args:
        target: label.
        mood: what happens in the loss.
    """

    def __init__(self, facts, *, target: str, mood: str = "good"):
        super().__init__(facts, target=target)
        self.mood = mood

    def loss(self, outputs, targets, valid):
        if self.mood == "raises":
            raise RuntimeError("CANARY: the target was " + str(targets.tolist()))
        if self.mood == "nan":
            return super().loss(outputs, targets, valid) * float("nan")
        if self.mood == "dies":
            import os

            os._exit(9)
        return super().loss(outputs, targets, valid)
'''


def install(project):
    """Put the package into a project's folder."""
    folder = project.folder / "my_lab"
    folder.mkdir()
    for name, text in (("__init__", INIT), ("nets", NETS), ("losses", LOSSES)):
        (folder / f"{name}.py").write_text(text)
    return folder
