"""The JSON Schema of specs, for editors, made from the shapes of the language.

Only keywords that draft-07 and 2020-12 share are used, without oneOf, anyOf and not: editors then complete every
place and mark the key that is wrong. A place is one schema with a list of types; what belongs to one of these
types stands inside `allOf`, where it does not disturb completion.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from attrs import evolve

from tlimb.language.catalogue import Catalogue
from tlimb.language.grammar import Grammar, grammar
from tlimb.language.naming import Names
from tlimb.language.schema_rules import RANGES, bare_names, end, one_of, open_nodes
from tlimb.language.shapes import CLASS_PATH, NODE_WORDS, PARAM, SCALARS, UNSET, Shape

DRAFT = "http://json-schema.org/draft-07/schema#"
ID = "https://tlimb.org/schema/v1/spec.json"
_MODELINE = {"title": "schema", "type": "string", "doNotSuggest": True}
_NODE_DOCS = {
    "choice": "Searched: the best of these on validation is kept.",
    "compare": "Compared: each of these is a row of the final table.",
    "uniform": "Searched: drawn evenly between two numbers.",
    "log_uniform": "Searched: drawn evenly between two numbers on a logarithmic scale.",
    "int_uniform": "Searched: a whole number drawn evenly between two, both included.",
    "param": "A value of `params`, or a field of its record: all who use it vary together.",
}


def spec(catalogue: Catalogue, names: Names | None = None) -> dict[str, Any]:
    """Give the schema of a spec with the components of a catalogue.

    Args:
        catalogue: the components that may be named.
        names: names that the study gives, offered wherever it refers to them; None for no study.
    """
    names = names or Names()
    spaces = {"metrics": catalogue.names("metric"), **names.spaces}
    writer = _Writer(grammar(catalogue), evolve(names, spaces=spaces))
    study = writer.shape(writer.grammar.study)
    if names.params:
        study["properties"]["params"]["properties"] = {
            name: writer.param(name, uses) for name, uses in names.params.items()
        }
    # editors read the modeline as a key too
    study["properties"] = {
        "$schema": {"title": "schema", "type": "string", "doNotSuggest": True},
        **study["properties"],
    }
    study["title"] = "tlimb study"
    head = {"$schema": DRAFT, "$id": ID}
    return {**head, **study, "$defs": dict(sorted(writer.definitions.items()))}


class _Writer:
    """Writes shapes as schemas; what is used in several places is kept once in `definitions`."""

    def __init__(self, language: Grammar, names: Names) -> None:
        self.grammar = language
        self.names = names
        self.definitions: dict[str, Any] = {}

    def shape(self, shape: Shape) -> dict[str, Any]:
        """Give the schema of a place."""
        head = _head(shape)
        if shape.anything:
            return {**head, "type": ["string", *SCALARS[:-1], "array", "object"], "allOf": [self._anything()]}
        if shape.kind:
            # an editor goes on with the first type: to a line of its own where a component needs options
            types = _as_list(_types(shape))
            inside = any(listing.required for listing in self.grammar.catalogue.all(shape.kind))
            types = ["object", *(name for name in types if name != "object")] if inside else types
            return {**head, "type": types, "allOf": [self._component(shape)]}
        if shape.nodes:
            own = {**head, **self._scalar(shape), "allOf": [self._varying(shape)]}
            # with these here an editor would insert a value, or begin a list
            return {name: value for name, value in own.items() if name not in ("examples", "items")}
        return {**head, **self._fixed(shape)}

    def _fixed(self, shape: Shape) -> dict[str, Any]:
        """Give all of a place but what search entries add."""
        found = self._scalar(shape)
        rules: list[dict[str, Any]] = found.pop("allOf", [])
        if shape.keys is not None:
            found["properties"] = {name: self.shape(inner) for name, inner in shape.keys.items()}
            if shape.required:
                found["required"] = list(shape.required)
            found["additionalProperties"] = False
        elif shape.values is not None:
            found["additionalProperties"] = self.shape(shape.values)
            known = self.names.of(shape.keyed) if shape.keyed else ()
            if known:
                found["properties"] = dict.fromkeys(known, found["additionalProperties"])
            if shape.names:
                rules = [*rules, {"propertyNames": {"pattern": shape.names}}]
            if "minProperties" in shape.sizes:
                rules = [*rules, {"minProperties": shape.sizes["minProperties"]}]
        return {**found, "allOf": rules} if rules else found

    def _scalar(self, shape: Shape) -> dict[str, Any]:
        """Give the types of a place and what holds for its scalars and lists."""
        found: dict[str, Any] = {"type": _types(shape), **shape.limits}
        if shape.none and "pattern" in shape.limits:
            found["pattern"] = f"^none$|{shape.limits['pattern']}"
        rules: list[dict[str, Any]] = []
        words = [*shape.enum, *(["none"] if shape.none and "none" not in shape.enum else [])]
        if shape.share:
            found["exclusiveMinimum"] = 0
            rules.append({"if": {"type": "string"}, "then": {"enum": ["rest"]}})
            rules.append({"if": {"type": "number", "minimum": 1}, "then": {"minimum": 2, "multipleOf": 1}})
        elif shape.enum:
            types = list(dict.fromkeys([*shape.types, *(["string"] if shape.none else [])]))
            if set(_as_list(found["type"])) <= set(types):
                found["enum"] = words
            else:
                rules.append({"if": {"type": types}, "then": {"enum": words}})
        elif shape.none and "string" not in shape.types:
            rules.append({"if": {"type": "string"}, "then": {"enum": ["none"]}})
        names = self.names.of(shape.refers) if shape.refers else ()
        words = [*shape.examples, *(["rest"] if shape.share else []), *names, *words]
        if "enum" not in found:
            found |= _examples(list(dict.fromkeys(words)))
        if shape.items is not None:
            found["items"] = self.shape(shape.items)
            found |= {name: size for name, size in shape.sizes.items() if name != "minProperties"}
        return {**found, "allOf": rules} if rules else found

    def _component(self, shape: Shape) -> dict[str, Any]:
        """Give a reference to the definition of a component's place."""
        forms = [shape.kind, *(["or_search"] if shape.nodes else []), *(["or_none"] if shape.none else [])]
        forms += ["or_list"] if shape.items is not None else []
        name = "_".join(forms)
        if name not in self.definitions:
            self.definitions[name] = {}
            self.definitions[name] = self._component_definition(shape, f"#/$defs/{name}")
        return {"$ref": f"#/$defs/{name}"}

    def _component_definition(self, shape: Shape, own: str) -> dict[str, Any]:
        bare = self._bare(shape)
        found: dict[str, Any] = {"title": shape.kind, "type": _types(shape)}
        if shape.items is not None:
            found["items"] = self.shape(shape.items)
        names = {
            name: {"$ref": f"#/$defs/{self._options(shape.kind, name)}"}
            for name in self.grammar.catalogue.names(shape.kind)
        }
        # in an alternative the word none is always a value: with or without
        inner = own if not shape.kind else self._alternative(shape, own)
        rules = one_of(
            names | self._nodes(shape, inner), shape.nodes, {CLASS_PATH: {"$ref": f"#/$defs/{self._open()}"}}
        )
        examples = [_examples(bare)] if bare else []
        return {**found, **rules, "allOf": [*examples, *rules["allOf"], bare_names(bare)]}

    def _alternative(self, shape: Shape, own: str) -> str:
        """Give the reference for alternatives, in which `none` may always stand."""
        if shape.none or not shape.nodes:
            return own
        return str(self._component(evolve(shape, none=True))["$ref"])

    def _bare(self, shape: Shape) -> list[str]:
        """Give the names that may be written alone: those of components without required options."""
        names = [listing.name for listing in self.grammar.catalogue.all(shape.kind) if not listing.required]
        return [*(["none"] if shape.none else []), *names]

    def _options(self, kind: str, name: str) -> str:
        definition = f"{kind}_{name}".replace(".", "_") if "." not in name else f"{kind}_{_digest(name)}"
        if definition not in self.definitions:
            self.definitions[definition] = {}
            shape = self.grammar.component(kind, name)
            assert shape is not None  # the name is the catalogue's
            self.definitions[definition] = self.shape(shape)
        return definition

    def _open(self) -> str:
        if "options_of_class_path" not in self.definitions:
            self.definitions["options_of_class_path"] = {
                "title": "options",
                "type": ["object", "null"],
                "additionalProperties": self._anything(),
            }
        return "options_of_class_path"

    def _anything(self) -> dict[str, Any]:
        """Give a reference to the definition of any value, in which search entries are well formed."""
        own = {"$ref": "#/$defs/anything"}
        if "anything" not in self.definitions:
            self.definitions["anything"] = {}
            shape = Shape("value", nodes=NODE_WORDS, types=("number",))
            self.definitions["anything"] = {
                "title": "value",
                "type": [*SCALARS, "array", "object"],
                "items": own,
                "properties": self._nodes(shape, "#/$defs/anything", key=False),
                "additionalProperties": own,
                "allOf": open_nodes(NODE_WORDS),
            }
        return own

    def _varying(self, shape: Shape) -> dict[str, Any]:
        """Give a reference to the definition of a value that may be a search entry."""
        told = json.dumps([signature(shape), *self.names.of(shape.refers)])
        name = f"search_{'_'.join(shape.types) or 'list'}_{_digest(told)}"
        own = f"#/$defs/{name}"
        if name not in self.definitions:
            self.definitions[name] = {}
            found = {"title": "value or search entry", **self._fixed(shape)}
            # an editor completes the items of a list only from a member without a type
            examples = [{"examples": found.pop("examples")}] if "examples" in found else []
            rules = [*examples, *found.pop("allOf", [])]
            nodes = self._nodes(shape, own, key=shape.values is None)
            if shape.values is None:
                one = one_of(nodes, shape.nodes)
                rules = [*rules, *one.pop("allOf")]
                found |= one
            else:
                found["properties"] = nodes
                names = f"^(?:{'|'.join([*shape.nodes, 'key'])}|{shape.names.strip('^$')})$"
                rules = [rule for rule in rules if "propertyNames" not in rule]
                rules += [{"propertyNames": {"pattern": names}}] if shape.names else []
                rules += open_nodes(shape.nodes)
            self.definitions[name] = {**found, "allOf": rules}
        return {"$ref": own}

    def param(self, name: str, uses: Mapping[str, Shape]) -> dict[str, Any]:
        """Give the schema of a param from the places that use it: a value, or a record of fields."""
        if "" in uses:
            return {**self.shape(uses[""]), "title": name}
        free = self._anything()
        fields = {field: self.shape(shape) for field, shape in uses.items()}
        record = {"title": "record", "properties": fields, "additionalProperties": free}
        rows: dict[str, Any] = {
            word: {"title": word, "markdownDescription": _NODE_DOCS[word], "items": record}
            for word in ("choice", "compare")
        }
        rows["compare"]["additionalProperties"] = record
        return {"title": name, "properties": {**fields, **rows}, "additionalProperties": free}

    def _nodes(self, shape: Shape, own: str, key: bool = True) -> dict[str, Any]:
        """Give the properties of a search entry; `own` is the schema of an alternative."""
        found: dict[str, Any] = {}
        for word in shape.nodes:
            inner: dict[str, Any] = {"title": word, "markdownDescription": _NODE_DOCS[word]}
            if word == "param":
                inner |= {"type": "string", "pattern": PARAM, **_examples(list(self.names.of("param")))}
            elif word in RANGES:
                inner |= {"type": "array", "minItems": 2, "maxItems": 2, "items": end(word, shape)}
            elif word == "choice":
                inner |= {"type": "array", "minItems": 1, "items": {"$ref": own}}
            else:
                inner |= {"type": ["array", "object"], "minItems": 1, "items": {"$ref": own}}
                inner |= {"additionalProperties": {"$ref": own}, "allOf": [{"minProperties": 1}]}
            found[word] = self._kept(word, inner)
        if key and set(shape.nodes) & {"choice", *RANGES}:
            doc = "Keeps the draws after a renaming."
            found["key"] = self._kept("key", {"title": "key", "type": "string", "markdownDescription": doc})
        return found

    def _kept(self, word: str, schema: dict[str, Any]) -> dict[str, Any]:
        """Give a reference to a schema that is kept once, whatever number of places has it."""
        name = f"{word}_{_digest(json.dumps(schema, sort_keys=True))}"
        self.definitions.setdefault(name, schema)
        return {"$ref": f"#/$defs/{name}"}


def _types(shape: Shape) -> str | list[str]:
    types = [name for name in shape.types if name != "integer" or "number" not in shape.types]
    if (shape.none or shape.share or shape.kind) and "string" not in types:
        types.append("string")
    types += ["array"] if shape.items is not None else []
    types += ["object"] if shape.mapping else []
    types += ["null"] if shape.null else []
    return types[0] if len(types) == 1 else types


def _as_list(types: str | list[str]) -> list[str]:
    return [types] if isinstance(types, str) else types


def _head(shape: Shape) -> dict[str, Any]:
    found: dict[str, Any] = {"title": shape.title}
    if shape.doc:
        found["markdownDescription"] = shape.doc
        found["x-intellij-html-description"] = shape.doc.replace("&", "&amp;").replace("<", "&lt;")
    # an editor writes an empty list out, in which nothing can be completed
    if shape.default is not UNSET and shape.default not in (None, [], (), {}):
        found["default"] = shape.default
    return found


def _examples(names: list[Any]) -> dict[str, Any]:
    return {"examples": names} if names else {}


def signature(shape: Shape) -> str:
    """Say all that the schema of a place depends on but its names and documentation."""
    parts = [
        shape.types,
        shape.enum,
        dict(shape.limits),
        shape.none,
        shape.share,
        dict(shape.sizes),
        shape.nodes,
        shape.examples,
    ]
    inner = "" if shape.items is None else signature(shape.items)
    values = False if shape.values is None else signature(shape.values)
    return json.dumps([*parts, shape.kind, values, inner], sort_keys=True)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]
