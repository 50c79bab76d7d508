"""Frozen means frozen: what trains is a function of the spec and the epoch, applied before every batch."""

from attrs import define
from torch import nn

from tlimb.components.contracts import Encoder
from tlimb.components.freezing import ALL, frozen_modules, frozen_names
from tlimb.manifest.parts import Freeze


@define(eq=False)
class Freezer:
    """Freezes the part of an encoder that a `freeze` block names.

    Frozen parameters ask for no gradient, so no optimizer moves or decays them; frozen modules stay in eval mode
    whatever `train()` says, so running statistics and dropout rest too.

    Attributes:
        encoder: the network.
        spec: the `freeze` block of the manifest.
    """

    encoder: Encoder
    spec: Freeze

    def boundary(self, epoch: int) -> str | None:
        """Give the first module that trains in an epoch (from 0): None for all of them, `all` for none."""
        up_to = self.spec.up_to
        if up_to is None:
            return None
        thaw_epoch, every = self.spec.thaw_epoch, self.spec.thaw_every_epochs
        if thaw_epoch is not None and epoch >= thaw_epoch:
            return None
        if every is None or epoch < every:
            return str(up_to)
        stages = self._stages_before(str(up_to))
        thawed = epoch // every
        return stages[-thawed] if thawed < len(stages) else None

    def _stages_before(self, up_to: str) -> list[str]:
        if up_to == ALL:
            return list(self.encoder.stages)
        order = [name for name, _ in self.encoder.network.named_modules()]
        return [stage for stage in self.encoder.stages if order.index(stage) < order.index(up_to)]

    def names(self, epoch: int) -> set[str]:
        """Give the parameters and buffers of `encoder.network` that rest in an epoch."""
        return frozen_names(self.encoder.network, self.boundary(epoch))

    def apply(self, epoch: int) -> None:
        """Set what asks for a gradient in an epoch."""
        frozen = self.names(epoch)
        for name, parameter in self.encoder.network.named_parameters():
            parameter.requires_grad_(name not in frozen)
            if name in frozen:
                parameter.grad = None

    def rest(self, epoch: int) -> None:
        """Put the frozen modules into eval mode."""
        if self.boundary(epoch) == ALL:
            self.encoder.eval()
            return
        resting = set(frozen_modules(self.encoder.network, self.names(epoch)))
        for module in self.encoder.network.modules():
            # A container may act by its own mode (attention drops by it), so one that rests wholly is switched too.
            if resting.issuperset(inner for inner in module.modules() if not any(inner.children())):
                module.training = False


def count(encoder: nn.Module, heads: nn.Module) -> dict[str, int]:
    """Count parameters: all, those that train, those that are frozen."""
    parameters = [*encoder.parameters(), *heads.parameters()]
    total = sum(parameter.numel() for parameter in parameters)
    trainable = sum(parameter.numel() for parameter in parameters if parameter.requires_grad)
    return {"total": total, "trainable": trainable, "frozen": total - trainable}
