"""Which samples make up which batch: a pure function of the seed and the batch's number.

Batches of a run are numbered from 0 without regard to epochs or restarts. A loader is asked for a range of
numbers that is fixed before training starts; no hook, no epoch counter and no worker takes part in the order.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from attrs import define, evolve, field, frozen
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from tlimb.components.contracts import Array, Batch, DataModule, Part, Sampler
from tlimb.training.seeds import augmentation, order_generator, permutation


@frozen(eq=False)
class Volumes:
    """Volumes of one view in row order, in memory or mapped from the cache.

    Attributes:
        stacked: (n, channel, *spatial) float32, on the CPU or on a GPU; None when they are mapped.
        mapped: one read-only array a row; empty when they are stacked.
        shape: (channel, *spatial).
    """

    stacked: Tensor | None
    mapped: tuple[Array, ...]
    shape: tuple[int, ...]

    def take(self, rows: Tensor) -> Tensor:
        """Return the volumes of some rows, (batch, channel, *spatial) float32, copied, on the device where they lie."""
        if self.stacked is not None:
            return self.stacked[rows]
        return torch.from_numpy(np.stack([self.mapped[int(row)] for row in rows]))

    def resident(self, device: torch.device) -> "Volumes":
        """Return the same volumes in the memory of a GPU, where they take at most a third of what is free there."""
        if device.type != "cuda" or self.stacked is None:
            return self
        free, _ = torch.cuda.mem_get_info(device)
        if 3 * self.stacked.numel() * self.stacked.element_size() > free:
            return self
        return Volumes(self.stacked.to(device), (), self.shape)


@frozen
class StepInfo:
    """Where one batch stands.

    Attributes:
        index: number of the batch in the run.
        epoch: epoch of the first role, from 0.
        step: optimizer steps done before this batch.
        within: number of the batch in its epoch.
        group: batches whose gradients make up the step that this batch belongs to.
        closes: the optimizer steps after this batch.
        ends_epoch: the epoch, or the run, ends after this batch.
    """

    index: int
    epoch: int
    step: int
    within: int
    group: int
    closes: bool
    ends_epoch: bool


def batches_of(rows: int, batch_size: int, devices: int = 1) -> int:
    """Give the batches of an epoch of so many samples; nobody is left out.

    A single sample that would be left over for a device joins the batch before it: batch normalisation has nothing
    to normalise by in a batch of one, so such an epoch would fail at its end, or learn from noise.
    """
    over = rows % batch_size
    alone = 0 < over < 2 * devices and rows > batch_size > 1
    return -(-rows // batch_size) - alone


@frozen
class TrainLength:
    """How many batches and steps a run has.

    Attributes:
        rows: samples of the first role.
        batch_size: samples per batch.
        accumulate: batches per optimizer step; the last step of an epoch has what is left.
        epochs: passes over the first role, or None.
        steps: optimizer steps, when there are no epochs; the passes go on until they are done.
        limit: stop after so many batches; None for no limit.
        devices: how many share each batch.
    """

    rows: int
    batch_size: int
    accumulate: int
    epochs: int | None
    steps: int | None
    limit: int | None = None
    devices: int = 1

    @property
    def per_epoch(self) -> int:
        """Give the batches of an epoch, the short last one included."""
        return batches_of(self.rows, self.batch_size, self.devices)

    @property
    def steps_per_epoch(self) -> int:
        """Give the optimizer steps of an epoch."""
        return -(-self.per_epoch // self.accumulate)

    @property
    def total_steps(self) -> int:
        """Give the optimizer steps of the run."""
        return self.steps if self.steps is not None else (self.epochs or 0) * self.steps_per_epoch

    @property
    def total_epochs(self) -> int:
        """Give the epochs of the run, a started one included."""
        return -(-self.total_steps // self.steps_per_epoch)

    @property
    def batches(self) -> int:
        """Give the batches of the run."""
        whole, rest = divmod(self.total_steps, self.steps_per_epoch)
        count = whole * self.per_epoch + rest * self.accumulate
        return count if self.limit is None else min(count, self.limit)

    @property
    def epochs_run(self) -> int:
        """Return the epochs that have batches; a limit may leave out the last ones."""
        return -(-self.batches // self.per_epoch)

    def at(self, index: int) -> StepInfo:
        """Give the position of a batch."""
        epoch, within = divmod(index, self.per_epoch)
        first = within - within % self.accumulate
        group = min(self.accumulate, self.per_epoch - first)
        last = index + 1 == self.batches
        return StepInfo(
            index,
            epoch,
            epoch * self.steps_per_epoch + within // self.accumulate,
            within,
            group,
            closes=within + 1 == first + group or last,
            ends_epoch=within + 1 == self.per_epoch or last,
        )


@frozen(eq=False)
class Source:
    """The training rows of one role.

    Attributes:
        volumes: their images.
        targets: head -> (n,) targets.
        valid: head -> (n,) bool.
        rows: how many.
        groups: (n,) int64 group of each, for a sampler; None without one.
    """

    volumes: Volumes
    targets: Mapping[str, Tensor]
    valid: Mapping[str, Tensor]
    rows: int
    groups: Tensor | None = None


@define(eq=False)
class Batches(Dataset[tuple[int, dict[str, Batch]]]):
    """All batches of a run by number; each gives one batch of every role.

    The first role says how long an epoch is; the others are walked through in permutations of their own.

    Attributes:
        sources: role -> training rows.
        data: changes batches before they go to the device.
        seed: of the run.
        sizes: role -> samples in a batch.
        sampler: draws the rows of an epoch; None for all of them in a random order.
        device: number of the device, from 0, that these batches are for.
        devices: how many share each batch; a device has one stretch of it.
    """

    sources: Mapping[str, Source]
    data: DataModule
    seed: int
    sizes: Mapping[str, int]
    sampler: Sampler | None = None
    device: int = 0
    devices: int = 1
    _orders: dict[tuple[str, int], Tensor] = field(factory=dict, init=False)

    def __getitem__(self, index: int) -> tuple[int, dict[str, Batch]]:
        """Give the number and, by role, the batch."""
        return index, {role: self._batch(role, source, index) for role, source in self.sources.items()}

    def _batch(self, role: str, source: Source, index: int) -> Batch:
        size = self.sizes[role]
        batches = batches_of(source.rows, size, self.devices)
        epoch, within = divmod(index, batches)
        first = within * size
        end = source.rows if within + 1 == batches else first + size
        whole = self._order(role, epoch, source.rows)[first:end]
        rows = whole if self.devices == 1 else whole.tensor_split(self.devices)[self.device]
        seeds = augmentation(self.seed, role, epoch, rows)
        return Batch(
            self.data.before_transfer(source.volumes.take(rows), seeds),
            rows,
            {head: values[rows] for head, values in source.targets.items()},
            {head: values[rows] for head, values in source.valid.items()},
            seeds,
            None if self.devices == 1 else _part(source, rows, whole),
        )

    def _order(self, role: str, epoch: int, rows: int) -> Tensor:
        if (role, epoch) not in self._orders:
            self._orders = {key: order for key, order in self._orders.items() if key[0] != role}
            groups = self.sources[role].groups
            if self.sampler is None or groups is None:
                self._orders[role, epoch] = permutation(self.seed, role, epoch, rows)
            else:
                self._orders[role, epoch] = self.sampler.order(groups, order_generator(self.seed, role, epoch))
        return self._orders[role, epoch]


def _part(source: Source, rows: Tensor, whole: Tensor) -> Part:
    shares = {
        head: float(valid[rows].sum()) / max(1.0, float(valid[whole].sum())) for head, valid in source.valid.items()
    }
    return Part(len(whole), len(rows) / len(whole), shares)


def resident(sources: Mapping[str, Source], data: DataModule, device: torch.device, workers: int) -> dict[str, Source]:
    """Give the training rows, on the GPU where they fit there and nothing has to happen to a batch before."""
    if workers or type(data).before_transfer is not DataModule.before_transfer:
        return dict(sources)
    return {role: evolve(one, volumes=one.volumes.resident(device)) for role, one in sources.items()}


def load(batches: Batches, numbers: range, device: torch.device, workers: int) -> "DataLoader[Any]":
    """Give a loader of the batches of these numbers; copies to a GPU go through pinned memory."""
    stacks = [source.volumes.stacked for source in batches.sources.values()]
    return DataLoader(
        batches,
        batch_size=None,
        sampler=numbers,
        num_workers=workers,
        pin_memory=device.type == "cuda" and all(stack is None or stack.device.type == "cpu" for stack in stacks),
        # A generator of its own: the loader would draw from torch's otherwise, and change a run.
        generator=torch.Generator().manual_seed(0),
    )


def to_device(batch: Batch, device: torch.device) -> Batch:
    """Move a batch."""
    return Batch(
        batch.inputs.to(device, non_blocking=True),
        batch.rows.to(device, non_blocking=True),
        {head: values.to(device, non_blocking=True) for head, values in batch.targets.items()},
        {head: values.to(device, non_blocking=True) for head, values in batch.valid.items()},
        None if batch.seeds is None else batch.seeds.to(device, non_blocking=True),
        batch.part,
    )


def augmented(batch: Batch, data: DataModule) -> Batch:
    """Change the samples of a batch at random, on its device."""
    return batch if batch.seeds is None else evolve(batch, inputs=data.augment(batch.inputs, batch.seeds))
