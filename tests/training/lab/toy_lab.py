"""Small components of our own, so that these tests say something about the runner and not about a component."""

import copy

import nibabel as nib
import numpy as np
import torch
from torch import nn

from tlimb.components.contracts import (
    Auxiliary,
    DataModule,
    Encoder,
    Head,
    Layout,
    Metric,
    Objective,
    Optimizer,
    Sampler,
    Scenario,
    Scheduler,
    StepContext,
    Weighting,
)


class ToyData(DataModule):
    def __init__(self, *, noise=0.0):
        self.noise = noise

    def load(self, image, mask):
        voxels = np.asanyarray(nib.load(image, mmap=False).dataobj, dtype=np.float32)
        return ((voxels - voxels.mean()) / voxels.std())[None]

    def recipe(self):
        return {"toy": 1}

    def augment(self, inputs, seeds):
        if not self.noise:
            return inputs
        for image, seed in zip(inputs, seeds, strict=True):
            image += self.noise * torch.randn(image.shape, generator=torch.Generator().manual_seed(int(seed)))
        return inputs


class ToyEncoder(Encoder):
    stages = ("stem", "norm", "second")

    def __init__(self, inputs, *, width=4, dropout=0.2, norm="batch"):
        super().__init__()
        self.feature_dim = 2 * width
        self.network = nn.Sequential()
        self.network.add_module("stem", nn.Conv3d(inputs.channels, width, 3, stride=2))
        self.network.add_module("norm", nn.BatchNorm3d(width) if norm == "batch" else nn.GroupNorm(2, width))
        self.network.add_module("act", nn.ReLU())
        self.network.add_module("drop", nn.Dropout(dropout))
        self.network.add_module("second", nn.Conv3d(width, 2 * width, 2))

    def forward(self, inputs):
        return self.network(inputs).flatten(2).mean(2)


class ToyHead(Head):
    def __init__(self, features, outputs):
        super().__init__()
        self.linear = nn.Linear(features, outputs)

    def forward(self, features):
        return self.linear(features)


class ToyClasses(Objective):
    kind = "class"
    divisible = True
    metrics = ("accuracy",)

    def __init__(self, facts):
        self.outputs = len(facts.classes)

    def loss(self, outputs, targets, valid):
        if not valid.any():
            return outputs.sum() * 0
        return nn.functional.cross_entropy(outputs[valid], targets[valid])

    def predict(self, outputs):
        return outputs.softmax(1)


class ToyNumber(Objective):
    kind = "number"
    divisible = True
    metrics = ("mae",)
    outputs = 1

    def __init__(self, facts, *, scale=1.0):
        self.facts = facts
        self.scale = scale

    def loss(self, outputs, targets, valid):
        if not valid.any():
            return outputs.sum() * 0
        wanted = (targets[valid] - self.facts.mean) / self.facts.sd
        return (outputs[valid, 0] * self.scale - wanted).square().mean()

    def predict(self, outputs):
        return outputs[:, 0] * self.facts.sd + self.facts.mean


class ToyPull(Auxiliary):
    needs_parent = True

    def __init__(self, *, alpha=0.1):
        self.alpha = alpha

    def begin(self, encoder, transferred):
        self.anchor = transferred

    def loss(self, context):
        own = dict(context.encoder.network.named_parameters())
        return self.alpha * sum((own[name] - self.anchor[name]).square().sum() for name in own)


class ToyOwner(Auxiliary):
    """Owns a trained layer and a running mean of the encoder, and adds what both say."""

    rate = 3.0
    weight_decay = 0.0
    ramp_epochs = 2

    def build(self, network, inputs):
        self.layer = nn.Linear(network.encoder.feature_dim, 1)
        self.mean = copy.deepcopy(network.encoder.network).requires_grad_(False)
        return nn.ModuleDict({"layer": self.layer, "mean": self.mean})

    def after_step(self, network, progress):
        for slow, fast in zip(self.mean.parameters(), network.encoder.network.parameters(), strict=True):
            slow.lerp_(fast.detach(), 0.3)

    def loss(self, context):
        role = next(iter(context.features))
        slow = self.mean(context.batches[role].inputs).flatten(2).mean(2)
        near = (context.features[role] - slow).square().mean()
        return near + (self.layer(context.features[role]) - 1).square().mean()


class ToyLearned(Weighting):
    rate = 2.0

    def build(self, network, inputs):
        self.logs = nn.ParameterDict({name: nn.Parameter(torch.zeros(())) for name in network.heads})
        return self.logs

    def combine(self, terms):
        return {name: (-self.logs[name]).exp() * term + self.logs[name] / 2 for name, term in terms.items()}


class ToyGroups(Sampler):
    def __init__(self, *, by):
        self.by = by

    def order(self, groups, generator):
        weights = 1.0 / torch.bincount(groups)[groups]
        return torch.multinomial(weights, len(groups), replacement=True, generator=generator)


class ToyAdam(Optimizer):
    def __init__(self, *, lr=1e-2, weight_decay=0.01):
        self.lr = lr
        self.options = {"lr": lr, "weight_decay": weight_decay}

    def build(self, groups):
        return torch.optim.AdamW(groups, **self.options)


class ToyCycle(Scheduler):
    def build(self, optimizer, steps):
        return torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1e-2, total_steps=steps)


class ToySupervised(Scenario):
    divisible = True

    def terms(self, network, batches, step, progress):
        batch = next(iter(batches.values()))
        features = network.encoder(batch.inputs)
        outputs = {name: head(features) for name, head in network.heads.items()}
        terms = {
            name: network.weights[name]
            * network.objectives[name].loss(outputs[name], batch.targets[name], batch.valid[name])
            for name in outputs
        }
        if len(batches) > 1:
            other = batches["extra"]
            terms["extra"] = 0.01 * network.encoder(other.inputs).square().mean()
        role = next(iter(batches))
        return terms, StepContext(network.encoder, network.heads, batches, {role: features}, outputs, step, progress)


class ToyTwoRoles(ToySupervised):
    roles = ("data", "extra")


class ToyAccuracy(Metric):
    kind = "class"
    direction = "max"

    def compute(self, targets, predictions):
        return float((predictions.argmax(1) == targets).mean())


class ToyError(Metric):
    kind = "number"
    direction = "min"

    def compute(self, targets, predictions):
        return float(np.abs(predictions - targets).mean())


class ToyLayout(Layout):
    unwrap = ("net",)
    prefixes = ("body/",)
    renames = ((r"^first", "stem"),)
    drop = ("tail*",)
    licence = "ours"
