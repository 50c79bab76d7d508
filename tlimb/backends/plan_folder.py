"""Manifests given by hand or by an engine: the graph they make, and where their runs find things."""

import csv
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from attrs import evolve

from tlimb.backends.manifest_files import read_files
from tlimb.manifest import Graph, Json, Manifest
from tlimb.manifest.parsing import parse, parse_object
from tlimb.problems import ExitCode, Problem, TlimbError
from tlimb.project import DEFAULTS, Asked, Project, machine_roots

PLAN = "plan.json"
MOST_PLANNED = 1 << 28
"""Largest plan.json that is read, bytes."""
OWN_PLACES = ".tlimb/places.json"
"""This machine's places, beside an emitted project but no part of it."""
PLACES = "TLIMB_PLACES"
"""Environment variable with the path of a places.json: store, private, code, roots and weights, absolute."""


def is_plan(path: Path) -> bool:
    """Say whether a path is a plan folder, as `tlimb plan -o` and `tlimb emit` write it, or a project with one."""
    return (path / PLAN).is_file() or (path / "plan" / PLAN).is_file()


def packs_of(path: Path, private: Path | None = None) -> dict[str, list[str]]:
    """Return the works of each pack of a plan folder, by its id; none where it has no packs."""
    folder = path if (path / PLAN).is_file() else path / "plan"
    return {file.stem: list(read_files([file], private)) for file in sorted(folder.glob("packs/*/*.jsonl"))}


def read_plan(path: Path, private: Path | None = None) -> tuple[Graph, Mapping[str, Json]]:
    """Read a plan folder: its graph, and what the ranking needs beside it.

    Args:
        path: the folder, or a project that holds it.
        private: folder that remembers which files of manifests were checked; None for no memory.

    Raises:
        TlimbError: it is no plan folder, a manifest in it is not valid, or a file in it was edited.
    """
    folder = path if (path / PLAN).is_file() else path / "plan"
    try:
        request = parse_object((folder / PLAN).read_bytes(), MOST_PLANNED)
        with (folder / "runs.csv").open(encoding="utf-8", newline="") as file:
            order = [line["work"] for line in csv.DictReader(file)]
        if (folder / "manifests.jsonl").is_file():
            files = [folder / "manifests.jsonl"]
        else:
            files = [*folder.glob("manifests/*/*.json"), *folder.glob("packs/*/*.jsonl"), *folder.glob("others.jsonl")]
        nodes = read_files(files, private)
        if (folder / "uses.jsonl").is_file():
            for line in (folder / "uses.jsonl").read_text(encoding="utf-8").splitlines():
                work, uses = parse(line)
                nodes[work] = evolve(nodes[work], uses=tuple(uses))
        return Graph({work: nodes[work] for work in order}), request
    except (OSError, ValueError, KeyError, TypeError) as error:
        problem = Problem(
            "plan-unreadable", f"{path} is no plan folder: {error}", help="write it: tlimb plan SPEC -o DIR"
        )
        raise TlimbError(problem, ExitCode.USAGE) from error


def read_manifests(paths: Iterable[Path], private: Path | None = None) -> Graph:
    """Read manifests, parents first; parents that are not among them must lie in the store.

    Args:
        paths: files with one manifest (.json) or one a line (.jsonl).
        private: folder that remembers which files were checked; None for no memory.

    Raises:
        TlimbError: a manifest is not valid, or a file is no manifest, or was edited.
    """
    nodes = read_files(paths, private)
    ordered: dict[str, Manifest] = {}

    def visit(work: str) -> None:
        if work in nodes and work not in ordered:
            for parent in Graph(nodes).needed(nodes[work]):
                visit(parent)
            ordered[work] = nodes[work]

    for work in nodes:
        visit(work)
    return Graph(ordered)


def place_of_plan(path: Path, asked: Asked) -> Project:
    """Give the places of a plan folder or project: those of `place_of_manifests`, else of the project itself."""
    for folder in (path, path.parent):
        own = folder.resolve() / OWN_PLACES
        if own.is_file():
            return place_of_manifests(path / PLAN, asked, own)
    return place_of_manifests(path / PLAN, asked)


def place_of_manifests(first: Path, asked: Asked, places: Path | None = None) -> Project:
    """Give the places of manifests: asked > TLIMB_ROOT_NAME > TLIMB_PLACES > .tlimb/roots.yaml > the current folder.

    Args:
        first: one of the manifests.
        asked: what the caller says about places.
        places: the file to read where TLIMB_PLACES names none; None for no such file.

    Raises:
        TlimbError: the file of TLIMB_PLACES cannot be read, or a profile is asked for.
    """
    if asked.profile is not None:
        message = f"there is no profile `{asked.profile}`: manifests and plan folders hold no `execution`"
        problem = Problem("profile-unknown", message, help="name the study, or give places:   --root NAME=FOLDER")
        raise TlimbError(problem, ExitCode.USAGE)
    here = Path.cwd()
    known = _places(os.environ.get(PLACES) or places)
    environment = {
        key.removeprefix("TLIMB_ROOT_").lower(): Path(value)
        for key, value in os.environ.items()
        if key.startswith("TLIMB_ROOT_")
    }
    given = {**environment, **asked.roots}
    machine = _paths(machine_roots(here))
    roots = {"spec": here, **machine, **_paths(known.get("roots", {})), **given}
    code = Path(known["code"]) if "code" in known else first.resolve().parent.parent.parent / "code"

    def folder(name: str) -> Path:
        return Path(given.get(name) or known.get(name) or machine.get(name) or here / DEFAULTS[name]).resolve()

    return Project(
        spec=first,
        folder=here,
        roots={name: path.resolve() for name, path in roots.items() if name not in DEFAULTS},
        store=folder("store"),
        private=folder("private"),
        code=(code,) if code.is_dir() else (),
        allow=asked.allow,
        weights=_paths(known.get("weights", {})),
    )


def _paths(found: Mapping[str, Any]) -> dict[str, Path]:
    return {name: Path(path) for name, path in found.items()}


def _places(path: str | Path | None) -> Mapping[str, Any]:
    if not path:
        return {}
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8"))
        if not isinstance(found, dict) or not all(isinstance(found.get(key, {}), dict) for key in ("roots", "weights")):
            raise ValueError("it holds no places")
        return found
    except (OSError, ValueError) as error:
        problem = Problem(
            "places-unreadable",
            f"the places in {path} cannot be read: {error}",
            help="write a JSON file with absolute folders for store, private, code and roots",
        )
        raise TlimbError(problem, ExitCode.USAGE) from error
