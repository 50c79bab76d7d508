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
class ForeignReader:
    """A cohort reader that is no part of tlimb: of the study's own code, or of an installed package.

    Attributes:
        path: its class path.
        code: hash of the code behind it, with the version of its package; None when it is not found.
        package: distribution and version that offers it, such as `acme-nets 1.2.0`; empty for the study's own.
    """

    path: str
    code: str | None = None
    package: str = ""

    @property
    def whose(self) -> str:
        """Say whose code it is, in words."""
        return f"code of {self.package}" if self.package else "your own code"


@frozen
class Declaration:
    """A dataset that has `files` of its own.

    Attributes:
        name: the dataset's name.
        pointer: JSON pointer of the dataset in the spec, such as `/datasets/clinic`.
        reader: the cohort reader as it is written: a name such as `bids`, or a class path.
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
        foreign: what a reader that is no part of tlimb is; None for built-in ones.
        remake: command that runs such a reader, for messages.
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
    foreign: ForeignReader | None = None
    remake: str = ""

    def at(self, option: str) -> str:
        """Give the JSON pointer of an option of the reader, or of the reader where it is not written."""
        return f"{self.pointer}/files/{self.reader}" + (f"/{option}" if option in self.options else "")
