"""Weights from files: the network and the preprocessing that their layout was made with.

A layout declares in its facts what it needs: `architecture` (a component's name) with `options` of it, `preprocess`
(options of the data module, such as the intensity scaling), and `cohorts` (whom the weights were trained on).
"""

from collections.abc import Iterator, Mapping
from typing import Any

from tlimb.language.model import Stage
from tlimb.language.rules.facts import Facts, rule
from tlimb.language.tree import Tree
from tlimb.language.values import Component
from tlimb.problems import Problem, Related


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
        help_ = f"`tlimb weights inspect {file}` prints it"
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
                yield Problem(
                    "layout-preprocess", message, pointer, related=related, help=f"write   {option}: {_said(value)}"
                )
