"""Networks without memory: on torch's meta device, else as fake tensors, else for real on the processor."""

import copy
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar

import torch
from attrs import define, field
from torch._subclasses.fake_tensor import FakeTensorMode

from tlimb.components.contracts import Encoder, Inputs, Network
from tlimb.manifest import Fit, canonical
from tlimb.problems import Problem, TlimbError
from tlimb.protocol.options import Places
from tlimb.training.builder import Builder

T = TypeVar("T")
D = TypeVar("D")
METHODS = ("meta", "fake", "cpu")
"""Ways to build a network, the cheapest first; one that fails says nothing about the spec while another succeeds."""


@define(eq=False)
class Bench:
    """Builds each encoder once for each way of building it.

    Attributes:
        places: says what user code may be imported.
    """

    places: Places
    _fake: FakeTensorMode = field(factory=FakeTensorMode)
    _encoders: dict[tuple[str, Inputs, str], Encoder | Exception] = field(factory=dict)

    @contextmanager
    def way(self, method: str) -> Iterator[str]:
        """Compute in one of the ways inside the context, and give the device that tensors are made on.

        The caller's random numbers are what they were afterwards.
        """
        with torch.random.fork_rng(devices=[]):
            if method == "fake":
                # torch logs what does not fit with a traceback; here it becomes a problem or is tried otherwise.
                log = logging.getLogger("torch._subclasses.fake_tensor")
                before, log.disabled = log.disabled, True
                try:
                    with self._fake:
                        yield "cpu"
                finally:
                    log.disabled = before
            else:
                yield method

    @contextmanager
    def construction(self, method: str) -> Iterator[None]:
        """Make modules in one of the ways inside the context."""
        with self.way(method) as device, torch.device(device):
            yield

    def builder(self, fit: Fit, method: str) -> Builder:
        """Return what builds the parts of a training in one of the ways; to be used inside `construction`."""
        return Builder(fit, self.places, device="meta" if method == "meta" else "cpu")

    def encoder(self, fit: Fit, inputs: Inputs, method: str) -> Encoder:
        """Return the encoder of a training.

        Raises:
            TlimbError: it cannot be built in this way.
        """
        assert fit.architecture is not None
        key = (canonical(fit.architecture.to_json()), inputs, method)
        if key not in self._encoders:
            try:
                with self.construction(method):
                    self._encoders[key] = self.builder(fit, method).encoder(inputs)
            except Exception as error:  # noqa: BLE001
                # Modules of other people raise anything when a tensor has no values.
                self._encoders[key] = error
        found = self._encoders[key]
        if isinstance(found, TlimbError):
            raise found
        if isinstance(found, Exception):
            raise TlimbError(Problem("bad-option", f"{fit.architecture.path} cannot be made: {said(found)}")) from found
        return found

    def teachers(self, seen: Mapping[str, tuple[Fit, Inputs]], method: str) -> dict[str, Network]:
        """Build networks that are read and not trained; those that cannot be built in this way are left out.

        Args:
            seen: slot -> content of the manifest, and what the encoder receives.
            method: way of building.
        """
        found = {}
        for slot, (fit, inputs) in seen.items():
            try:
                found[slot] = self.network(fit, inputs, method)
            except TlimbError:
                continue
            for part in (found[slot].encoder, *found[slot].heads.values()):
                part.requires_grad_(False)
        return found

    def network(self, fit: Fit, inputs: Inputs, method: str) -> Network:
        """Return a network of its own, to which hooks may be added and which may be frozen.

        Raises:
            TlimbError: it cannot be built in this way.
        """
        encoder = self.encoder(fit, inputs, method)
        with self.construction(method):
            # On the processor it has memory, and is only looked at; fake tensors cannot be copied with their modules.
            if method == "meta":
                encoder = copy.deepcopy(encoder)
            return self.builder(fit, method).network(inputs, None if method == "fake" else encoder)

    def any_encoder(self, fit: Fit, inputs: Inputs) -> tuple[Encoder, str]:
        """Return an encoder and the first way in which it can be built.

        Raises:
            TlimbError: it can be built in no way; what the last one, the processor, says counts.
        """
        for method in METHODS[:-1]:
            try:
                return self.encoder(fit, inputs, method), method
            except TlimbError:
                continue
        return self.encoder(fit, inputs, METHODS[-1]), METHODS[-1]


def tried(call: Callable[[], T], otherwise: D) -> T | D:
    """Return what a call gives, or `otherwise`: code of other people raises anything where a tensor has no values."""
    try:
        return call()
    except Exception:  # noqa: BLE001
        return otherwise


def said(error: BaseException) -> str:
    """Give an error's first line, without a final dot."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0].rstrip(".")
