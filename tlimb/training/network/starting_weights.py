"""What a training takes over: a parent's encoder and heads, or an encoder from a file of weights."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import torch

from tlimb.components.contracts import Auxiliary, Inputs, Layout, Network
from tlimb.components.weights import Sorted, advice
from tlimb.manifest import Fit, Head
from tlimb.manifest.parts import Weights
from tlimb.problems import ExitCode, Problem, TlimbError
from tlimb.protocol.options import Places
from tlimb.store import disk
from tlimb.store.documents.passport import read_passport
from tlimb.training.job import Job
from tlimb.training.network.instantiate import build
from tlimb.training.network.networks import (
    Loaded,
    build_network,
    foreign_tensors,
    load_encoder,
    load_heads,
    load_scales,
    load_tensors,
    positions_of,
    with_scales,
)


def inherit(job: Job, network: Network, heads: Sequence[Head]) -> tuple[Loaded | None, list[str]]:
    """Put the parent's encoder, and its heads where the spec keeps them, into the network.

    Args:
        job: the manifest, and where its parents lie.
        network: as it was initialised.
        heads: with the scales of their targets.

    Returns:
        What was loaded, None for nothing; names of the heads that were kept.
    """
    content = job.manifest.as_a(Fit)
    if content.encoder_parent is not None:
        folder = job.parent(content.encoder_parent)
        tensors, own = load_tensors(folder / "encoder.safetensors"), network.encoder
        positions = positions_of(read_passport(folder), job.places) if own.positions else None
        loaded = load_encoder(own, tensors, content.adapt, positions)
        return loaded, _keep_heads(network, folder, heads) if content.adapt.heads == "keep" else []
    if content.foreign is None:
        return None, []
    found = _foreign(content.foreign, job.places)
    loaded = load_encoder(network.encoder, found.tensors, content.adapt)
    if content.foreign.layout is not None:
        report = {"dropped": list(found.dropped), "folded": list(found.folded), "unwrapped": found.unwrapped}
        loaded = Loaded(loaded.tensors, {**loaded.report, "layout": report})
    return loaded, []


def trained(folder: Path, places: Places, device: torch.device) -> Network:
    """Give the network of a training that has ended, as its passport says, in evaluation mode on a device."""
    passport = read_passport(folder)
    inputs = Inputs(passport.inputs.channels, passport.inputs.shape)
    heads = with_scales(passport.heads, load_scales(folder))
    network = build_network(passport.architecture, heads, inputs, 0, places)
    network.encoder.network.load_state_dict(load_tensors(folder / "encoder.safetensors"))
    found = load_tensors(folder / "heads.safetensors")
    for name, head in network.heads.items():
        head.load_state_dict(
            {key[len(name) + 1 :]: value for key, value in found.items() if key.startswith(name + ".")}
        )
    for module in (network.encoder, *network.heads.values()):
        module.to(device).eval()
    return network


def teach(
    job: Job, auxiliaries: Iterable[Auxiliary], heads: Sequence[Head], inputs: Inputs, device: torch.device
) -> None:
    """Give auxiliary objectives the trained networks of the slots that they read.

    Raises:
        TlimbError: nobody reads a slot (64); its images, or the classes of a head, are others (65).
    """
    readers = list(auxiliaries)
    for slot, work in job.manifest.as_a(Fit).teachers.items():
        mine = [one for one in readers if slot in one.slots]
        if not mine:
            problem = Problem("slot", f"nothing reads the slot {slot}")
            raise TlimbError(problem, ExitCode.USAGE)
        folder = job.parent(work)
        passport = read_passport(folder)
        seen = passport.inputs.whole
        if seen != (inputs.channels, *inputs.shape):
            message = (
                f"the {slot} was trained on images of shape {list(seen)}, these are {[inputs.channels, *inputs.shape]}"
            )
            raise TlimbError(Problem("other-shape", message), ExitCode.DATA)
        theirs = {head.name: head.facts.classes for head in passport.heads}
        for head in heads:
            if theirs.get(head.name, head.facts.classes) != head.facts.classes:
                message = f"the classes of the head {head.name} are not those of the {slot}"
                raise TlimbError(Problem("heads-differ", message, help="pool the datasets"), ExitCode.DATA)
        network = trained(folder, job.places, device)
        for module in (network.encoder, *network.heads.values()):
            module.requires_grad_(False)
        for one in mine:
            one.learn_from(slot, network)


def _keep_heads(network: Network, folder: Path, heads: Sequence[Head]) -> list[str]:
    """Take the parent's heads; their outputs must mean the same here.

    Raises:
        TlimbError: a head is not the parent's in name, classes or scale (65).
    """
    theirs = {head.name: head.facts for head in with_scales(read_passport(folder).heads, load_scales(folder))}
    for head in heads:
        facts, other = head.facts, theirs.get(head.name)
        if other is None or (other.classes, other.mean, other.sd) != (facts.classes, facts.mean, facts.sd):
            message = f"the head {head.name} cannot be kept: the parent has none of equal name, classes and scale"
            problem = Problem("heads-differ", message, help="write `adapt: {heads: new}`, or pool the datasets")
            raise TlimbError(problem, ExitCode.DATA)
    names = [head.name for head in heads]
    kept = load_heads(network, load_tensors(folder / "heads.safetensors"), names)
    if kept != names:
        lost = ", ".join(name for name in names if name not in kept)
        problem = Problem("heads-differ", f"the layers of the head {lost} differ from the parent's")
        raise TlimbError(problem, ExitCode.DATA)
    return kept


def _foreign(weights: Weights, places: Places) -> Sorted:
    sha256, named = weights.sha256, weights.layout
    path = places.weights.get(sha256, places.private / "weights" / sha256)
    try:
        found = disk.sha256(path)
    except OSError as error:
        problem = Problem("no-weights", f"the weights {sha256[:16]} are not on this machine")
        raise TlimbError(problem, ExitCode.DATA) from error
    if found != sha256:
        raise TlimbError(Problem("changed-weights", f"the weights {sha256[:16]} were changed"), ExitCode.DATA)
    try:
        return foreign_tensors(path, None if named is None else build(named, Layout, places))
    except ValueError as error:
        raise TlimbError(Problem("weights-mismatch", str(error), help=advice(str(error))), ExitCode.DATA) from error
