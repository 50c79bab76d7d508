"""Datasets that a foreign reader finds: the one step that runs it, and cohorts that know where its index lies."""

import json
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

from tlimb.api.load import Loaded
from tlimb.cohorts import own
from tlimb.cohorts.declaration import Declaration, ForeignReader
from tlimb.cohorts.hashing import HashCache
from tlimb.describe import installed
from tlimb.describe.loading import grant
from tlimb.language import installed as installed_catalogue
from tlimb.language.model import Dataset, Study
from tlimb.manifest import canonical
from tlimb.plan.cohort import Cohorts
from tlimb.problems import ExitCode, Problem, Severity, TlimbError
from tlimb.project import DEFAULTS, SPEC_ROOT, Project
from tlimb.store import disk
from tlimb.store.disk import private_folder


def open_cohorts(
    study: Study,
    place: Project,
    hashes: HashCache,
    progress: Callable[[int, int], None] | None = None,
    *,
    with_names: bool = False,
) -> Cohorts:
    """Give the cohorts of a study on this machine; nothing is read yet."""
    return Cohorts(
        study,
        place.roots,
        place.private,
        hashes,
        progress,
        with_names=with_names,
        foreign=cache(lambda name: foreign_reader(name, place)),
        remake=lambda dataset: command(study, place, dataset),
    )


def foreign_reader(name: str, place: Project) -> ForeignReader | None:
    """Say what a reader is that a dataset names: None for tlimb's own, else its class and whose it is."""
    listing = installed_catalogue.load().get("cohort", name)
    if "." not in name and (listing is None or not listing.package):
        return None
    path = name if listing is None else listing.cls
    found = installed.identity(path, place.code)
    code = " ".join(found.values()) if "code" in found else None
    return ForeignReader(path, code, found.get("package", "") or ("" if listing is None else listing.package))


def command(study: Study, place: Project, dataset: Dataset) -> str:
    """Give the command that indexes a dataset of the user's own, with the places that were asked for."""
    assert dataset.files is not None
    reader = foreign_reader(dataset.files.name, place)
    assert reader is not None
    words = ["tlimb", "index", str(place.spec), "--allow", reader.path.split(".")[0]]
    root = dataset.root or SPEC_ROOT
    if place.roots[root] != (place.folder / study.roots.get(root, ".")).resolve():
        words += ["--root", f"{root}={place.roots[root]}"]
    if place.private != (place.folder / DEFAULTS["private"]).resolve():
        words += ["--private", str(place.private)]
    return shlex.join(words)


def index_own(loaded: Loaded, place: Project) -> list[str]:
    """Run every reader that is no part of tlimb once, and give one line each.

    Raises:
        TlimbError: a reader is not allowed (77), not found, or failed.
    """
    study = loaded.sound()
    cohorts = open_cohorts(study, place, HashCache(place.private), with_names=True)
    said: list[str] = []
    seen: set[Path] = set()
    try:
        for dataset in study.datasets.values():
            declaration = None if dataset.files is None else cohorts.declaration(dataset)
            if declaration is None or declaration.foreign is None:
                continue
            _refuse(declaration, place)
            path = own.path_of(declaration)
            if path not in seen:
                seen.add(path)
                said.append(_index(declaration, place, path))
    except TlimbError as error:
        raise TlimbError(loaded.source.resolve(error.problems), error.exit_code) from error
    return said


def _refuse(declaration: Declaration, place: Project) -> None:
    """Refuse what is not allowed before anything runs."""
    reader = declaration.foreign
    assert reader is not None
    if reader.code is None:
        wrong = own.stored(declaration)
        assert isinstance(wrong, Problem)
        raise TlimbError(wrong)
    if not grant(reader.path, place.allow):
        message = f"`{declaration.reader}` is {reader.whose} and was not allowed"
        problem = Problem(
            "code-not-allowed", message, f"{declaration.pointer}/files", on_key=True, help=declaration.remake
        )
        raise TlimbError(problem, ExitCode.POLICY)


def _index(declaration: Declaration, place: Project, path: Path) -> str:
    """Run one reader in a process of its own and keep what it found."""
    folder = private_folder(path.parent)
    log = folder / f"{declaration.name}.log"
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        answer = Path(scratch) / "answer.json"
        ended = subprocess.run(
            [sys.executable, "-P", "-m", own.__name__],
            input=canonical(own.request(declaration, place.code, answer)).encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONSAFEPATH": "1", "PYTHONDONTWRITEBYTECODE": "1"},
            check=False,
        )
        disk.write_atomically(log, ended.stdout, 0o600)
        if ended.returncode or not answer.is_file():
            message = f"`{declaration.reader}` ended with status {ended.returncode} and no answer"
            raise TlimbError(Problem("reader-failed", message, f"{declaration.pointer}/files", note=f"said in {log}"))
        found = json.loads(answer.read_text(encoding="utf-8"))
    problems = [_problem(one) for one in found["problems"]]
    if "index" not in found or any(one.severity is Severity.ERROR for one in problems):
        raise TlimbError(problems, ExitCode(found.get("exit", ExitCode.FINDINGS)))
    for old in folder.glob(f"{declaration.name}-{'[0-9a-f]' * 16}.json"):
        old.unlink()
    disk.write_atomically(path, canonical(found["index"]).encode(), 0o600)
    rows = found["index"]["found"]
    people = {row["participant"] for row in rows}
    return f"{declaration.name}: {len(people)} participants, {len(rows)} images by {declaration.reader}"


def _problem(told: list[object]) -> Problem:
    code, message, pointer, severity, help_ = told
    assert isinstance(help_, list)
    return Problem(
        str(code),
        str(message),
        None if pointer is None else str(pointer),
        severity=Severity(str(severity)),
        help=tuple(str(line) for line in help_),
    )
