"""Weights from files: the network and the preprocessing that their layout was made with.

A layout declares in its facts what it needs: `architecture` (a component's name) with `options` of it, `preprocess`
(options of the data module, such as the intensity scaling), `expects` (the scale of intensities, where only that is
known), and `cohorts` (whom the weights were trained on). A data module that takes steps is judged by its steps.
"""

import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from tlimb.language.catalogue import Listing
from tlimb.language.model import Stage
from tlimb.language.rules.facts import Facts, rule
from tlimb.language.tree import Tree
from tlimb.language.values import Component
from tlimb.problems import Problem, Related, Severity

SCALES = {
    "standardised": ("are standardised to a mean of 0 and a standard deviation of 1", "zscore"),
    "unit_range": ("reach from 0 to 1", "min_max"),
}
"""What a layout may expect of intensities: in words, and the step that gives it with its default options."""


def _uses(facts: Facts) -> Iterator[tuple[Stage, str, Mapping[str, Any]]]:
    """Give each stage that may start its encoder from weights, with the entry and the facts of its layout."""
    for stage in facts.study.stages.values():
        for name in dict.fromkeys(str(leaf.value) for leaf in facts.slots(stage).get("encoder", ())):
            weights = facts.study.pretrained.get(name)
            layout = None if weights is None else weights.layout
            listing = facts.listing("layout", layout.name) if isinstance(layout, Component) else None
            if listing is not None:
                yield stage, name, listing.facts


def _other(tree: Tree | None, wanted: object) -> Tree | None:
    """Give what is written when it is one plain value and another one than wanted."""
    plain = tree is not None and tree.kind == "scalar"
    return tree if plain and tree is not None and tree.value != wanted else None


def _said(value: object) -> str:
    """Write a plain value as YAML does."""
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)


@rule
def weights_unpinned(facts: Facts) -> Iterator[Problem]:
    """A weights file that a stage starts from is known by its bytes, not by its name."""
    used = {str(leaf.value) for stage in facts.study.stages.values() for leaf in _sources(facts, stage)}
    for name, entry in facts.study.pretrained.items():
        tree = facts.section("pretrained").get(name)
        if name not in used or tree is None or tree.get("digest") is not None:
            continue
        message = f"`{name}` has no `digest`: another file of that name would be taken for it"
        file = entry.file if isinstance(entry.file, str) else "FILE"
        help_ = f"`tlimb weights inspect {shlex.quote(file)}` prints it"
        yield Problem("weights-unpinned", message, tree.pointer, on_key=True, help=help_)


def _sources(facts: Facts, stage: Stage) -> Iterator[Tree]:
    for leaves in facts.slots(stage).values():
        yield from leaves


@rule
def layout_architecture(facts: Facts) -> Iterator[Problem]:
    """Weights fit the network that they were trained with, and no other."""
    for stage, name, wanted in _uses(facts):
        network = wanted.get("architecture")
        tree = facts.field(stage, "architecture")
        if network is None or tree is None or facts.listing("architecture", str(network)) is None:
            continue
        related = (Related(f"/pretrained/{name}/layout", "the layout of the weights"),)
        options = dict(wanted.get("options", {}))
        whole = f"{{{network}: {{{', '.join(f'{key}: {_said(value)}' for key, value in options.items())}}}}}"
        for found, where in facts.components(tree):
            if "." in found:
                continue  # a network of the user's own, which may well be the same
            help_ = f"write   architecture: {whole if options else network}"
            if found != network:
                message = f"the weights `{name}` are of a `{network}`; `{stage.name}` has `{found}`"
                yield Problem("layout-architecture", message, where.pointer, related=related, help=help_)
                continue
            body = where.get(found)
            listing = facts.listing("architecture", found)
            for option, value in options.items():
                written = None if body is None else body.get(option)
                default = None if listing is None else listing.defaults.get(option)
                wrong = _other(written, value)
                if wrong is None and (written is not None or default == value):
                    continue
                shown = f"`{option}: {written.raw if wrong is not None and written is not None else _said(default)}`"
                message = (
                    f"the weights `{name}` need `{option}: {_said(value)}` of `{network}`; `{stage.name}` has {shown}"
                )
                pointer = where.pointer if wrong is None else wrong.pointer
                yield Problem("layout-architecture", message, pointer, related=related, help=help_)


@rule
def layout_preprocess(facts: Facts) -> Iterator[Problem]:
    """Weights expect images that look like those they were trained on."""
    for stage, name, wanted in _uses(facts):
        related = (Related(f"/pretrained/{name}/layout", "the layout of the weights"),)
        for module, where in facts.components(facts.field(stage, "data")):
            body, listing = where.get(module), facts.listing("data", module)
            yield from _steps_unlike(facts, stage, (name, wanted), (module, where), related)
            for option, value in dict(wanted.get("preprocess", {})).items():
                if listing is None or option not in listing.options:
                    continue
                written = None if body is None else body.get(option)
                if written is None and listing.defaults.get(option) == value:
                    continue
                wrong = _other(written, value)
                if written is not None and wrong is None:
                    continue
                shown = written.raw if written is not None else _said(listing.defaults.get(option))
                message = f"the weights `{name}` expect `{option}: {_said(value)}`; `{stage.name}` uses `{shown}`"
                pointer = where.pointer if wrong is None else wrong.pointer
                help_ = _advice(listing, option, _said(value))
                yield Problem("layout-preprocess", message, pointer, related=related, help=help_)


def _steps_unlike(
    facts: Facts,
    stage: Stage,
    weights: tuple[str, Mapping[str, Any]],
    data: tuple[str, Tree],
    related: tuple[Related, ...],
) -> Iterator[Problem]:
    """Find a list of steps that scales intensities otherwise than the option of `preprocess` would."""
    (name, wanted), (module, where) = weights, data
    scale = wanted.get("preprocess", {}).get("intensity")
    body, listing = where.get(module), facts.listing("data", module)
    if scale is None or listing is None or "intensity" in listing.options or "preprocess" not in listing.options:
        return
    steps = _steps(facts, body)
    if steps is None or scale in steps:
        return
    options = {key: value for key, value in wanted["preprocess"].items() if key != "intensity"}
    known = facts.listing("preprocess", str(scale))
    inner = {key: value for key, value in options.items() if known is not None and key in known.options}
    step = f"{{{scale}: {{{', '.join(f'{key}: {_said(value)}' for key, value in inner.items())}}}}}" if inner else scale
    message = f"the weights `{name}` expect `intensity: {scale}`; `{stage.name}` has {_shown(facts, steps)}"
    place = where if body is None else body.get("preprocess") or where
    yield Problem("layout-preprocess", message, place.pointer, related=related, help=f"let the step be   {step}")


def _steps(facts: Facts, body: Tree | None) -> dict[str, Tree] | None:
    """Give the steps of a data module by name; None where one is of somebody else's and does not say what it does."""
    found = dict(facts.components(None if body is None else body.get("preprocess")))
    for name in found:
        listing = facts.listing("preprocess", name)
        if listing is None or (listing.foreign and not listing.facts.get("scales")):
            return None
    return found


def _shown(facts: Facts, steps: Mapping[str, Tree]) -> str:
    """Name the steps that scale intensities."""
    scaling = [f"`{name}`" for name in steps if _scale(facts, name)]
    return "the step " + " and ".join(scaling) if scaling else "no step that scales intensities"


def _scale(facts: Facts, step: str) -> str:
    listing = facts.listing("preprocess", step)
    return "" if listing is None else str(listing.facts.get("scales", ""))


@rule
def layout_intensity(facts: Facts) -> Iterator[Problem]:
    """Weights whose authors tell the scale of intensities alone expect images of that scale."""
    for stage, name, wanted in _uses(facts):
        related = (Related(f"/pretrained/{name}/layout", "the layout of the weights"),)
        for word in (one for one in wanted.get("expects", ()) if one in SCALES):
            for module, where in facts.components(facts.field(stage, "data")):
                found = _intensity(facts, module, where)
                if found is None or (word, True) in found[0]:
                    continue
                if "intensity" in wanted.get("preprocess", {}) and word not in {scale for scale, _ in found[0]}:
                    continue  # `layout-preprocess` has told it
                said, step = SCALES[word]
                message = f"the weights `{name}` expect intensities that {said}; `{stage.name}` has {found[1]}"
                help_ = _advice(facts.listing("data", module), "intensity", step)
                yield Problem(
                    "layout-intensity", message, found[2], severity=Severity.WARNING, related=related, help=help_
                )


def _advice(listing: Listing | None, option: str, value: str) -> str:
    """Return what to write for images that weights expect; another data module where this one has no such intensity."""
    known = () if listing is None or option not in listing.options else listing.options[option].schema.get("enum", ())
    if option == "intensity" and value not in known:
        return f"take `volume_3d`, and `{value}` among its steps"
    return f"write   {option}: {value}"


def _intensity(facts: Facts, module: str, where: Tree) -> tuple[set[tuple[str, bool]], str, str] | None:
    """Say how a data module scales intensities; None where nothing tells it.

    Returns:
        Scales with whether the step has its default options, what is written in words, and its place.
    """
    listing, body = facts.listing("data", module), where.get(module)
    if listing is None:
        return None
    if "intensity" in listing.options:
        written = None if body is None else body.get("intensity")
        if written is not None and written.kind != "scalar":
            return None
        value = listing.defaults.get("intensity") if written is None else written.value
        # The word `none` is None in defaults.
        name = "none" if value is None else str(value)
        pointer = where.pointer if written is None else written.pointer
        return {(_scale(facts, name), True)}, f"`intensity: {name}`", pointer
    if "preprocess" not in listing.options:
        return None
    steps = _steps(facts, body)
    if steps is None:
        return None
    place = where if body is None else body.get("preprocess") or where
    scales = {(_scale(facts, name), _plain(tree, name)) for name, tree in steps.items()}
    return scales, _shown(facts, steps), place.pointer


def _plain(tree: Tree, name: str) -> bool:
    """Say whether the range of a step is its default one."""
    body = tree.get(name) if tree.kind == "mapping" else None
    return body is None or (_other(body.get("low"), 0) is None and _other(body.get("high"), 1) is None)
