"""The conformance suite: what every component must do, tlimb's own and anybody else's.

`check_component` takes a component of any kind, `check_reader` a reader of cohorts and a folder, `check_backend` a
backend.

In a test file of your own package, three lines are enough:

    from tlimb.testing import check_component
    def test_tiny_net_is_a_component():
        check_component(TinyNet)

Options without a default are taken from the class's `example`, or given as `options`.
"""

import copy
import inspect
from collections.abc import Callable, Mapping
from typing import Any, cast

import torch

from tlimb import describe
from tlimb.components import contracts, discovery
from tlimb.describe.static import FOR_LIGHTNING
from tlimb.testing.cohorts import check_reader as check_reader
from tlimb.testing.emitting import check_backend as check_backend
from tlimb.testing.images import check_augment, check_data, check_metric, check_preprocess
from tlimb.testing.learning import (
    check_auxiliary,
    check_objective,
    check_sampler,
    check_scenario,
    check_weighting,
)
from tlimb.testing.lightning import check_callback, check_logger
from tlimb.testing.networks import check_encoder, check_head
from tlimb.testing.stepping import check_optimizer, check_scheduler
from tlimb.testing.tables import check_layout


def check_component(cls: type[Any], options: Mapping[str, Any] | None = None) -> None:
    """Check a component's description and behaviour on tiny data on the CPU.

    Args:
        cls: the class.
        options: what YAML would set; by default the class's `example`.

    Raises:
        AssertionError: the component breaks a rule; the message says which.
    """
    kind = next((kind for kind, found in discovery.KINDS.items() if issubclass(cls, found.base)), None)
    assert kind is not None, f"{cls.__name__} is of no known kind of component"
    assert not inspect.isabstract(cls), f"{cls.__name__} lacks {sorted(getattr(cls, '__abstractmethods__', ()))}"
    given = dict(getattr(cls, "example", {}) if options is None else options)
    if kind in FOR_LIGHTNING:
        # Their signatures are Lightning's affair, so only what they do is checked.
        assert describe.summary(cls).endswith("."), f"{cls.__name__}: the docstring begins with no full sentence"
        CHECKS[kind](lambda *positional: cls(*positional, **copy.deepcopy(given)), cls)
        return
    check_description(cls, kind)
    lacking = [name for name, option in describe.options(cls).items() if option["required"] and name not in given]
    assert not lacking, f"`example` of {cls.__name__} lacks {lacking}"
    with torch.random.fork_rng(devices=[]):
        CHECKS[kind](lambda *positional: cast("Any", cls)(*positional, **copy.deepcopy(given)), cls)


def check_description(cls: type[contracts.Component], kind: str) -> None:
    """Check that the schema can be made and that everything is documented."""
    described = describe.options(cls)
    assert describe.summary(cls).endswith("."), f"{cls.__name__}: the docstring's first paragraph is no full sentence"
    undocumented = [name for name, option in described.items() if not option["doc"]]
    assert not undocumented, f"{cls.__name__}: no documentation of {undocumented}"
    extra = set(describe.arguments(cls)) - set(described)
    assert not extra, f"{cls.__name__}: documents {sorted(extra)}, which are no options"
    for name, option in described.items():
        schema = option["schema"]
        bounded = {"minimum", "exclusiveMinimum", "enum"} & set(schema)
        assert schema.get("type") not in ("number", "integer") or bounded, f"{cls.__name__}.{name} has no lower bound"
    assert kind not in ("architecture", "auxiliary") or describe.source(cls), f"{cls.__name__}: no `Source:`"
    assert isinstance(cls.revision, int)
    assert cls.revision >= 1


CHECKS: Mapping[str, Callable[[Callable[..., Any], type[Any]], None]] = {
    "architecture": check_encoder,
    "data": check_data,
    "preprocess": check_preprocess,
    "augment": check_augment,
    "objective": check_objective,
    "head": check_head,
    "auxiliary": check_auxiliary,
    "optimizer": check_optimizer,
    "scheduler": check_scheduler,
    "scenario": check_scenario,
    "weighting": check_weighting,
    "sampler": check_sampler,
    "metric": check_metric,
    "layout": check_layout,
    "callback": check_callback,
    "logger": check_logger,
}
