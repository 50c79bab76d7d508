"""The example studies that are shipped, as templates: each file in specs/ is one, described by its first comment."""

import re

from attrs import frozen

from tlimb import resources


@frozen
class Template:
    """One example study.

    Attributes:
        name: of its file, without the ending.
        what: the first sentence of its opening comment.
        before: the command that makes the images it is written for; empty when it says none.
        text: the study.
    """

    name: str
    what: str
    before: str
    text: str


def templates() -> list[Template]:
    """Give all example studies, by name.

    Raises:
        FileNotFoundError: the installation is incomplete.
    """
    paths = sorted(resources.folder("specs").glob("*.yaml"))
    return [_template(path.stem, path.read_text(encoding="utf-8")) for path in paths]


def find(name: str) -> Template | None:
    """Give the example of that name; the beginning of one name is enough, `probe` finds `probe-and-ladder`."""
    known = templates()
    exact = [one for one in known if one.name == name]
    begun = exact or [one for one in known if name and one.name.startswith(name)]
    return begun[0] if len(begun) == 1 else None


def _template(name: str, text: str) -> Template:
    lines = []
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.lstrip("# ").rstrip())
    said = " ".join(line for line in _paragraph(lines))
    before = next((line for line in lines if line.startswith("Before:")), "").removeprefix("Before:").strip()
    return Template(name, re.split(r"(?<=[.?!])\s", said)[0], before, text)


def _paragraph(lines: list[str]) -> list[str]:
    """Give the first paragraph of a comment behind the line for editors."""
    found: list[str] = []
    for line in lines:
        if line.startswith("yaml-language-server"):
            continue
        if not line and found:
            break
        if line:
            found.append(line)
    return found
