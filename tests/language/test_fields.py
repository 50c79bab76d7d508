"""One reading of the words with which the model declares its keys."""

import attrs
import pytest

from tlimb.language import fields, model
from tlimb.language.fields import (
    Anything,
    BlockOf,
    ComponentOf,
    Labels,
    ListOf,
    MapOf,
    Parents,
    Plain,
    Reference,
    Share,
)

BLOCKS = [one for one in vars(model).values() if attrs.has(one) and one.__module__ == model.__name__]


def described(cls, name):
    return next(one.value for one in fields.of(cls) if one.name == name)


@pytest.mark.parametrize("cls", BLOCKS, ids=lambda cls: cls.__name__)
def test_every_attribute_of_a_block_is_a_key_or_hidden(cls):
    known = [one.attribute for one in fields.of(cls)] + list(fields.hidden(cls))
    assert sorted(known) == sorted(one.name for one in attrs.fields(cls))
    assert all(one.doc for one in fields.of(cls))


@pytest.mark.parametrize("cls", BLOCKS, ids=lambda cls: cls.__name__)
def test_every_word_of_a_key_is_one_that_is_read(cls):
    known = {"yaml", "type", "none", "names", "examples", "enum", "kind", "list", "of", "short", "keys", "free"}
    known |= {"least", "pool", "minimum", "exclusive_minimum", "maximum", "pattern", "varies"}
    for one in attrs.fields(cls):
        words = dict(one.metadata.get("schema", {}))
        inner = words.get("of")
        unread = set(words) | (set() if inner is None or isinstance(inner, type) else set(inner))
        assert unread <= known | {"share", "where", "only", "param"}, one.name


@pytest.mark.parametrize(
    ("cls", "name", "kind"),
    [
        (model.Study, "seed", Plain),
        (model.Study, "replicates", BlockOf),
        (model.Study, "datasets", MapOf),
        (model.Stage, "dataset", Reference),
        (model.Stage, "from", Parents),
        (model.Stage, "auxiliary", ComponentOf),
        (model.Dataset, "join", ListOf),
    ],
)
def test_a_key_becomes_the_description_of_its_type(cls, name, kind):
    assert type(described(cls, name)) is kind


@pytest.mark.parametrize(
    ("cls", "name", "kind"),
    [
        (model.Study, "params", Anything),
        (model.Study, "stages", BlockOf),
        (model.Stage, "datasets", Reference),
        (model.Stage, "where", Labels),
        (model.Dataset, "only", Labels),
        (model.Dataset, "portions", Share),
        (model.Dataset, "subset", Share),
        (model.Label, "map", Plain),
    ],
)
def test_the_values_of_a_mapping_are_what_of_says(cls, name, kind):
    assert type(described(cls, name).value) is kind


def test_lists_hold_blocks_components_lists_and_mappings():
    assert described(model.Dataset, "join").item.cls is model.Join
    assert described(model.Report, "metrics").item.kind == "metric"
    distinct = described(model.Constraints, "distinct").item
    assert (type(distinct), distinct.least, distinct.item.names) == (ListOf, 2, "params")
    exclude = described(model.Constraints, "exclude").item
    assert (type(exclude), exclude.free, exclude.names, type(exclude.value)) == (MapOf, True, "params", Labels)


def test_a_scalar_may_be_short_for_a_block_or_a_list():
    assert described(model.Study, "replicates").lone.limits == {"minimum": 1}
    assert described(model.Dataset, "labels").value.lone.types == ("string",)
    assert described(model.Test, "of").short


def test_a_row_is_named_by_a_stage_or_by_labels_of_params():
    against = described(model.Report, "against")
    assert (against.types, against.names) == (("string",), "stages")
    assert (against.mapping.names, against.mapping.least) == ("params", 1)
