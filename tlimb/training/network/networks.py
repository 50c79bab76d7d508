"""From the components of a manifest to the network of one run, and from weight files into it."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from attrs import frozen
from safetensors.torch import load as load_safetensors
from safetensors.torch import save as save_safetensors
from torch import Tensor, nn

from tlimb.cohorts.view import scale
from tlimb.components.contracts import (
    Encoder,
    Head,
    Inputs,
    Layout,
    Network,
    Objective,
    Positions,
    Pretext,
    TargetFacts,
)
from tlimb.components.transfer import transfer, transferred
from tlimb.components.weights import Sorted, arrange, read
from tlimb.manifest import Component
from tlimb.manifest import Head as HeadSpec
from tlimb.manifest.parts import Adapt
from tlimb.manifest.structure import unstructure
from tlimb.problems import ExitCode, Problem, TlimbError
from tlimb.protocol.options import Places
from tlimb.store import disk
from tlimb.store.documents import Passport
from tlimb.training.data.views import Row
from tlimb.training.network.instantiate import build
from tlimb.training.seeds import seed_initialisation

SCALES = "scales.safetensors"
"""File with mean and sd of private numbers: parameters of the network, as private as its weights."""


def facts_of(head: HeadSpec) -> TargetFacts:
    """Return the target facts of a head of a manifest, as objectives want them."""
    facts = head.facts
    return TargetFacts(facts.label, facts.classes, facts.counts, facts.mean, facts.sd)


def scaled(
    heads: Sequence[HeadSpec], rows: Mapping[str, Sequence[Row]]
) -> tuple[tuple[HeadSpec, ...], dict[str, Tensor]]:
    """Fill in the scale of private numbers, which no manifest holds, from the training rows.

    Args:
        heads: as in a manifest.
        rows: training rows by role; views of unlabelled roles hold no labels.

    Returns:
        The heads with a scale each, and the scales that were missing: head -> (2,) float64, mean and sd.

    Raises:
        TlimbError: nobody in the training part has a value (65).
    """
    found: dict[str, Tensor] = {}
    for head in heads:
        facts = head.facts
        if facts.label is None or facts.classes or facts.mean is not None:
            continue
        label = facts.label
        of = [row for role, part in rows.items() if head.reads(role) for row in part]
        mean_and_sd = scale(row.labels.get(label) for row in of)
        if mean_and_sd is None:
            message = f"nobody in the training part has a value of the label of {head.name}"
            raise TlimbError(Problem("label-scarce", message), ExitCode.DATA)
        found[head.name] = torch.tensor(mean_and_sd, dtype=torch.float64)
    return with_scales(heads, found), found


def with_scales(heads: Sequence[HeadSpec], scales: Mapping[str, Tensor]) -> tuple[HeadSpec, ...]:
    """Return heads with the scales that a training has kept beside its weights."""
    return tuple(
        head.scaled(float(scales[head.name][0]), float(scales[head.name][1])) if head.name in scales else head
        for head in heads
    )


def load_scales(folder: Path) -> dict[str, Tensor]:
    """Read the scales of private numbers beside a training's weights; empty when it has none."""
    path = folder / SCALES
    return load_tensors(path) if path.is_file() else {}


def build_network(
    architecture: Component,
    heads: Sequence[HeadSpec],
    inputs: Inputs,
    seed: int,
    places: Places,
) -> Network:
    """Make encoder and heads with initial weights that depend on the seed and the part's name only.

    Two arms of a study that differ in anything else start from equal weights, so their difference is paired.
    """
    return add_heads(build_encoder(architecture, inputs, seed, places), inputs, heads, seed, places)


def build_encoder(architecture: Component, inputs: Inputs, seed: int, places: Places) -> Encoder:
    """Make the encoder alone; see `build_network`.

    Raises:
        TlimbError: besides what `build` raises, an encoder of the study's own lacks what its contract asks for (64).
    """
    seed_initialisation(seed, "encoder")
    encoder = build(architecture, Encoder, places, inputs)
    # Asked here, because the first to read these attributes would end with a traceback far from their cause.
    lacking = [name for name in ("network", "feature_dim", "stages") if not hasattr(encoder, name)]
    if lacking:
        message = f"{architecture.path} does not set {', '.join(f'`self.{name}`' for name in lacking)}"
        help_ = (
            "every encoder has them; docs/extending.md shows a small one, and `tlimb.testing.check_component` tries it"
        )
        raise TlimbError(Problem("bad-option", message, help=help_), ExitCode.USAGE)
    return encoder


def add_heads(encoder: Encoder, inputs: Inputs, heads: Sequence[HeadSpec], seed: int, places: Places) -> Network:
    """Make the heads on an encoder; see `build_network`."""
    made: dict[str, nn.Module] = {}
    objectives: dict[str, Objective] = {}
    for head in heads:
        name = head.name
        objective = build(head.objective, Objective, places, facts_of(head))
        seed_initialisation(seed, "head", name)
        if isinstance(objective, Pretext):
            made[name] = objective.head(encoder.feature_dim, inputs)
        else:
            made[name] = build(head.head, Head, places, encoder.feature_dim, objective.outputs)
            objective.initialise(made[name])
        objectives[name] = objective
    return Network(
        encoder,
        nn.ModuleDict(made),  # type: ignore[arg-type]
        objectives,
        {head.name: float(head.weight) for head in heads},
        {head.name: head.role for head in heads},
    )


def refuse_targets(objectives: Mapping[str, Objective], parts: Iterable[Mapping[str, tuple[Tensor, Tensor]]]) -> None:
    """Let every objective refuse targets that it cannot learn, of all parts, before the first step.

    Args:
        objectives: by head.
        parts: head -> targets and validity of a whole part.

    Raises:
        TlimbError: an objective refused (65).
    """
    for part in parts:
        for name, (targets, valid) in part.items():
            try:
                objectives[name].refuse(targets, valid)
            except ValueError as error:
                raise TlimbError(Problem("out-of-bins", str(error)), ExitCode.DATA) from error


def save_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write tensors, sorted by name and without metadata, so that equal tensors are equal bytes."""
    plain = {name: tensors[name].detach().cpu().contiguous().clone() for name in sorted(tensors)}
    disk.write(path, save_safetensors(plain))


def load_tensors(path: Path) -> dict[str, Tensor]:
    """Read tensors that `save_tensors` wrote."""
    return load_safetensors(disk.read(path))


def foreign_tensors(path: Path, layout: Layout | None = None, device: str = "cpu") -> Sorted:
    """Read weights that somebody else wrote, under the names of an encoder.

    Args:
        path: a .safetensors file, or what torch saved.
        layout: how it names its tensors; None for a plain state dict with the encoder's names.
        device: `meta` gives names and shapes without reading values into memory.

    Raises:
        ValueError: it is neither, holds something else beside tensors, or needs code.
        OSError: it cannot be read.
    """
    return arrange(read(path, device), layout)


def positions_of(passport: Passport, places: Places) -> Mapping[str, Positions]:
    """Give the grids of a trained encoder's position embeddings, from its passport; nothing is drawn or allocated."""
    inputs = Inputs(passport.inputs.channels, passport.inputs.shape)
    with torch.random.fork_rng(devices=[]), torch.device("meta"):
        return build(passport.architecture.to_json(), Encoder, places, inputs).positions


@frozen
class Loaded:
    """What came from a parent.

    Attributes:
        tensors: the parent's tensors by name in `encoder.network`; clones that nothing else holds.
        report: matched, adapted, missing and mismatched tensors, as JSON.
    """

    tensors: Mapping[str, Tensor]
    report: Mapping[str, Any]


def load_encoder(
    encoder: Encoder,
    found: Mapping[str, Tensor],
    adapt: Adapt,
    positions: Mapping[str, Positions] | None = None,
) -> Loaded:
    """Put a parent's weights into an encoder; a tensor that does not fit is an error unless the spec says so.

    Args:
        encoder: receives them.
        found: the parent's tensors.
        adapt: what may differ, as in a manifest.
        positions: grids of the parent's position embeddings; None where they are not known.
    """
    report = transfer(encoder, found, unstructure(adapt), positions)
    return Loaded(transferred(encoder, report), report.to_json())


def load_heads(network: Network, found: Mapping[str, Tensor], names: Sequence[str]) -> list[str]:
    """Put kept heads' weights into the heads of equal name; gives the names that were filled."""
    kept = []
    for name in names:
        part = {key[len(name) + 1 :]: value for key, value in found.items() if key.startswith(name + ".")}
        own = network.heads[name].state_dict()
        if part.keys() == own.keys() and all(part[key].shape == own[key].shape for key in own):
            network.heads[name].load_state_dict(part)
            kept.append(name)
    return kept


def head_tensors(network: Network) -> dict[str, Tensor]:
    """Give the heads' tensors as `<head>.<name>`."""
    return {f"{name}.{key}": value for name, head in network.heads.items() for key, value in head.state_dict().items()}


def finite(tensors: Mapping[str, Tensor]) -> bool:
    """Say whether all numbers of all tensors are finite."""
    return all(bool(torch.isfinite(value).all()) for value in tensors.values() if value.is_floating_point())
