"""Following a network while it computes on tensors without memory: layers, operations, and bytes that are alive."""

import math
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from attrs import define, field
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

SCRATCH = frozenset({"native_batch_norm_backward"})
"""Operations whose kernels on the processor take one more tensor of their largest argument's size for a while."""


@define(eq=False)
class Layers:
    """Which layer computes, and what became of the image's size on the way to it.

    Attributes:
        stack: (name, spatial shape of its input) of the layers that are being computed, outermost first; after an
            error, those in which it happened.
        smaller: layers whose output is smaller than their input, in the order of computation.
        read: layer -> spatial shape of its input.
    """

    network: nn.Module
    stack: list[tuple[str, tuple[int, ...]]] = field(factory=list)
    smaller: list[str] = field(factory=list)
    read: dict[str, tuple[int, ...]] = field(factory=dict)

    @property
    def here(self) -> str:
        """Name the layer that is being computed; empty outside of all."""
        return self.stack[-1][0] if self.stack else ""

    def forget(self) -> None:
        """Begin anew."""
        self.stack.clear()
        self.smaller.clear()
        self.read.clear()

    @contextmanager
    def followed(self) -> Iterator[None]:
        """Follow the network inside the context."""
        handles = []
        for name, layer in self.network.named_modules():
            handles.append(layer.register_forward_pre_hook(self._enter(name)))
            handles.append(layer.register_forward_hook(self._leave(name, leaf=not any(layer.children()))))
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _enter(self, name: str) -> Any:
        def hook(_: nn.Module, inputs: Any) -> None:
            self.stack.append((name, _spatial(inputs)))
            self.read[name] = _spatial(inputs)

        return hook

    def _leave(self, name: str, *, leaf: bool) -> Any:
        def hook(_: nn.Module, __: Any, output: Any) -> None:
            before = self.stack.pop()[1]
            after = _spatial(output)
            if leaf and len(before) == len(after) and before != after and all(map(int.__ge__, before, after)):
                self.smaller.append(name)

        return hook


def _spatial(found: Any) -> tuple[int, ...]:
    tensor = next((leaf for leaf in tree_leaves(found) if isinstance(leaf, Tensor)), None)
    return () if tensor is None else tuple(int(length) for length in tensor.shape[2:])


class Alive(TorchDispatchMode):
    """Counts the bytes of all tensors that operations make, from their birth to the death of their storage.

    Attributes:
        live: bytes now.
        peak: most bytes at a time.
        calls: (name of the operation, layer) in the order of computation.
        multiply_adds: of all convolutions, matrix products and attentions.
    """

    def __init__(self, layers: Layers | None = None) -> None:
        """Start with nothing alive; operations are noted with the layer that computes."""
        super().__init__()
        self.layers = layers
        self.live = self.peak = self.multiply_adds = 0
        self.calls: list[tuple[str, str]] = []
        self._sizes: dict[int, int] = {}

    def leave_out(self, tensors: Any) -> None:
        """Count nothing for tensors that were there before, nor for views of them."""
        for leaf in tree_leaves(tensors):
            if isinstance(leaf, Tensor):
                self._sizes[leaf.untyped_storage()._cdata] = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Compute one operation and take note of what it makes."""
        made = func(*args, **(kwargs or {}))
        name = func.overloadpacket.__name__
        self.calls.append((name, "" if self.layers is None else self.layers.here))
        self.multiply_adds += _multiply_adds(name, args, made)
        for leaf in tree_leaves(made):
            if isinstance(leaf, Tensor):
                self._born(leaf)
        if name in SCRATCH:
            tensors = [leaf for leaf in tree_leaves(args) if isinstance(leaf, Tensor)]
            self.peak = max(self.peak, self.live + max(map(bytes_of, tensors), default=0))
        return made

    def _born(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key in self._sizes:
            return
        self._sizes[key] = storage.nbytes()
        self.live += self._sizes[key]
        self.peak = max(self.peak, self.live)
        weakref.finalize(storage, self._died, key)

    def _died(self, key: int) -> None:
        self.live -= self._sizes.pop(key)


def _multiply_adds(name: str, args: Any, made: Any) -> int:
    """Count the multiplications of one operation, each with the addition that follows it.

    torch's own counter of operations would load compilers that nothing else here needs.
    """
    if name == "convolution":
        images, weight, transposed = args[0], args[1], bool(args[6])
        return int((images if transposed else made).numel()) * math.prod(weight.shape[1:])
    if name in ("mm", "bmm"):
        return int(args[0].numel()) * int(args[1].shape[-1])
    if name in ("addmm", "baddbmm"):
        return int(args[1].numel()) * int(args[2].shape[-1])
    if name.startswith("_scaled_dot_product_") and not name.endswith("_backward"):
        queries, keys, values = (tensor.shape for tensor in args[:3])
        return math.prod(queries[:-1]) * int(keys[-2]) * (int(queries[-1]) + int(values[-1]))
    return 0


def bytes_of(tensors: Any) -> int:
    """Sum the bytes of all tensors in any nest of lists and mappings."""
    return sum(leaf.numel() * leaf.element_size() for leaf in tree_leaves(tensors) if isinstance(leaf, Tensor))
