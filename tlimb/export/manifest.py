"""The JSON Schema of manifests: what a stranger needs to read one, or to write one by hand."""

from typing import Any

from tlimb.language.schema import DRAFT, ID
from tlimb.manifest import Kind

_DIGEST = {"title": "digest", "type": "string", "pattern": "^[0-9a-f]{64}$"}
_NAMES = {"type": ["string", "null"]}


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
        "code": _titled("code", "sha256 of the syntax tree of a user's class.", _DIGEST),
    }
    found = _object("component or null" if null else "component", doc, properties, optional=("code",))
    return {**found, "type": ["object", "null"]} if null else found


def _fit() -> dict[str, Any]:
    view = {"title": "view", "type": ["string", "null"], "pattern": "^[0-9a-f]{64}$"}
    views = {"type": "object", "additionalProperties": view}
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
        "trainer": _titled("trainer", "Length, batches and arithmetic.", {"type": "object"}),
        "freeze": _titled("freeze", "What keeps its parent's weights.", {"type": "object"}),
        "adapt": _titled("adapt", "What may differ from the parent.", {"type": "object"}),
        "weights": _map("weights", "Files of weights by role.", _object("weights", "One file.", weights)),
        "views": _map("views", "Role -> part -> digest of the rows.", _titled("parts", "Rows by part.", views)),
        "inputs": _titled("inputs", "Facts of the training images; null where they differ.", {"type": "object"}),
        "seed": _titled("seed", "The run's only seed.", {"type": "integer", "minimum": 0}),
    }


def _head() -> dict[str, Any]:
    facts = _titled("facts", "What is known of the target, from the training part.", {"type": "object"})
    return _object(
        "head",
        "One task: what is predicted and how much it counts.",
        {
            "name": _titled("name", "Name of the head.", {"type": "string"}),
            "objective": _ref("component"),
            "head": _ref("component"),
            "weight": _titled("weight", "Factor of its loss.", {"type": "number"}),
            "role": _titled("role", "Role whose samples it reads; null for all with the label.", _NAMES),
            "facts": facts,
        },
    )


def _hashed() -> dict[str, Any]:
    """Give the part that is digested: one set of keys for each kind of node, no others."""
    parents = _titled("parents", "Role -> work, or works.", {"type": "object"})
    keys: dict[str, dict[str, Any]] = {
        "prepare": {"data": _ref("component"), "view": _titled("view", "Digest of the rows.", _DIGEST)},
        "fit": {**_fit(), "parents": parents},
        "predict": {
            "parents": parents,
            "views": _titled("views", "Rows to predict.", {"type": "object"}),
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
        },
        optional=("uses", "gates", "after"),
    )
    definitions = {
        "component": _component(null=False),
        "component_or_null": _component(null=True),
        "hashed": _hashed(),
        "head": _head(),
    }
    return {"$schema": DRAFT, "$id": ID.replace("spec", "manifest"), **found, "$defs": definitions}
