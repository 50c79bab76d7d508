"""Begin a project: a study, settings for editors, and what git must not take."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from attrs import frozen

from tlimb.cohorts.survey import survey
from tlimb.editor.editor_files import Files
from tlimb.language.rewriting.spelling import scalar
from tlimb.language.source import read
from tlimb.problems import ExitCode, Problem, TlimbError
from tlimb.starting import examples, first_study
from tlimb.store import disk

STUDY = "study.yaml"
SCHEMA = ".tlimb/schema.json"
ROOTS = ".tlimb/roots.yaml"
IGNORED = """\
# what tlimb computes; share it by other means
tlimb-store/
report/
# names of people and files: never commit these
tlimb-private/
# where data lie on this machine
.tlimb/roots.yaml
"""
EDITORS = """\
# Editors

The study's first line names `.tlimb/schema.json`: completion, hover texts and errors come from there, offline.

- **VS Code**: install the extension `redhat.vscode-yaml`; `.vscode/settings.json` does the rest.
- **JetBrains**: Settings > Languages & Frameworks > Schemas and DTDs > JSON Schema Mappings: add `.tlimb/schema.json`,
  version 7, for `study.yaml`.
- **Neovim**: install `yaml-language-server`, then `vim.lsp.enable('yamlls')`; it reads the first line by itself.
"""


@frozen
class Started:
    """What was done in a folder.

    Attributes:
        spec: the study.
        written: files that were written, relative to the folder.
        kept: files that were there and are as they were.
        before: the command that makes the images of the study; empty when they are there.
    """

    spec: Path
    written: tuple[str, ...]
    kept: tuple[str, ...]
    before: str


def start(folder: Path, bids: Sequence[Path] = (), template: str | None = None, *, force: bool = False) -> Started:
    """Write a project into a folder, which may be new.

    Args:
        folder: where the study will lie.
        bids: BIDS folders that the study is written for; none for synthetic images.
        template: name of an example study to begin with.
        force: write the study even if one is there.

    Raises:
        TlimbError: the study is there already (73), no example has that name (64), or a folder cannot be used (65).
        OSError: a file cannot be written.
    """
    roots: dict[str, str] = {}
    if bids:
        name, (text, roots), before = STUDY, _measured(folder, bids), ""
    else:
        example = _example(template or "shortest")
        name, text, before = STUDY if template is None else f"{example.name}.yaml", example.text, example.before
        text = text.replace(f"run {example.name}.yaml", f"run {name}")
    spec = folder / name
    if spec.exists() and not force:
        help_ = f"begin elsewhere, or write it anew with --force: {spec} is then lost"
        raise TlimbError(Problem("file-exists", f"`{spec}` is there already", help=help_), ExitCode.CANNOT_WRITE)
    for name_ in (".tlimb", ".vscode"):
        disk.make_below(folder, folder / name_)
    contents = {
        ".vscode/settings.json": _settings(name),
        ".vscode/extensions.json": json.dumps({"recommendations": ["redhat.vscode-yaml"]}, indent=2) + "\n",
        ".tlimb/editors.md": EDITORS.replace(STUDY, name),
        ".gitignore": IGNORED,
    }
    kept = [path for path in contents if (folder / path).exists()]
    made = {path: text_ for path, text_ in contents.items() if path not in kept}
    made = {name: text, **made}
    if roots:
        _machine_roots(folder, roots)
    for path, content in made.items():
        disk.write_atomically(folder / path, content.encode())
    # With the names of this very study: its labels, datasets and stages are offered from the first key on.
    Files(read(spec)).write()
    return Started(spec, (*made, SCHEMA, *((ROOTS,) if roots else ())), tuple(kept), before.partition("  ")[0])


def _example(name: str) -> examples.Template:
    found = examples.find(name)
    if found is None:
        known = ", ".join(one.name for one in examples.templates())
        raise TlimbError(Problem("unknown-template", f"`{name}` is no example", help=known), ExitCode.USAGE)
    return found


def _settings(name: str) -> str:
    content = {
        "yaml.schemas": {f"./{SCHEMA}": [name, "*.study.yaml"]},
        "yaml.disableDefaultProperties": True,
        "[yaml]": {"editor.quickSuggestions": {"strings": True, "other": True, "comments": False}},
    }
    return json.dumps(content, indent=2) + "\n"


def _measured(folder: Path, bids: Sequence[Path]) -> tuple[str, dict[str, str]]:
    """Give the study on some folders, and where those of them lie that are not inside the project."""
    home = folder.resolve()
    cohorts: list[first_study.Cohort] = []
    roots: dict[str, str] = {}
    for path in dict.fromkeys(one.resolve() for one in bids):
        name = first_study.name_of(path, [cohort.name for cohort in cohorts])
        inside = path.is_relative_to(home)
        if not inside:
            roots[name] = str(path)
        relative = path.relative_to(home).as_posix() if inside else "."
        cohorts.append(first_study.Cohort(name, relative, "" if inside else name, survey(path)))
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", home.name).lstrip("-_.")
    return first_study.written(name or "study", cohorts), roots


def _machine_roots(folder: Path, roots: Mapping[str, str]) -> None:
    """Add roots to those of this machine; what is written there stays.

    Raises:
        TlimbError: a root of that name lies elsewhere (73).
    """
    from ruamel.yaml import YAML

    path = folder / ROOTS
    text = (
        path.read_text(encoding="utf-8") if path.is_file() else "# where data lie on this machine; never commit this\n"
    )
    known = YAML(typ="safe").load(text) or {}
    for name, place in roots.items():
        if name in known and str(known[name]) != place:
            message = f"`{path}` has another place for `{name}`"
            raise TlimbError(Problem("file-exists", message, help="change it there"), ExitCode.CANNOT_WRITE)
        if name not in known:
            text = f"{text.rstrip()}\n{name}: {scalar(place)}\n"
    disk.write_atomically(path, text.encode())
