"""A spec from file to typed study, with everything that is wrong with it."""

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import frozen

from tlimb.describe.static import FOR_LIGHTNING
from tlimb.editor import dot_folder
from tlimb.language import checking, installed, lower, rules, source, versions
from tlimb.language.catalogue import Catalogue
from tlimb.language.model import Study
from tlimb.language.source import Source
from tlimb.problems import Problem, Severity, TlimbError

_PATH = re.compile(r"\w\.[A-Z]")
"""What every class path in the text of a spec has; no repetition, so that a line of a million letters costs nothing."""


@frozen(eq=False)
class Loaded:
    """A spec that was read and checked.

    Attributes:
        source: text and tree.
        study: the typed study; None when the spec's shape is wrong.
        catalogue: the components it was checked against.
        problems: with places, in the order of the file.
        form: the components with which its form was checked; None where the form has errors or was not checked.
    """

    source: Source
    study: Study | None
    catalogue: Catalogue
    problems: tuple[Problem, ...]
    form: Catalogue | None = None

    @property
    def broken(self) -> bool:
        """Say whether there is an error."""
        return any(problem.severity is Severity.ERROR for problem in self.problems)

    def sound(self) -> Study:
        """Give the study.

        Raises:
            TlimbError: the spec has errors.
        """
        if self.study is None or self.broken:
            raise TlimbError(self.problems)
        return self.study


def load(path: Path, components: Catalogue | None = None) -> Loaded:
    """Read and check a spec; mistakes are in the result, not raised.

    Raises:
        TlimbError: there is no such file.
    """
    known = components or installed.load()
    # Deep but legal nesting must not meet Python's default limit inside jsonschema.
    sys.setrecursionlimit(max(sys.getrecursionlimit(), 5000))
    read = source.read(path)
    problems = [*read.problems]
    study = form = None
    other = None if read.unreadable else versions.check(read.root, str(path))
    if other is not None:
        problems.append(other)  # nothing else can be said of a language that is not ours
    elif not read.unreadable:
        # Plans never depend on what `.tlimb` holds: only the form is checked against the study's own components.
        offered = known if components is not None or not dot_folder.there(read) else _with_own(read, known)
        named = _named(read, known)
        # Signatures for Lightning say all that may be written, so their options are always checked.
        theirs = {kind: named[kind] for kind in FOR_LIGHTNING if kind in named}
        offered = offered.with_extra(theirs) if theirs else offered
        problems = checking.check(read, offered)
        form = None if any(problem.severity is Severity.ERROR for problem in problems) else offered
        study = lower.lower(read)
        problems += [] if components is not None else installed.clashes(read.text)
        known = known.with_extra(named) if named else known
        # Meaning is checked although the shape has mistakes elsewhere: all mistakes are shown at once.
        meant = rules.check(study, read, known, problems)
        problems = [*rules.noted(study, read, known, problems), *meant]
    return Loaded(read, study, known, tuple(read.resolve(problems)), form)


def mismatches(loaded: Loaded) -> list[Problem]:
    """Return what the JSON Schema refuses although the checks found no mistake of form: mistakes of tlimb's own.

    `validate` asks for it, as its last check; what only plans or runs need not wait for jsonschema to be loaded.
    """
    if loaded.form is None:
        return []
    from tlimb.language import gate

    return gate.check(loaded.source, loaded.form)


def _named(read: Source, known: Catalogue) -> Mapping[str, Mapping[str, Any]]:
    """Return what the classes are that a spec names by their paths: kind -> class path -> listing."""
    if not _PATH.search(read.text):
        return {}
    from tlimb.editor import user_code

    return user_code.named(read, known)


def _with_own(read: Source, known: Catalogue) -> Catalogue:
    """Give a catalogue with the study's own components; loaded only where something describes them."""
    from tlimb.editor.editor_files import extended

    return extended(read, known)
