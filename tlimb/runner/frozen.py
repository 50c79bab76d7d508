"""Frozen means frozen: what trains is a function of the spec and the epoch, applied before every batch."""

from collections.abc import Mapping
from typing import Any

from attrs import define, field
from torch import nn

from tlimb.components.contracts import Encoder
from tlimb.problems import ExitCode, Problem, TlimbError


@define
class Freezer:
    """Freezes the part of an encoder that a `freeze` block names.

    Frozen parameters ask for no gradient, so no optimizer moves or decays them; frozen modules stay in eval mode
    whatever `train()` says, so running statistics and dropout rest too.
    """

    encoder: Encoder
    spec: Mapping[str, Any]
    _parameters: list[str] = field(init=False)
    _modules: list[str] = field(init=False)

    def __attrs_post_init__(self) -> None:
        """Read the network's parameters and modules, in the order in which they were registered."""
        self._parameters = [name for name, _ in self.encoder.network.named_parameters()]
        self._modules = [name for name, _ in self.encoder.network.named_modules() if name]
        self.boundary(0)

    def boundary(self, epoch: int) -> str | None:
        """Give the first module that trains in an epoch (from 0): None for all, `all` for none of them."""
        up_to = self.spec.get("up_to")
        if up_to is None:
            return None
        thaw_epoch, every = self.spec.get("thaw_epoch"), self.spec.get("thaw_every_epochs")
        if thaw_epoch is not None and epoch >= thaw_epoch:
            return None
        if up_to != "all" and up_to not in self._modules:
            raise TlimbError(
                Problem("no-such-module", f"the network has no module {up_to!r} to freeze up to"), ExitCode.USAGE
            )
        if every is None or epoch < every:
            return str(up_to)
        stages = [stage for stage in self.encoder.stages if self._before(stage, str(up_to))]
        thawed = epoch // every
        return stages[-thawed] if thawed <= len(stages) - 1 else None

    def _before(self, module: str, up_to: str) -> bool:
        return up_to == "all" or self._modules.index(module) < self._modules.index(up_to)

    def frozen_parameters(self, epoch: int) -> frozenset[str]:
        """Give the names of the parameters in `encoder.network` that rest in an epoch."""
        boundary = self.boundary(epoch)
        if boundary is None:
            return frozenset()
        if boundary == "all":
            return frozenset(self._parameters)
        inside = [name for name in self._parameters if name == boundary or name.startswith(boundary + ".")]
        later = self._modules[self._modules.index(boundary) :]
        first = inside[0] if inside else next((n for n in self._parameters if n.rpartition(".")[0] in later), None)
        return frozenset(self._parameters[: self._parameters.index(first)] if first else self._parameters)

    def apply(self, epoch: int) -> None:
        """Set what asks for a gradient in an epoch."""
        frozen = self.frozen_parameters(epoch)
        for name, parameter in self.encoder.network.named_parameters():
            parameter.requires_grad_(name not in frozen)
            if name in frozen:
                parameter.grad = None

    def rest(self, epoch: int) -> None:
        """Put the frozen modules into eval mode."""
        boundary = self.boundary(epoch)
        if boundary is None:
            return
        if boundary == "all":
            self.encoder.eval()
            return
        frozen = self.frozen_parameters(epoch)
        last = self._modules.index(boundary)
        for name in self._modules[:last]:
            module = self.encoder.network.get_submodule(name)
            inner = {f"{name}.{inner}" for inner, _ in module.named_parameters()}
            if inner <= frozen and not boundary.startswith(name + "."):
                module.train(False)


def count(encoder: nn.Module, heads: nn.Module) -> dict[str, int]:
    """Count parameters: all, those that train, those that are frozen."""
    parameters = [*encoder.parameters(), *heads.parameters()]
    total = sum(parameter.numel() for parameter in parameters)
    trainable = sum(parameter.numel() for parameter in parameters if parameter.requires_grad)
    return {"total": total, "trainable": trainable, "frozen": total - trainable}
