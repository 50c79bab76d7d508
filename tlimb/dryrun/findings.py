"""What a deep check hands over, and what it is given; imports no torch."""

from typing import Any

from attrs import Factory, asdict, frozen

from tlimb.problems import Problem


@frozen
class Images:
    """What the headers of some images say; all that the check knows of them.

    Attributes:
        shape: size along each axis as stored.
        spacing_mm: voxel size in mm; None where the file has none.
        suffix: `.nii`, `.npy` or `.png`.
        mask: a mask lies beside the image.
    """

    shape: tuple[int, ...]
    spacing_mm: tuple[float, ...] | None
    suffix: str
    mask: bool = False


@frozen
class Memory:
    """An estimate of what training allocates at its peak, in bytes; without Python, libraries and stored volumes.

    Attributes:
        parameters: weights and buffers, the copies of them that transfer and `keep: best` hold, and what scenario and
            auxiliary objectives keep: layers, copies, teachers.
        gradients: of what is trained.
        optimizer: state that the optimizer keeps.
        activations: everything else at the peak: what the forward pass keeps for the backward pass, and the batch.
    """

    parameters: int
    gradients: int
    optimizer: int
    activations: int

    @property
    def total(self) -> int:
        """Give the sum."""
        return self.parameters + self.gradients + self.optimizer + self.activations


@frozen
class Facts:
    """What was found of some runs that are alike in everything that shapes a network.

    Attributes:
        works: the runs.
        channels: of the input.
        shape: of the input, voxels or pixels.
        total: number of parameters, heads included.
        trainable: number of those that train in the first epoch.
        features: width of the encoder's output.
        heads: name and width of each head's output.
        batch_size: samples of a batch.
        precision: fp32, bf16 or fp16.
        memory: None where it could not be measured.
        multiply_adds: of the forward pass of one sample, in convolutions and matrix products; None when unknown.
        method: `meta`, `fake`, or `cpu` when neither of them could do what the network does.
        transfer: numbers of tensors `matched`, `adapted`, `missing`, `mismatched`; None without a parent.
        changes: name of each adapted tensor and what is done to it, in words.
    """

    works: tuple[str, ...]
    channels: int
    shape: tuple[int, ...]
    total: int
    trainable: int
    features: int
    heads: tuple[tuple[str, int], ...]
    batch_size: int
    precision: str
    memory: Memory | None
    multiply_adds: int | None
    method: str
    transfer: tuple[tuple[str, int], ...] | None = None
    changes: tuple[tuple[str, str], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Give it as JSON, the works left out."""
        found = asdict(self, filter=lambda attribute, _: attribute.name != "works")
        if self.memory is not None:
            found["memory"]["total"] = self.memory.total
        transfer = None if self.transfer is None else dict(self.transfer)
        pairs = {"heads": dict(self.heads), "transfer": transfer, "changes": dict(self.changes)}
        return {**found, "shape": list(self.shape), **pairs}


@frozen
class Elsewhere:
    """Another setting that explains a flaw: of the same runs, or of a parent."""

    setting: str
    message: str
    work: str | None = None


@frozen
class Flaw:
    """What does not fit.

    Attributes:
        works: the runs that have it.
        setting: the setting that is at fault, as a key of a stage: `architecture`, `freeze/up_to`, `from`.
        problem: without a place.
        elsewhere: other settings that explain.
    """

    works: tuple[str, ...]
    setting: str
    problem: Problem
    elsewhere: tuple[Elsewhere, ...] = ()


@frozen
class Report:
    """Everything that a deep check found, in the order of the plan."""

    facts: tuple[Facts, ...] = Factory(tuple)
    flaws: tuple[Flaw, ...] = Factory(tuple)
