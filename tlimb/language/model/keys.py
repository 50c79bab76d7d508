"""How the keys of a block are declared."""

from collections.abc import Mapping
from typing import Any

from attrs import NOTHING, Factory, field

Origins = Mapping[str, str]


def key(doc: str, *, default: Any = NOTHING, varies: bool = False, **schema: Any) -> Any:
    """Declare one key of a block.

    Args:
        doc: description shown in editors and in the reference, one or two sentences.
        default: value when the key is absent; no default makes the key required. Callables make a fresh value.
        varies: a search or comparison node may stand here.
        **schema: how the value looks, in the words that `tlimb.language.fields` explains and reads; `yaml` is the key
            as it is written where Python has taken the word.
    """
    if callable(default):
        default = Factory(default)
    return field(default=default, metadata={"doc": doc, "varies": varies, "schema": schema})


def hidden(default: Any = NOTHING) -> Any:
    """Declare a field that lowering fills in and no one writes."""
    return field(default=default, metadata={"hidden": True})
