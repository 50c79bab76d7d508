"""A dataset as the spec declares it, free of the language's classes: what every function of this room takes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import field, frozen


@frozen
class LabelDecl:
    """How one label is renamed, recoded or hidden.

    Attributes:
        column: column of the table; None for the label's own name.
        map: raw cell -> value; empty for no recoding.
        private: its values stay out of manifests, reports and logs.
    """

    column: str | None = None
    map: Mapping[str, Any] = field(factory=dict)
    private: bool = False


@frozen
class JoinDecl:
    """One more table whose columns become labels.

    Attributes:
        file: table (.tsv or .csv), relative to the dataset's root.
        by: columns that identify a row in both tables.
        private: all its columns are private.
    """

    file: str
    by: tuple[str, ...] = ("participant_id",)
    private: bool = False


@frozen
class IdentityDecl:
    """Who the participants are across cohorts.

    Attributes:
        namespace: equal ids in equal namespaces are the same person; None for the dataset itself.
        column: column with the id that holds across cohorts; None for the participant id.
        map: table (participant_id, identity) in the private folder; None for none.
    """

    namespace: str | None = None
    column: str | None = None
    map: str | None = None


@frozen
class Declaration:
    """A dataset that has `files` of its own.

    Attributes:
        name: the dataset's name.
        pointer: JSON pointer of the dataset in the spec, such as `/datasets/clinic`.
        reader: name of the cohort reader, such as `bids`.
        options: what is written for the reader.
        root_name: name under which a run knows the root, such as `data` or `dataset:clinic`.
        root: absolute folder that relative paths start from.
        labels: label -> how it is renamed, recoded or hidden; other columns are labels of their own name.
        joins: more tables.
        missing: cells that mean a missing value; an empty cell always does.
        identity: who the participants are across cohorts; None for the defaults of `IdentityDecl`.
        cohort: name of the population, for the leak guard; None when it is not declared.
        private_root: the private folder, where identity maps and the group's key lie; None for none, and then
            no keyed identities are made.
        code: hash of the code behind a reader of the user's own; None for built-in ones, or when it is not found.
        remake: command that runs a reader of the user's own, for messages.
    """

    name: str
    pointer: str
    reader: str
    options: Mapping[str, Any]
    root_name: str
    root: Path
    labels: Mapping[str, LabelDecl] = field(factory=dict)
    joins: tuple[JoinDecl, ...] = ()
    missing: tuple[Any, ...] = ("n/a",)
    identity: IdentityDecl | None = None
    cohort: str | None = None
    private_root: Path | None = None
    code: str | None = None
    remake: str = ""

    def at(self, option: str) -> str:
        """Give the JSON pointer of an option of the reader, or of the reader where it is not written."""
        return f"{self.pointer}/files/{self.reader}" + (f"/{option}" if option in self.options else "")
