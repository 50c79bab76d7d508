"""What an editor reads beside a spec: `.tlimb/schema.json`, and the catalogue of the study's own components.

Both are made from the spec and its code alone and can be made again at any time. A stamp says from what: the version
of tlimb, the user's code, and the names that the specs of the folder give. `validate` refreshes them where they are.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from tlimb.cohorts.labels import ENTITIES, header, labels
from tlimb.editor import user_code
from tlimb.editor.dot_folder import CATALOGUE, FOLDER, SCHEMA, home, stored
from tlimb.language import installed, naming, schema
from tlimb.language.catalogue import Catalogue
from tlimb.language.source import Source, read
from tlimb.problems import Problem, Severity
from tlimb.project import machine_roots
from tlimb.store import disk
from tlimb.version import __version__


def extended(source: Source, known: Catalogue) -> Catalogue:
    """Give a catalogue with the study's own components, where its folder describes them.

    Descriptions of code that has changed since are made anew from the source.
    """
    content = stored(home(source))
    if not content.get("kinds"):
        return known
    fresh = content["code"] == user_code.digest(source, known)
    return known.with_extra(content["kinds"] if fresh else user_code.describe(source, known))


class Files:
    """The editor's files of one spec, as they are and as they should be."""

    def __init__(self, source: Source, allow: Sequence[str] = ()) -> None:
        """Prepare; nothing is read before it is asked for.

        Args:
            source: the spec.
            allow: module prefixes that may be imported to describe their classes.
        """
        self.source = source
        self.allow = tuple(allow)
        self.folder = home(source)
        self.known = installed.load()

    @cached_property
    def before(self) -> Mapping[str, Any]:
        """Give the catalogue that lies there."""
        return stored(self.folder)

    @cached_property
    def code(self) -> str:
        """Give the hash of the user's code."""
        return user_code.digest(self.source, self.known)

    @cached_property
    def kinds(self) -> Mapping[str, Mapping[str, Any]]:
        """Give the descriptions of the study's own components."""
        if self.before.get("code") == self.code and not self.allow:
            return dict(self.before["kinds"])
        return user_code.describe(self.source, self.known, self.allow)

    @cached_property
    def catalogue(self) -> Catalogue:
        """Give all components that the spec may name."""
        return self.known.with_extra(self.kinds)

    @cached_property
    def names(self) -> naming.Names:
        """Give the names in the spec."""
        return naming.names(self.source, self.catalogue, _columns(self.source))

    @property
    def name(self) -> str:
        """Give the name under which the folder knows this spec."""
        base, path = self.folder.resolve().parent, self.source.path.resolve()
        return path.relative_to(base).as_posix() if path.is_relative_to(base) else path.name

    @cached_property
    def specs(self) -> dict[str, str]:
        """Give a digest of the names in this spec and in each other spec that shares the folder."""
        known = self.before.get("specs", {})
        others = {name: told for name, told in known.items() if (self.folder.parent / name).is_file()}
        return {**others, self.name: _digest(self.names)}

    @property
    def stamp(self) -> str:
        """Say what the schema is made from."""
        text = json.dumps(self.specs, sort_keys=True)
        return f"tlimb {__version__}; code {self.code[:16]}; names {hashlib.sha256(text.encode()).hexdigest()[:16]}"

    def shared(self) -> naming.Names:
        """Give the names in all specs that share the folder."""
        others = [self.folder.parent / name for name in self.specs if name != self.name]
        return naming.together([self.names, *(Files(read(path)).names for path in others)])

    @property
    def present(self) -> bool:
        """Say whether there is a schema to keep fresh."""
        return (self.folder / SCHEMA).is_file()

    @property
    def fresh(self) -> bool:
        """Say whether the files are what they should be."""
        if not self.before or not self.present:
            return False
        with (self.folder / SCHEMA).open(encoding="utf-8") as file:
            return json.dumps(self.stamp) in file.read(400)

    def write(self) -> list[Path]:
        """Write both files and give their paths.

        Raises:
            OSError: the folder cannot be written, or is a link.
        """
        imported = list(self.allow) or (self.before.get("imported", []) if self.code == self.before.get("code") else [])
        made = schema.spec(self.catalogue, self.shared())
        head = {key: made.pop(key) for key in ("$schema", "$id")}
        content = {
            SCHEMA: {**head, "$comment": self.stamp, **made},
            CATALOGUE: {
                "tlimb": 1,
                "version": __version__,
                "code": self.code,
                "imported": imported,
                "kinds": self.kinds,
                "specs": self.specs,
            },
        }
        disk.make_below(self.folder.parent, self.folder)
        for name, value in content.items():
            disk.write_atomically(self.folder / name, json.dumps(value, ensure_ascii=False).encode() + b"\n", 0o644)
        return [self.folder / name for name in content]


def refresh(source: Source) -> list[Problem]:
    """Make the editor's files anew where they are stale; where that is impossible, give a warning with the command."""
    files = Files(source)
    if not files.present or source.unreadable or files.fresh:
        return []
    command = f"tlimb schema --project {source.path}"
    warnings: list[Problem] = []
    imported = files.before.get("imported", [])
    if imported and files.before.get("code") != files.code:
        command += "".join(f" --allow {prefix}" for prefix in imported)
        message = f"the code below `{imported[0]}` has changed since it was described for editors"
        warnings.append(Problem("editor-files-stale", message, severity=Severity.WARNING, help=command))
    try:
        files.write()
    except OSError as error:
        message = f"`{FOLDER}/{SCHEMA}` is out of date and cannot be written ({error.strerror})"
        warnings.append(Problem("editor-files-stale", message, severity=Severity.WARNING, help=command))
    return warnings


def _digest(names: naming.Names) -> str:
    params = {
        name: {field: schema.signature(shape) for field, shape in uses.items()} for name, uses in names.params.items()
    }
    text = json.dumps([{space: list(found) for space, found in names.spaces.items()}, params], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _columns(source: Source) -> tuple[str, ...]:
    """Give the columns of all tables that a spec names, and the entities of BIDS images."""
    base = source.path.resolve().parent
    tree = source.root.get("datasets")
    found: dict[str, None] = {}
    for dataset in () if tree is None else tree.children():
        root = _root(source, dataset.get("root"), base)
        files = dataset.get("files")
        for entry in () if files is None else files.entries:
            options = entry.value.data()
            if isinstance(options, dict):
                found |= dict.fromkeys(labels(entry.key, options, root))
                found |= dict.fromkeys(ENTITIES if entry.key == "bids" else ())
        joins = dataset.get("join")
        for join in () if joins is None else joins.items:
            file = join.get("file")
            if file is not None and isinstance(file.value, str):
                found |= dict.fromkeys(header(root / file.value, root))
    return tuple(found)


def _root(source: Source, named: Any, base: Path) -> Path:
    """Give a dataset's root on this machine, as far as files say it."""
    name = None if named is None else named.value
    roots = source.root.get("roots")
    written = None if roots is None or not isinstance(name, str) else roots.get(name)
    path = machine_roots(base).get(str(name)) or (written.value if written is not None else None)
    return base / path if isinstance(path, str) else base
