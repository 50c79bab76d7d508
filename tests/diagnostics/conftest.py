"""The pages of codes as tests: wrong studies whose comments say what is expected, and the mended ones."""

import gzip
import re
import struct
from pathlib import Path

import pytest
from attrs import frozen

from tlimb.api.load import load
from tlimb.api.planning import make_plan
from tlimb.language import catalogue
from tlimb.language.catalogue import Catalogue
from tlimb.problems import Problem, TlimbError
from tlimb.problems.pages import Page, registry
from tlimb.project import Asked, project

FIXTURES = Path(__file__).parent.parent / "fixtures"
EXPECTED = re.compile(r'(error|warning|info)\[([a-z0-9-]+)\](?: at `([^`]*)`)?(?: "([^"]*)")?')
BLOCK = re.compile(r"^```(\w+) ?([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILES = "{table: {file: people.tsv, image: 'images/{participant_id}.npy'}}"
SPLIT = "{holdout: {train: 0.6, val: 0.2, test: 0.2}}"
BASE = {
    "tlimb": "tlimb: 1\n",
    "datasets": f"datasets:\n  clinic:\n    files: {FILES}\n    split: {SPLIT}\n",
    "defaults": """defaults:
  dataset: clinic
  data: {bio_image: {spacing_mm: 8, crop: [20, 24, 20]}}
  architecture: {resnet3d: {depth: 10}}
  objective: {classification: {target: sex}}
  optimizer: {adamw: {lr: 1e-3}}
  trainer: {epochs: 2, batch_size: 2}
""",
    "stages": "stages:\n  train: {}\n",
    "tests": "tests:\n  held_out: {of: train}\n",
}
"""The small study that every example extends: sections that an example leaves out are added after it."""


@frozen
class Case:
    """One example of a page.

    Attributes:
        name: page and number.
        page: the page it stands on.
        kind: `wrong` or `right`.
        text: the study, with comments.
        files: other files of the example: name -> content.
        expected: (line, severity, code, marked text, part of the message) from the comments.
    """

    name: str
    page: Page
    kind: str
    text: str
    files: tuple[tuple[str, str], ...]
    expected: tuple[tuple[int, str, str, str, str], ...]


def cases() -> list[Case]:
    """Read the examples of all pages."""
    return [case for page in registry().values() for case in examples(page)]


def examples(page: Page) -> list[Case]:
    """Read the examples of one page; files that are shown belong to every example after them."""
    found: list[Case] = []
    files: dict[str, str] = {}
    for language, words, text in BLOCK.findall(page.text):
        if language != "yaml":
            if words:
                files[words] = text
            continue
        kind, *more = words.split()
        found.append(_case(f"{page.code} {len(found) + 1} {kind}", page, kind, text, files, "whole" in more))
    return found


def _case(name: str, page: Page, kind: str, text: str, files: dict[str, str], whole: bool) -> Case:
    expected = []
    for number, line in enumerate(text.splitlines(), start=1):
        comments = EXPECTED.finditer(line.partition("#")[2])
        expected.extend((number, hit[1], hit[2], hit[3] or "", hit[4] or "") for hit in comments)
    if not whole:
        written = set(re.findall(r"^([a-z]+):", text, re.MULTILINE))
        text += "".join(section for key, section in BASE.items() if key not in written)
    return Case(name, page, kind, text, tuple(files.items()), tuple(expected))


def problems_of(case: Case, components: Catalogue, folder: Path) -> list[Problem]:
    """Give what is reported for an example: by the spec alone, or for pages about data by planning it."""
    spec = folder / "study.yaml"
    spec.write_text(case.text, encoding="utf-8")
    loaded = load(spec, components)
    if case.page.tier != "data" or loaded.broken:
        return list(loaded.problems)
    people(folder, dict(case.files))
    try:
        made = make_plan(loaded, project(loaded.sound(), spec, Asked()))
    except TlimbError as error:
        return [*loaded.problems, *error.problems]
    return [*loaded.problems, *made.problems]


def people(folder: Path, files: dict[str, str]) -> None:
    """Make the cohort of an example: 60 people in people.tsv, unless it shows files of its own.

    A block `tsv NAME` is a table whose columns are aligned by spaces; the first column of people.tsv names images. A
    block `text files` lists files to make, each with an image of its own; a line `a = b` makes them equal.
    """
    files.setdefault("people.tsv", _everybody())
    number = 0
    for name, text in sorted(files.items(), key=lambda one: one[0] == "files"):
        if name == "files":
            for line in text.split("\n"):
                path, _, other = (word.strip() for word in line.partition("="))
                if path and other:
                    (folder / path).parent.mkdir(parents=True, exist_ok=True)
                    (folder / path).write_bytes((folder / other).read_bytes())
                elif path:
                    number += 1
                    (folder / path).parent.mkdir(parents=True, exist_ok=True)
                    (folder / path).write_bytes(image(path, number))
            continue
        rows = [line.split() for line in text.splitlines() if line.strip()]
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("".join("\t".join(row) + "\n" for row in rows), encoding="utf-8")
        for row in rows[1:] if name.endswith("people.tsv") else ():
            number += 1
            path = (folder / name).parent / "images" / f"{row[0]}.npy"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(image(path.name, number))


def _everybody() -> str:
    lines = ["participant_id age sex diagnosis site"]
    lines += [
        f"p{n:02d} {20 + n % 50} {'FM'[n % 2]} {'sick' if n % 3 else 'well'} {'AB'[n // 2 % 2]}" for n in range(60)
    ]
    return "\n".join(lines)


def image(name: str, number: int) -> bytes:
    """Give a tiny image whose samples differ from number to number."""
    samples = bytes([number % 256, number // 256]) + bytes(6)
    if name.endswith(".npy"):
        header = "{'descr': '|u1', 'fortran_order': False, 'shape': (2, 2, 2), }".ljust(117) + "\n"
        return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + samples
    made = nifti(samples, size=float(found[1]) if (found := re.search(r"acq-(\d)mm", name)) else 8.0)
    if "acq-LAS" in name or "acq-unknown" in name:
        made = turned(made, unknown="acq-unknown" in name)
    return gzip.compress(made, mtime=0) if name.endswith(".gz") else made


def nifti(samples: bytes, size: float = 8.0) -> bytes:
    """Give a NIfTI-1 file of 2 x 2 x 2 bytes, not compressed, whose axes are the scanner's."""
    header = bytearray(352)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, 3, 2, 2, 2, 1, 1, 1, 1)
    struct.pack_into("<2h", header, 70, 2, 8)
    struct.pack_into("<8f", header, 76, 1, size, size, size, 1, 1, 1, 1)
    struct.pack_into("<f", header, 108, 352)
    struct.pack_into("<h", header, 252, 1)
    header[344:348] = b"n+1\0"
    return bytes(header) + samples


def turned(image: bytes, *, unknown: bool) -> bytes:
    """Give an image whose first axis runs to the left, or one that does not say where its axes run to."""
    header = bytearray(image)
    # The quaternion (0, 1, 0) turns about the second axis by half; a negative pixdim[0] mirrors the third back.
    struct.pack_into("<f", header, 76, -1)
    struct.pack_into("<h", header, 252, 0 if unknown else 1)
    struct.pack_into("<3f", header, 256, 0, 1, 0)
    return bytes(header)


@pytest.fixture(scope="session")
def components() -> Catalogue:
    """Give the catalogue."""
    return catalogue.load()
