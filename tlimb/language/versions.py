"""Which version of the language a spec is written in, and whether this tlimb reads it."""

import shlex

from tlimb.language.tree import Tree
from tlimb.problems import Problem

CURRENT = 1
"""The version that this tlimb reads; within a version the language only grows."""


def written(root: Tree) -> int | None:
    """Give the version a spec says it is written in, None when it says none."""
    tree = root.get("tlimb")
    whole = tree is not None and isinstance(tree.value, int) and not isinstance(tree.value, bool)
    return int(tree.value) if tree is not None and whole else None  # type: ignore[arg-type]


def check(root: Tree, file: str) -> Problem | None:
    """Say what to do about a spec of another version, None when it is of this one or says no version.

    Args:
        root: the spec.
        file: how the command that is recommended names the spec.
    """
    version = written(root)
    if version is None or version == CURRENT:
        return None
    if 0 <= version < CURRENT:
        message = f"this study is written in version {version} of the language; this tlimb reads version {CURRENT}"
        help_ = f"rewrite it, comments kept:   tlimb upgrade {shlex.quote(file)}"
        return Problem("old-version", message, "/tlimb", help=help_)
    if version < 0:
        return Problem("unknown-version", f"there is no version {version}", "/tlimb", help=f"write   tlimb: {CURRENT}")
    message = f"this study is written in version {version} of the language; this tlimb reads up to version {CURRENT}"
    help_ = f"it needs tlimb {version}.0 or newer:   pip install --upgrade 'tlimb>={version}'"
    return Problem("new-version", message, "/tlimb", help=help_)
