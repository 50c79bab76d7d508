"""Where a study's things lie on this machine: roots, store, private folder; nothing here enters a digest."""

import os
from collections.abc import Mapping
from pathlib import Path

from attrs import field, frozen

from tlimb.language.model import Study
from tlimb.problems import ExitCode, Problem, TlimbError

SPEC_ROOT = "spec"
"""Name of the root that datasets without one of their own start from: the folder of the spec."""
DEFAULTS = {"store": "tlimb-store", "private": "tlimb-private"}
"""Names of the folders beside the spec that hold results, and what may name people."""


@frozen
class Asked:
    """What the caller says about places; it goes before the environment and every file.

    Attributes:
        roots: `--root NAME=PATH`, also for `store` and `private`.
        profile: name of a profile of the study's `execution`.
        allow: module prefixes of user code that may be imported.
    """

    roots: Mapping[str, Path] = field(factory=dict)
    profile: str | None = None
    allow: tuple[str, ...] = ()


@frozen
class Project:
    """One study on this machine.

    Attributes:
        spec: the spec's file.
        folder: its folder, absolute.
        roots: absolute folder of each named root, `spec` among them.
        store: folder of the store.
        private: folder for what may name people and files.
        code: folders of the study's own components.
        allow: module prefixes that may be imported from them.
        weights: files of the study's `pretrained` entries by their sha256.
    """

    spec: Path
    folder: Path
    roots: Mapping[str, Path]
    store: Path
    private: Path
    code: tuple[Path, ...] = ()
    allow: tuple[str, ...] = ()
    weights: Mapping[str, Path] = field(factory=dict)


def project(study: Study, spec: Path, asked: Asked) -> Project:
    """Find every place: asked for > environment > .tlimb/roots.yaml > profile > spec > beside the spec.

    Raises:
        TlimbError: a profile or root is not there.
    """
    folder = spec.resolve().parent
    profile = _profile(study, asked)
    machine = machine_roots(folder)

    def where(name: str, written: str | None) -> Path:
        given = asked.roots.get(name) or os.environ.get(f"TLIMB_ROOT_{name.upper()}") or machine.get(name)
        if given is not None:
            return Path(given).expanduser().resolve()
        return (folder / (profile.get(name) or written or ".")).resolve()

    roots = {name: where(name, path) for name, path in study.roots.items()}
    roots[SPEC_ROOT] = where(SPEC_ROOT, ".")
    unknown = [name for name in asked.roots if name not in roots and name not in DEFAULTS]
    if unknown:
        known = ", ".join(sorted({*roots, *DEFAULTS}))
        problem = Problem("unknown-root", f"`{unknown[0]}` is no root of this study", help=f"roots here: {known}")
        raise TlimbError(problem, ExitCode.USAGE)
    return Project(
        spec=spec,
        folder=folder,
        roots=roots,
        store=where("store", DEFAULTS["store"]),
        private=where("private", DEFAULTS["private"]),
        code=tuple((folder / path).resolve() for path in study.code),
        allow=asked.allow,
        weights={
            entry.digest.removeprefix("sha256:"): roots[entry.root or SPEC_ROOT] / entry.file
            for entry in study.pretrained.values()
            if (entry.root or SPEC_ROOT) in roots
        },
    )


def _profile(study: Study, asked: Asked) -> Mapping[str, str]:
    if asked.profile is None:
        return {}
    profiles = study.execution.profiles
    if asked.profile not in profiles:
        known = ", ".join(sorted(profiles)) or "none"
        problem = Problem(
            "profile-unknown",
            f"`{asked.profile}` is no profile of this study",
            pointer="/execution/profiles",
            help=f"profiles here: {known}",
        )
        raise TlimbError(problem, ExitCode.USAGE)
    return profiles[asked.profile].roots


def machine_roots(folder: Path) -> Mapping[str, str]:
    """Read .tlimb/roots.yaml, found upward from the spec; it belongs to this machine and is not committed."""
    for above in (folder, *folder.parents):
        path = above / ".tlimb" / "roots.yaml"
        if path.is_file():
            from ruamel.yaml import YAML

            found = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
            return {str(name): str(above / str(value)) for name, value in (found or {}).items()}
    return {}
