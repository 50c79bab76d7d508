"""Blocks that say which people and images there are."""

from collections.abc import Mapping
from typing import Any

from attrs import Factory, frozen

from tlimb.language.model.keys import Origins, hidden, key
from tlimb.language.values import Component, Value


@frozen(kw_only=True, eq=False, repr=False)
class Label:
    """How a dataset renames, recodes or hides one label."""

    column: str | None = key(
        "Column of the table that holds this label; by default the label's own name.",
        default=None,
        type="string",
    )
    map: Mapping[str, Any] = key(
        "Recoding, raw cell -> value; cells that are not listed are refused.",
        default=dict,
        type="map",
        of={"type": ["string", "number", "boolean"]},
        free=True,
    )
    private: bool = key("Keep the values out of manifests, reports and logs.", default=False, type="boolean")
    pointer: str = hidden("")


@frozen(kw_only=True, eq=False, repr=False)
class Join:
    """One more table whose columns become labels."""

    file: str = key("Table (.tsv or .csv), relative to the dataset's root.", type="string", examples=["phenotypes.tsv"])
    by: tuple[str, ...] = key(
        "Columns that identify a row in both tables.",
        default=("participant_id",),
        type="list",
        of={"type": "string"},
        short=True,
    )
    private: bool = key(
        "Keep all columns of this table out of manifests, reports and logs.", default=False, type="boolean"
    )
    pointer: str = hidden("")


@frozen(kw_only=True, eq=False, repr=False)
class Identity:
    """Who the participants are, for the leak guard."""

    namespace: str | None = key(
        "People with equal ids in equal namespaces are the same; by default the dataset itself.",
        default=None,
        type="string",
    )
    column: str | None = key(
        "Column with the id that holds across cohorts; by default the participant id.",
        default=None,
        type="string",
    )
    map: str | None = key(
        "Private two-column table (participant_id, identity), relative to the root `private`.",
        default=None,
        type="string",
    )


@frozen(kw_only=True, eq=False, repr=False)
class Images:
    """What images are, where neither headers nor names of files tell it, or where these are wrong."""

    skull_stripped: bool | None = key(
        "Whether skull and scalp have been removed; by default as `desc` in names of files tells.",
        default=None,
        type="boolean",
    )
    space: str | None = key(
        "Template that they are registered to, or `scanner` for none; by default as `space` in names of files or the "
        "codes of headers tell.",
        default=None,
        type="string",
        examples=["MNI152NLin2009cAsym"],
    )


@frozen(kw_only=True, eq=False, repr=False)
class Dataset:
    """Files, labels and how people are divided."""

    like: str | None = key(
        "Start from another dataset; own keys replace or extend its keys.",
        default=None,
        type="name",
        names="datasets",
    )
    root: str | None = key(
        "Named root that relative paths start from; by default the folder of the spec.",
        default=None,
        type="name",
        names="roots",
    )
    files: Component | None = key(
        "The cohort reader that finds images and tables.", default=None, type="component", kind="cohort"
    )
    cohort: str | None = key(
        "Name of the population these people come from, for the leak guard of public weights.",
        default=None,
        type="string",
        examples=["UK Biobank"],
    )
    labels: Mapping[str, Label] = key(
        "Labels that are renamed, recoded or private; other columns are labels of their own name.",
        default=dict,
        type="map",
        of=Label,
        short="column",
    )
    join: tuple[Join, ...] = key("More tables with labels.", default=(), type="list", of=Join)
    missing: tuple[Any, ...] = key(
        "Cells that mean a missing value.", default=("n/a",), type="list", of={"type": ["string", "number"]}
    )
    images: Images | None = key(
        "What images are, for data modules and weights that expect something of them.",
        default=None,
        type="block",
        of=Images,
    )
    identity: Identity | None = key("Who the participants are across cohorts.", default=None, type="block", of=Identity)
    portions: Mapping[str, Any] = key(
        "Disjoint sub-cohorts by participants: a count, a share between 0 and 1, or `rest`.",
        default=dict,
        type="map",
        of={"share": True},
    )
    portion: str | None = key("Which portion of the dataset it is `like`.", default=None, type="name", names="portions")
    only: Mapping[str, Any] = key(
        "Keep the rows with these label or entity values: a value, a list, {min, max} or `any`.",
        default=dict,
        type="map",
        of={"only": True},
        names="labels",
        free=True,
    )
    split: Component | None = key(
        "How participants are divided into train, val and test.", default=None, type="component", kind="split"
    )
    subset: Mapping[str, Value] = key(
        "Use only so many participants of a part, nested across sizes.",
        default=dict,
        type="map",
        of={"share": True, "varies": True},
        keys=("train", "val"),
    )
    name: str = hidden("")
    pointer: str = hidden("")
    origins: Origins = hidden(Factory(dict))
    split_place: str = hidden("")
    files_place: str = hidden("")
    # `split_place` is the dataset in which the split in force is written: datasets that are `like` it share the
    # division, so two views of one dataset cannot leak. `files_place` likewise names the owner of the files.
