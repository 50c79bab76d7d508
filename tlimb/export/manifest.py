"""The JSON Schema of manifests: what a stranger needs to read one, or to write one by hand."""

from typing import Any

import attrs

from tlimb.language import model
from tlimb.language.schema import DRAFT, ID
from tlimb.manifest import Kind

_DIGEST = {"title": "digest", "type": "string", "pattern": "^[0-9a-f]{64}$"}
_NAMES = {"type": ["string", "null"]}
_KEYWORDS = {
    "type": "type",
    "enum": "enum",
    "minimum": "minimum",
    "exclusive_minimum": "exclusiveMinimum",
}
"""Constraints of the language's keys that hold for a resolved value too, and how JSON Schema writes them."""


def _object(title: str, doc: str, properties: dict[str, Any], optional: tuple[str, ...] = ()) -> dict[str, Any]:
    """Give a closed object; all properties but the optional ones are required."""
    return {
        "title": title,
        "description": doc,
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name not in optional],
        "additionalProperties": False,
    }


def _titled(title: str, doc: str, content: dict[str, Any]) -> dict[str, Any]:
    return {**content, "title": title, "description": doc}


def _map(title: str, doc: str, values: dict[str, Any]) -> dict[str, Any]:
    return _titled(title, doc, {"type": "object", "additionalProperties": values})


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/$defs/{name}"}


def _component(null: bool) -> dict[str, Any]:
    doc = "A class and all its options, defaults filled in" + ("; null for none." if null else ".")
    properties = {
        "class": _titled("class", "Module and class.", {"type": "string"}),
        "revision": _titled("revision", "Raised when a change alters results.", {"type": "integer", "minimum": 0}),
        "options": _titled("options", "Every option, resolved.", {"type": "object"}),
        "code": _titled("code", "sha256 of the syntax tree of a class that is not tlimb's own.", _DIGEST),
        "package": _titled("package", "Distribution and version of an installed class.", {"type": "string"}),
    }
    found = _object("component or null" if null else "component", doc, properties, optional=("code", "package"))
    return {**found, "type": ["object", "null"]} if null else found


def _fit() -> dict[str, Any]:
    view = {"title": "view", "type": ["string", "null"], "pattern": "^[0-9a-f]{64}$"}
    parts = _object("parts", "Rows by part; null for a part that is not there.", {"train": view, "val": view})
    weights = {"sha256": _titled("sha256", "sha256 of the file.", _DIGEST), "layout": _ref("component_or_null")}
    return {
        "scenario": _ref("component"),
        "data": _ref("component"),
        "architecture": _ref("component_or_null"),
        "heads": _titled("heads", "Tasks, in order.", {"type": "array", "items": _ref("head")}),
        "auxiliary": _titled("auxiliary", "Terms added to the loss.", {"type": "array", "items": _ref("component")}),
        "weighting": _ref("component_or_null"),
        "sampler": _ref("component_or_null"),
        "optimizer": _ref("component_or_null"),
        "scheduler": _ref("component_or_null"),
        "trainer": _ref("trainer"),
        "freeze": _block(model.Freeze, "freeze"),
        "adapt": _block(model.Adapt, "adapt"),
        "weights": _map("weights", "Files of weights by role.", _object("weights", "One file.", weights)),
        "views": _map("views", "Role -> part -> digest of the rows; never `test`.", parts),
        "inputs": _inputs(),
        "seed": _titled("seed", "The run's only seed.", {"type": "integer", "minimum": 0}),
    }


def _block(cls: type, title: str, **other: dict[str, Any]) -> dict[str, Any]:
    """Give a closed object with the keys of a block of the language, each resolved; `other` replaces keys."""
    found: dict[str, Any] = {}
    for one in attrs.fields(cls):
        if one.metadata.get("hidden"):
            continue
        given = one.metadata["schema"]
        written = {_KEYWORDS[key]: value for key, value in given.items() if key in _KEYWORDS}
        if given["type"] == "list":
            written = {"type": "array", "items": {"title": one.name, **given["of"]}}
        if one.default is None:
            kinds = written["type"] if isinstance(written["type"], list) else [written["type"]]
            written["type"] = [*kinds, "null"]
            written |= {"enum": [*written["enum"], None]} if "enum" in written else {}
        found[one.name] = _titled(one.name, one.metadata["doc"], written)
    doc = " ".join((cls.__doc__ or "").split())
    return _object(title, doc, {**found, **other})


def _trainer() -> dict[str, Any]:
    digests = _titled("role", "Role of the parents whose best epochs are read.", {"type": "string"})
    median = _object("median", "Length of a refit, from its inner folds.", {"median_best_epoch_of": digests})
    epochs = {"type": "integer", "minimum": 1}
    stop = _block(model.EarlyStopping, "early_stopping")
    either = {"type": ["object", "string"], "if": {"type": "object"}, "then": _ref("component")}
    metric = _titled("metric", "The metric, or the word `loss`.", {**either, "else": {"enum": ["loss"]}})
    monitor = _block(model.Monitor, "monitor", metric=metric)
    changed = {
        "epochs": {
            "title": "epochs",
            "description": "Passes over the training part.",
            "type": ["integer", "object", "null"],
            "if": {"type": "object"},
            "then": median,
            "else": {**epochs, "type": ["integer", "null"]},
        },
        "early_stopping": {**stop, "type": ["object", "null"]},
        "monitor": {**monitor, "type": ["object", "null"]},
    }
    return _block(model.Trainer, "trainer", **changed)


def _inputs() -> dict[str, Any]:
    sizes = {
        "shape": ("Voxels along each axis.", {"type": "integer", "minimum": 1}),
        "spacing_mm": ("Distance of voxels along each axis, in mm.", {"type": "number", "exclusiveMinimum": 0}),
    }
    found = {
        name: _titled(name, doc, {"type": ["array", "null"], "items": {"title": "axis", **item}})
        for name, (doc, item) in sizes.items()
    }
    return _object("inputs", "Facts of the training images; null where they differ.", found)


def _facts() -> dict[str, Any]:
    number = {"type": ["number", "null"]}
    classes = {"type": "array", "items": {"title": "class", "type": "string"}}
    counts = {"type": "array", "items": {"title": "people", "type": "integer", "minimum": 0}}
    found = {
        "label": _titled("label", "Name of the label; null without one.", _NAMES),
        "classes": _titled("classes", "Classes in the order of outputs; empty for numbers.", classes),
        "counts": _titled("counts", "People of each class.", counts),
        "mean": _titled("mean", "Mean of a number; null for classes and private labels.", number),
        "sd": _titled("sd", "Standard deviation of a number; null for classes.", number),
    }
    return _object("facts", "What is known of the target, from the training part.", found)


def _head() -> dict[str, Any]:
    return _object(
        "head",
        "One task: what is predicted and how much it counts.",
        {
            "name": _titled("name", "Name of the head.", {"type": "string"}),
            "objective": _ref("component"),
            "head": _ref("component"),
            "weight": _titled("weight", "Factor of its loss.", {"type": "number"}),
            "role": _titled("role", "Role whose samples it reads; null for all with the label.", _NAMES),
            "facts": _facts(),
        },
    )


def _hashed() -> dict[str, Any]:
    """Give the part that is digested: one set of keys for each kind of node, no others."""
    parents = _map("parents", "Role -> work, or works.", _ref("works"))
    keys: dict[str, dict[str, Any]] = {
        "prepare": {"data": _ref("component"), "view": _titled("view", "Digest of the rows.", _DIGEST)},
        "fit": {**_fit(), "parents": parents},
        "predict": {
            "parents": parents,
            "views": _object("views", "Rows to predict.", {"rows": _titled("rows", "Their digest.", _DIGEST)}),
        },
        "select": {
            "parents": parents,
            "metric": _ref("component"),
            "head": _titled("head", "Head it is computed of; null for the only one.", _NAMES),
            "role": _titled("role", "Role whose validation part is read.", _NAMES),
        },
    }
    kind = _titled("kind", "Kind of node.", {"type": "string", "enum": [kind.value for kind in Kind]})
    rules = [
        {
            "if": {"properties": {"kind": {"enum": [name]}}},
            "then": {
                "properties": found,
                "required": sorted(found),
                "propertyNames": {"enum": ["kind", *found]},
            },
        }
        for name, found in keys.items()
    ]
    doc = "Everything that decides the result's bits; its canonical form is digested into `work`."
    return {
        "title": "hashed",
        "description": doc,
        "type": "object",
        "properties": {"kind": kind},
        "required": ["kind"],
        "allOf": rules,
    }


def manifest() -> dict[str, Any]:
    """Give the schema of a manifest file."""
    pair = {"title": "work or candidate", "type": ["string", "integer"]}
    gate = {"title": "gate", "type": "array", "minItems": 2, "maxItems": 2, "items": pair}
    uses = {"type": "array", "items": {"title": "use", "type": "object"}}
    found = _object(
        "tlimb manifest",
        "One node of a plan.",
        {
            "tlimb": _titled("version", "Version of the format.", {"type": "integer", "enum": [1]}),
            "work": _titled("work", "sha256 of the canonical form of `hashed`.", _DIGEST),
            "hashed": _ref("hashed"),
            "uses": _titled("uses", "Where the plan uses it; for people, never hashed.", uses),
            "gates": _titled(
                "gates",
                "Pairs of a select's work and a candidate: it runs when one was chosen; empty for always.",
                {"type": "array", "items": gate},
            ),
            "after": _titled("after", "Works better finished first.", {"type": "array", "items": _DIGEST}),
            "lineage": _titled(
                "lineage",
                "Of a selection: candidate -> the fits it descends from; never hashed.",
                {
                    "type": "object",
                    "propertyNames": {"pattern": "^[0-9a-f]{64}$"},
                    "additionalProperties": _titled(
                        "ancestors", "The fits that a candidate descends from.", {"type": "array", "items": _DIGEST}
                    ),
                },
            ),
        },
        optional=("uses", "gates", "after", "lineage"),
    )
    definitions = {
        "component": _component(null=False),
        "component_or_null": _component(null=True),
        "hashed": _hashed(),
        "head": _head(),
        "trainer": _trainer(),
        "works": {
            "title": "works",
            "description": "A work, or a list of works, or such lists: one for each candidate.",
            "type": ["string", "array"],
            "pattern": "^[0-9a-f]{64}$",
            "items": _ref("works"),
        },
    }
    return {"$schema": DRAFT, "$id": ID.replace("spec", "manifest"), **found, "$defs": definitions}
