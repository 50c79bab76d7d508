"""Who is who across cohorts: keyed identities that can be compared without telling a name."""

import contextlib
import hashlib
import hmac
import os
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path

from tlimb.cohorts.declaration import Declaration
from tlimb.cohorts.links import inside
from tlimb.cohorts.reading import escapes, read_table
from tlimb.cohorts.rows import Cell
from tlimb.cohorts.view import text
from tlimb.manifest import canonical
from tlimb.problems import Problem
from tlimb.store.disk import private_folder

KEY_FILE = "group.key"
KEY_BYTES = 32


def group_key(private: Path) -> bytes:
    """Give the key of the group that holds the data, made on first use with mode 0600.

    It is never hashed into work and never emitted; whoever shares a private folder shares identities.

    Raises:
        OSError: the private folder cannot be read or written.
        ValueError: the key file has been damaged.
    """
    path = private_folder(private) / KEY_FILE
    if not path.exists():
        # A link appears whole or not at all, so of two first uses at once one wins and both read its key.
        draft = path.with_name(f".{KEY_FILE}.{secrets.token_hex(8)}")
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.write(handle, secrets.token_bytes(KEY_BYTES))
            os.fsync(handle)
        finally:
            os.close(handle)
        with contextlib.suppress(FileExistsError):
            path.hardlink_to(draft)
        draft.unlink()
    key = path.read_bytes()
    if len(key) != KEY_BYTES:
        raise ValueError("the group's key is damaged; restore it from a copy, or delete it for new identities")
    return key


def keyed(key: bytes, namespace: str, identity: str) -> str:
    """Give a keyed identity, 64 hex digits.

    Source: HMAC-SHA256, RFC 2104.
    """
    return hmac.new(key, canonical([namespace, identity]).encode(), hashlib.sha256).hexdigest()


def identities(
    declaration: Declaration, participants: Sequence[str], values: Mapping[str, Cell]
) -> tuple[dict[str, str], list[Problem]]:
    """Give the identity of each participant before it is keyed.

    Args:
        declaration: the dataset.
        participants: ids of the table.
        values: participant -> value of the identity column; empty without one.

    Returns:
        Participant -> identity: that of the map, else of the column, else the id itself, without `sub-`.
    """
    decl = declaration.identity
    found = {person: person.removeprefix("sub-") for person in participants}
    if decl is None:
        return found, []
    if decl.column is not None:
        known = {person: value for person, value in values.items() if value is not None}
        found |= {person: text(value) for person, value in known.items()}
    if decl.map is not None:
        aliases, problems = _aliases(declaration, decl.map)
        if problems:
            return found, problems
        found = {person: aliases.get(_bare(person), own) for person, own in found.items()}
    return found, []


def _bare(person: str) -> str:
    return person.removeprefix("sub-")


def _aliases(declaration: Declaration, file: str) -> tuple[dict[str, str], list[Problem]]:
    pointer = f"{declaration.pointer}/identity/map"
    root = declaration.private_root
    if root is None:
        return {}, [Problem("identity-map", "there is no private folder to read the map from", pointer)]
    if escapes(file) or ((root / file).exists() and not inside(root, root / file)):
        return {}, [Problem("path-escape", f"`{file}` leads out of the private folder", pointer)]
    try:
        table = read_table(root / file)
    except OSError:
        help_ = f"put it there, with the columns participant_id and identity: {root.name}/{file}"
        return {}, [Problem("identity-map", f"no table `{file}` in the private folder", pointer, help=help_)]
    except ValueError as error:
        return {}, [Problem("identity-map", f"`{file}`: {error}", pointer)]
    if not {"participant_id", "identity"} <= set(table.columns):
        return {}, [Problem("identity-map", f"`{file}` needs columns participant_id and identity", pointer)]
    return {_bare(row["participant_id"]): row["identity"] for row in table.rows}, []
