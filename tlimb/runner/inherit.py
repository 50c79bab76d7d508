"""What a training takes over: a parent's encoder and heads, or an encoder from a file of weights."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from tlimb.components.contracts import Auxiliary, Inputs, Layout, Network
from tlimb.components.weights import Sorted, advice
from tlimb.problems import ExitCode, Problem, TlimbError
from tlimb.runner.api import Places
from tlimb.runner.code import build
from tlimb.runner.job import Job
from tlimb.runner.networks import (
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
from tlimb.store import disk
from tlimb.store.documents.passport import read_passport


def inherit(job: Job, network: Network, heads: Sequence[Mapping[str, Any]]) -> tuple[Loaded | None, list[str]]:
    """Put the parent's encoder, and its heads where the spec keeps them, into the network.

    Args:
        job: the manifest, and where its parents lie.
        network: as it was initialised.
        heads: with the scales of their targets.

    Returns:
        What was loaded, None for nothing; names of the heads that were kept.
    """
    hashed = job.manifest.hashed
    adapt = hashed.get("adapt") or {}
    work = (hashed.get("parents") or {}).get("encoder")
    foreign = (hashed.get("weights") or {}).get("encoder")
    if work is not None:
        folder = job.parent(work)
        tensors, own = load_tensors(folder / "encoder.safetensors"), network.encoder
        positions = positions_of(read_passport(folder), job.places) if own.positions else None
        loaded = load_encoder(own, tensors, adapt, positions)
        return loaded, _keep_heads(network, folder, heads) if adapt.get("heads") == "keep" else []
    if foreign is None:
        return None, []
    found = _foreign(foreign, job.places)
    loaded = load_encoder(network.encoder, found.tensors, adapt)
    if foreign.get("layout") is not None:
        report = {"dropped": list(found.dropped), "folded": list(found.folded), "unwrapped": found.unwrapped}
        loaded = Loaded(loaded.tensors, {**loaded.report, "layout": report})
    return loaded, []


def trained(folder: Path, places: Places, device: torch.device) -> Network:
    """Give the network of a training that has ended, as its passport says, in evaluation mode on a device."""
    passport = read_passport(folder)
    inputs = Inputs(passport.inputs.channels, passport.inputs.shape)
    heads = with_scales(passport.heads_json, load_scales(folder))
    network = build_network(passport.architecture.to_json(), heads, inputs, 0, places)
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
    job: Job, auxiliaries: Iterable[Auxiliary], heads: Sequence[Mapping[str, Any]], inputs: Inputs, device: torch.device
) -> None:
    """Give auxiliary objectives the trained networks of the slots that they read.

    Raises:
        TlimbError: nobody reads a slot (64); its images, or the classes of a head, are others (65).
    """
    parents = job.manifest.hashed.get("parents") or {}
    slots = {role: work for role, work in parents.items() if role not in ("encoder", "epochs_from")}
    readers = list(auxiliaries)
    for slot, work in slots.items():
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
        theirs = {head.name: list(head.facts.classes) for head in passport.heads}
        for head in heads:
            if theirs.get(head["name"], head["facts"].get("classes")) != head["facts"].get("classes"):
                message = f"the classes of the head {head['name']} are not those of the {slot}"
                raise TlimbError(Problem("heads-differ", message, help="pool the datasets"), ExitCode.DATA)
        network = trained(folder, job.places, device)
        for module in (network.encoder, *network.heads.values()):
            module.requires_grad_(False)
        for one in mine:
            one.learn_from(slot, network)


def _keep_heads(network: Network, folder: Path, heads: Sequence[Mapping[str, Any]]) -> list[str]:
    """Take the parent's heads; their outputs must mean the same here.

    Raises:
        TlimbError: a head is not the parent's in name, classes or scale (65).
    """
    written = read_passport(folder).heads_json
    theirs = {head["name"]: head["facts"] for head in with_scales(written, load_scales(folder))}
    for head in heads:
        name, facts = head["name"], head["facts"]
        same = name in theirs and all(theirs[name].get(key) == facts.get(key) for key in ("classes", "mean", "sd"))
        if not same:
            message = f"the head {name} cannot be kept: the parent has none of equal name, classes and scale"
            problem = Problem("heads-differ", message, help="write `adapt: {heads: new}`, or pool the datasets")
            raise TlimbError(problem, ExitCode.DATA)
    names = [head["name"] for head in heads]
    kept = load_heads(network, load_tensors(folder / "heads.safetensors"), names)
    if kept != names:
        lost = ", ".join(name for name in names if name not in kept)
        problem = Problem("heads-differ", f"the layers of the head {lost} differ from the parent's")
        raise TlimbError(problem, ExitCode.DATA)
    return kept


def _foreign(weights: Mapping[str, Any], places: Places) -> Sorted:
    sha256, named = weights["sha256"], weights.get("layout")
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
