"""The last question of `tlimb validate`: does the JSON Schema find nothing either?

The walk of `checking` and the schema for editors are made from the same shapes, and a mistake in the walk would let
through what editors and every later step rightly refuse. So what the walk accepts is given to jsonschema, with the
schema of this installation: the shipped one, with the components of installed packages and those that the project has
described for its editor. Where walk and schema differ tlimb is at fault, not the study.
"""

import json
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from tlimb import resources
from tlimb.language import catalogue as catalogues
from tlimb.language.catalogue import Catalogue
from tlimb.language.source import Source
from tlimb.language.values import escape
from tlimb.language.walk import clip
from tlimb.problems import Problem

_MOST_TEXT = 200
_DEFINITIONS = "#/$defs/"


def check(source: Source, catalogue: Catalogue) -> list[Problem]:
    """Return what the schema refuses in a spec in which the walk found no error: one problem at most, with its place.

    Args:
        source: a spec that could be read.
        catalogue: the components that the walk knew.
    """
    validator, passed = _validator(catalogue)
    passed.clear()
    error = next(validator.iter_errors(source.root.data()), None)
    if error is None:
        return []
    pointer = "".join(f"/{escape(str(token))}" for token in error.absolute_path)
    message = f"the JSON Schema of specs does not allow this: {clip(error.message, _MOST_TEXT)}"
    help_ = (
        "the other checks accept it, so this is probably a bug in tlimb: please report it, with these lines of the spec"
    )
    return source.resolve([Problem("schema-mismatch", message, pointer, help=help_)])


def content(catalogue: Catalogue) -> dict[str, Any]:
    """Return the schema of specs with these components: the shipped file where nothing is added to what is shipped."""
    if catalogue is catalogues.load():
        file = resources.folder("schema") / "v1" / "spec.json"
        return dict(json.loads(file.read_text(encoding="utf-8")))
    from tlimb.language import schema

    return schema.spec(catalogue)


@lru_cache(maxsize=2)
def _validator(catalogue: Catalogue) -> tuple[Any, set[tuple[str, str]]]:
    """Return the validator of specs, and what passed so far: references to definitions, with values.

    A reference leads to a validator that is made once, and a value that passed there is not looked at again: stages
    and alternatives of a large study are alike. The schema itself is not checked here, a test does that.
    """
    from jsonschema import Draft7Validator, validators

    written = content(catalogue)
    made: dict[str, Any] = {}
    passed: set[tuple[str, str]] = set()

    def refer(validator: Any, ref: str, instance: Any, schema: Any) -> Iterator[Any]:
        known = (ref, repr(instance))
        if known in passed:
            return
        if ref not in made:
            made[ref] = validator.evolve(schema=written["$defs"][ref.removeprefix(_DEFINITIONS)])
        clean = True
        for error in made[ref].iter_errors(instance):
            clean = False
            yield error
        if clean:
            passed.add(known)

    extended: Any = validators.extend
    return extended(Draft7Validator, {"$ref": refer})(written), passed
