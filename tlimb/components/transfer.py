"""Putting a parent's weights into an encoder, with an account of every tensor.

Nothing is ever loaded partly in silence: each tensor of the encoder must be found, unless the spec names it in
`adapt.missing`, and a transfer that finds nothing is an error.
"""

import hashlib
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

import torch
from attrs import asdict, frozen
from torch import Tensor, nn

from tlimb.components.contracts import Encoder, Positions
from tlimb.components.positions import described, interpolated, same_places
from tlimb.problems import ExitCode, Problem, TlimbError


@frozen
class TransferReport:
    """What became of each tensor; names are those of `encoder.network`.

    Attributes:
        matched: copied as they are.
        adapted: copied after a change of shape that the spec asked for.
        changes: what was done to each adapted tensor, in words.
        missing: not in the parent, allowed by `adapt.missing`; they keep their random values.
        mismatched: of another shape in the parent, allowed by `adapt`; they keep their random values.
        unexpected: in the parent only; left out.
        changed: number of tensors whose values are not what they were.
        before: sha256 of the encoder's tensors before the transfer.
        after: the same after it.
    """

    matched: tuple[str, ...]
    adapted: tuple[str, ...]
    missing: tuple[str, ...]
    mismatched: tuple[str, ...]
    unexpected: tuple[str, ...]
    changes: Mapping[str, str]
    changed: int
    before: str
    after: str

    def to_json(self) -> dict[str, Any]:
        """Give it as JSON: counts of what fits, names of what does not."""
        lists = {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}
        lists["changes"] = dict(self.changes)
        return {**lists, "matched": len(self.matched)}


@frozen
class Comparison:
    """A parent's tensors beside an encoder's, before anything is copied; the lists are those of `TransferReport`.

    Attributes:
        copied: what would be copied, by name; adapted tensors have the encoder's shape.
    """

    matched: tuple[str, ...]
    adapted: tuple[str, ...]
    missing: tuple[str, ...]
    mismatched: tuple[str, ...]
    unexpected: tuple[str, ...]
    changes: Mapping[str, str]
    copied: Mapping[str, Tensor]


def compare(
    encoder: Encoder,
    tensors: Mapping[str, Tensor],
    adapt: Mapping[str, Any] | None = None,
    positions: Mapping[str, Positions] | None = None,
) -> Comparison:
    """Say what would become of each tensor; shapes are enough, so tensors of the meta device do.

    Args:
        encoder: would receive them.
        tensors: the parent's parameters and buffers by their names in `encoder.network`.
        adapt: `stem`: how the first convolution is fitted to another number of input channels (`sum`, `mean` or `new`;
            None refuses); `position`: how position embeddings are fitted to another grid of tokens (`interpolate` or
            `new`; None refuses); `missing`: patterns (`layer4.*`) of tensors that may be absent.
        positions: grids of the parent's position embeddings by name; None where only its tensors are known.

    Raises:
        TlimbError: a tensor is absent or of another shape, or no tensor at all was found.
    """
    adapt = adapt or {}
    own = encoder.network.state_dict()
    patterns = tuple(adapt.get("missing") or ())
    stem = first_convolution(encoder.network)
    copied: dict[str, Tensor] = {}
    changes: dict[str, str] = {}
    lists: dict[str, list[str]] = {key: [] for key in ("matched", "adapted", "missing", "mismatched", "wrong")}
    for name, target in own.items():
        source = tensors.get(name)
        if source is None:
            lists["missing" if _fits(name, patterns) else "wrong"].append(name)
        elif _same(encoder, name, source, target, positions):
            lists["matched"].append(name)
            copied[name] = source
        else:
            fitted = _adapted(encoder, name, source, target, adapt, positions, stem)
            if fitted is not None:
                lists["adapted"].append(name)
                copied[name], changes[name] = fitted
            else:
                lists["mismatched" if _renewed(name, stem, adapt, patterns) else "wrong"].append(name)
    # An encoder without weights has nothing to find; with any, finding nothing is a mistake.
    if lists["wrong"] or (own and not copied):
        raise TlimbError(_problem(encoder, tensors, lists["wrong"], copied, adapt, positions), ExitCode.DATA)
    return Comparison(
        matched=tuple(lists["matched"]),
        adapted=tuple(lists["adapted"]),
        missing=tuple(lists["missing"]),
        mismatched=tuple(lists["mismatched"]),
        unexpected=tuple(sorted(set(tensors) - set(own))),
        changes=changes,
        copied=copied,
    )


def transfer(
    encoder: Encoder,
    tensors: Mapping[str, Tensor],
    adapt: Mapping[str, Any] | None = None,
    positions: Mapping[str, Positions] | None = None,
) -> TransferReport:
    """Copy a parent's tensors into an encoder's network, in place; the arguments are those of `compare`.

    Raises:
        TlimbError: a tensor is absent or of another shape, or no tensor at all was found.
    """
    found = compare(encoder, tensors, adapt, positions)
    own = encoder.network.state_dict()
    before = _digests(own)
    with torch.no_grad():
        for name, source in found.copied.items():
            own[name].copy_(source)
    after = _digests(own)
    return TransferReport(
        matched=found.matched,
        adapted=found.adapted,
        missing=found.missing,
        mismatched=found.mismatched,
        unexpected=found.unexpected,
        changes=found.changes,
        changed=sum(after[name] != before[name] for name in found.copied),
        before=_joined(before),
        after=_joined(after),
    )


def transferred(encoder: Encoder, report: TransferReport) -> dict[str, Tensor]:
    """Give clones of the tensors that came from the parent, as `Auxiliary.begin` wants them.

    To be called right after `transfer`; a resumed run must transfer again from the parent first.
    """
    own = encoder.network.state_dict()
    return {name: own[name].detach().clone() for name in (*report.matched, *report.adapted)}


def first_convolution(network: nn.Module) -> str | None:
    """Name the weight of the first convolution, which sees the image's channels; None when there is none."""
    kinds = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
    return next((f"{name}.weight" for name, layer in network.named_modules() if isinstance(layer, kinds)), None)


def tensors_digest(tensors: Mapping[str, Tensor]) -> str:
    """Give the sha256 over names, types, shapes and bytes of tensors, in order of name."""
    return _joined(_digests(tensors))


def _joined(digests: Mapping[str, str]) -> str:
    return hashlib.sha256("".join(f"{name}:{digests[name]}\n" for name in sorted(digests)).encode()).hexdigest()


def _digests(tensors: Mapping[str, Tensor]) -> dict[str, str]:
    return {name: _digest(tensor) for name, tensor in tensors.items()}


def _digest(tensor: Tensor) -> str:
    flat = tensor.detach().cpu().contiguous()
    found = hashlib.sha256(f"{flat.dtype}{tuple(flat.shape)}".encode())
    found.update(flat.reshape(-1).view(torch.uint8).numpy().data)
    return found.hexdigest()


def _same(
    encoder: Encoder, name: str, source: Tensor, target: Tensor, positions: Mapping[str, Positions] | None
) -> bool:
    own = encoder.positions.get(name)
    if own is None:
        return source.shape == target.shape
    # 6 x 7 x 6 and 7 x 6 x 6 places are equally many: by the shape alone the embedding would be shuffled in silence.
    return same_places(source, target, own, (positions or {}).get(name))


def _adapted(
    encoder: Encoder,
    name: str,
    source: Tensor,
    target: Tensor,
    adapt: Mapping[str, Any],
    positions: Mapping[str, Positions] | None,
    stem: str | None,
) -> tuple[Tensor, str] | None:
    """Fit a tensor of another shape as the spec asks, and say how; None when it does not ask or it cannot be."""
    own, asked = encoder.positions.get(name), adapt.get("stem")
    if own is not None and adapt.get("position") == "interpolate":
        parent = (positions or {}).get(name)
        fitted = interpolated(source, target, own, parent)
        before = described(positions or {}, name, source)
        return (
            None
            if fitted is None
            else (fitted, f"interpolated from {before} to {described({name: own}, name, target)}")
        )
    fitted = _fit(source, target, asked) if name == stem else None
    return None if fitted is None else (fitted, f"{asked} of {source.shape[1]} channels for {target.shape[1]}")


def _fit(source: Tensor, target: Tensor, stem: str | None) -> Tensor | None:
    """Fit a convolution's weight (out, in, *kernel) to another number of input channels; None when it cannot be."""
    if stem not in ("sum", "mean") or source.shape[0] != target.shape[0] or source.shape[2:] != target.shape[2:]:
        return None
    merged = source.sum(dim=1, keepdim=True) if stem == "sum" else source.mean(dim=1, keepdim=True)
    # For several new channels `sum` shares the response out: an image repeated in all of them gives the old response.
    share = target.shape[1] if stem == "sum" else 1
    return (merged / share).expand_as(target)


def _renewed(name: str, stem: str | None, adapt: Mapping[str, Any], patterns: Iterable[str]) -> bool:
    """Say whether the spec lets a tensor of another shape start anew."""
    return (
        (name == stem and adapt.get("stem") == "new")
        or (_position(name) and adapt.get("position") == "new")
        or _fits(name, patterns)
    )


def _position(name: str) -> bool:
    return "pos_embed" in name or "position" in name


def _fits(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _problem(
    encoder: Encoder,
    tensors: Mapping[str, Tensor],
    wrong: list[str],
    copied: Mapping[str, Tensor],
    adapt: Mapping[str, Any],
    positions: Mapping[str, Positions] | None,
) -> Problem:
    own = encoder.network.state_dict()
    absent = [name for name in wrong if name not in tensors]
    shaped = [name for name in wrong if name in tensors]
    notes = [f"{len(absent)} absent: {', '.join(absent[:5])}"] if absent else []
    for name in shaped[:5]:
        theirs, ours = _shape(tensors[name]), _shape(own[name])
        if theirs == ours:
            theirs, ours = (described(at, name, own[name]) for at in (positions or {}, encoder.positions))
        notes.append(f"{name}: {theirs} in the parent, {ours} here")
    unexpected = [name for name in tensors if name not in own]
    if unexpected:
        notes.append(f"{len(unexpected)} only in the parent: {', '.join(sorted(unexpected)[:5])}")
    if first_convolution(encoder.network) in shaped:
        help_ = "adapt: {stem: sum} fits the first convolution to another number of channels"
    elif shaped and copied and all(_position(name) for name in shaped):
        asked = adapt.get("position") == "interpolate"
        known = all(name in encoder.positions for name in shaped) and not asked
        unknown = "the parent's grid is not known and no cube: " if asked else ""
        new = f"{unknown}adapt: {{position: new}} starts the position embeddings anew"
        help_ = (
            "adapt: {position: interpolate} fits the position embeddings to the size of these images" if known else new
        )
    elif absent and copied:
        help_ = "adapt: {missing: [PATTERN]} lets named tensors start at random"
    else:
        help_ = "the parent must have the same architecture with the same options"
    message = f"{len(copied)} of {len(own)} encoder tensors match the parent's"
    return Problem("weights-mismatch", message, help=help_, note=tuple(notes))


def _shape(tensor: Tensor) -> str:
    return " x ".join(str(length) for length in tensor.shape) or "a number"
