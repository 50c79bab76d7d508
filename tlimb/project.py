"""Where a study's things lie on this machine: roots, store, private folder; nothing here enters a digest."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from attrs import field, frozen

from tlimb.language.model import Study
from tlimb.language.rules.facts import listed
from tlimb.problems import ExitCode, Problem, Severity, TlimbError

SPEC_ROOT = "spec"
"""Name of the root that datasets without one of their own start from: the folder of the spec."""
DEFAULTS = {"store": "tlimb-store", "private": "tlimb-private"}
"""Names of the folders beside the spec that hold results, and what may name people."""

WITHOUT_ENGINE = {
    "run": "`run` uses its `roots`, and computes on this machine with what is installed",
    "plan": "`plan` uses its `roots` only",
}
"""What a command that starts no engine takes from a profile."""


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
    profile = roots_of(study, asked.profile)
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


def roots_of(study: Study, profile: str | None) -> Mapping[str, str]:
    """Return the roots that a profile sets; none without one.

    Raises:
        TlimbError: the study has no such profile (64).
    """
    if profile is None:
        return {}
    profiles = study.execution.profiles
    if profile not in profiles:
        known = ", ".join(sorted(profiles)) or "none"
        problem = Problem(
            "profile-unknown",
            f"`{profile}` is no profile of this study",
            pointer="/execution/profiles",
            help=f"profiles here: {known}",
        )
        raise TlimbError(problem, ExitCode.USAGE)
    return profiles[profile].roots


def unread_settings(study: Study, name: str | None, command: str) -> Iterator[Problem]:
    """Report what a profile sets and a command that starts no engine does not use.

    Args:
        study: the study.
        name: name of the profile; None for none.
        command: `run` or `plan`, both of which use a profile's roots, and `run` the workers of `local` too.
    """
    profile = None if name is None else study.execution.profiles.get(name)
    if profile is None:
        return
    engine = None if profile.backend is None or profile.backend.name == "local" else profile.backend
    given = {
        "backend": engine,
        "container": profile.container,
        "resources": profile.resources,
        "overrides": profile.overrides,
    }
    unread = [key for key, value in given.items() if value]
    if unread:
        yield Problem(
            "profile-unread",
            f"profile `{name}` also sets {listed(unread)}, which `{command}` does not use",
            f"/execution/profiles/{name}/{unread[0]}",
            on_key=True,
            severity=Severity.INFO if command == "plan" else Severity.WARNING,
            note=(WITHOUT_ENGINE[command],),
            help=f"to use them:   tlimb emit SPEC --profile {name} -o FOLDER",
        )


def machine_roots(folder: Path) -> Mapping[str, str]:
    """Read .tlimb/roots.yaml, found upward from the spec; it belongs to this machine and is not committed."""
    for above in (folder, *folder.parents):
        path = above / ".tlimb" / "roots.yaml"
        if path.is_file():
            from ruamel.yaml import YAML

            found = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
            return {str(name): str(above / str(value)) for name, value in (found or {}).items()}
    return {}
