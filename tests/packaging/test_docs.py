import ast
import re
import tomllib
from pathlib import Path

import pytest
from ruamel.yaml import YAML

import tlimb

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_inside_the_repository_leads_somewhere(page):
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        path = target.split("#")[0]
        if path and "://" not in path and not path.startswith("mailto:") and not (page.parent / path).exists():
            broken.append(target)
    assert not broken, broken


def test_the_architecture_page_has_a_paragraph_for_every_room():
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    layers = tools["importlinter"]["contracts"][0]["layers"]
    rooms = {room.strip(" ()") for layer in layers for room in layer.split("|")} - {"__main__"}

    described = {
        name for line in re.findall(r"^\*\*(.+?)\*\*", text, re.MULTILINE) for name in re.findall(r"\w+", line)
    }
    assert rooms <= described, rooms - described


def test_the_identity_page_lists_every_field_of_a_manifest():
    text = (ROOT / "docs" / "identity.md").read_text(encoding="utf-8")
    tree = ast.parse((ROOT / "tlimb" / "manifest" / "node.py").read_text(encoding="utf-8"))
    manifest = next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "Manifest")
    # `read` is how `hashed` becomes an object; it stands in no file.
    fields = {node.target.id for node in manifest.body if isinstance(node, ast.AnnAssign)} - {"read"}

    assert fields == {"work", "hashed", "uses", "gates", "after", "lineage"}, (
        "a new field must be hashed, recorded or ignored"
    )
    for name in fields - {"hashed"}:
        assert f"`{name}`" in text


def test_decisions_are_numbered_without_gaps_and_say_context_and_decision():
    pages = sorted((ROOT / "docs" / "adr").glob("*.md"))
    assert [int(page.name[:4]) for page in pages] == list(range(1, len(pages) + 1))
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert text.startswith(f"# {page.name[:4]}: ")
        assert re.search(r"^(\*\*Context|## Context)", text, re.MULTILINE), page.name
        assert re.search(r"^(\*\*Decision|## Decision)", text, re.MULTILINE), page.name


def specs_in_pages():
    # docs/extending.md is followed by a test of its own: its specs name what it installs.
    for page in (page for page in PAGES if page.name != "extending.md"):
        blocks = re.findall(r"```yaml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
        yield from ((page.name, place, text) for place, text in enumerate(blocks) if text.startswith("tlimb: 1\n"))


@pytest.mark.parametrize(("name", "place", "text"), list(specs_in_pages()))
def test_every_whole_spec_in_the_documentation_is_valid(name, place, text, tmp_path):
    spec = tmp_path / f"{name}-{place}.yaml"
    spec.write_text(text, encoding="utf-8")

    assert [problem.message for problem in tlimb.validate(spec)] == []


def test_the_readme_shows_the_study_of_the_demo():
    text = next(text for name, _, text in specs_in_pages() if name == "README.md")
    yaml = YAML(typ="safe")
    shown, whole = yaml.load(text), yaml.load((ROOT / "specs" / "pretrain-finetune.yaml").read_text(encoding="utf-8"))

    assert {key: value for key, value in whole.items() if key not in ("name", "seed")} == shown
