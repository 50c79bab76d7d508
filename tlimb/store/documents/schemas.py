"""JSON Schemas of the files of a store, made from their classes."""

from tlimb.manifest.schema import Definitions, Schema, schema_of
from tlimb.store.documents.passport import Passport
from tlimb.store.documents.record import Record
from tlimb.store.documents.result import RESULTS


def document_schemas() -> dict[str, Schema]:
    """Return the schemas by the name of their file."""
    return {"result": result_schema(), "passport": schema_of(Passport), "record": schema_of(Record)}


def result_schema() -> Schema:
    """Return the schema of `result.json`: one closed object for each kind of node."""
    definitions = Definitions()
    rules = []
    for kind, cls in RESULTS.items():
        own = {"title": "kind", "description": "Kind of node.", "type": "string", "enum": [kind]}
        definitions.found[kind] = definitions.object(cls, kind=own)
        rules.append({"if": {"properties": {"kind": {"enum": [kind]}}}, "then": {"$ref": f"#/$defs/{kind}"}})
    kinds = {"title": "kind", "description": "Kind of node.", "type": "string", "enum": list(RESULTS)}
    return {
        "title": "result",
        "description": "What finished work says of itself.",
        "type": "object",
        "properties": {"kind": kinds},
        "required": ["kind"],
        "allOf": rules,
        "$defs": dict(sorted(definitions.found.items())),
    }
