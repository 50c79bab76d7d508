"""Find the data folders (schema, specs, generators, diagnostics) in a wheel or in a checkout."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_CHECKOUT = {"diagnostics": "docs/diagnostics"}
"""Folders that lie elsewhere in a checkout, where people read them."""


def folder(name: str) -> Path:
    """Give the folder of that name: the packaged copy, else the one beside the package in a checkout.

    Raises:
        FileNotFoundError: the installation is incomplete.
    """
    for candidate in (_PACKAGE / "_data" / name, _PACKAGE.parent / _CHECKOUT.get(name, name)):
        if candidate.is_dir():
            return candidate
    raise FileNotFoundError(f"tlimb's data folder {name!r} is missing; reinstall tlimb")
