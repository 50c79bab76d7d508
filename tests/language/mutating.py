"""Spoil a spec in known ways at known places, by editing its text.

A mutation is kept when jsonschema refuses the spoiled text, so the reference decides what a mistake is, and the
edit itself says where: neither uses the checks that are tested.
"""

import random
import string
from pathlib import Path
from typing import NamedTuple

from tlimb.language.source import Source, parse
from tlimb.language.tree import Entry, Tree
from tlimb.problems import Span

ROOT = Path(__file__).resolve().parents[2]
SPECS = sorted([*(ROOT / "specs").glob("*.yaml"), *(ROOT / "tests" / "specs").glob("*.yaml")])


class Mutation(NamedTuple):
    """Replace text[start:end] by `new`; the mistake is then at `at`, an offset in the old text, moved by `shift`."""

    kind: str
    pointer: str
    start: int
    end: int
    new: str
    at: int


class Offsets:
    """Lines and columns of a text to offsets and back."""

    def __init__(self, text: str) -> None:
        self.starts = [0]
        for i, letter in enumerate(text):
            if letter == "\n":
                self.starts.append(i + 1)

    def offset(self, line: int, column: int) -> int:
        return self.starts[line - 1] + column - 1

    def span(self, span: Span) -> tuple[int, int]:
        return self.offset(span.line, span.column), self.offset(span.end_line, span.end_column)

    def place(self, offset: int) -> tuple[int, int]:
        line = max(i for i, start in enumerate(self.starts) if start <= offset)
        return line + 1, offset - self.starts[line] + 1


def mutations(source: Source, dice: random.Random) -> list[Mutation]:
    """Give many possible mutations of a spec, in random order."""
    offsets = Offsets(source.text)
    found: list[Mutation] = []

    def go(tree: Tree, owner: Entry | None) -> None:
        for entry in tree.entries:
            key = offsets.span(entry.key_span)
            found.append(Mutation("rename", entry.value.pointer, *key, typo(entry.key, dice), key[0]))
            deleted = deletion(source.text, tree, entry, offsets)
            at = offsets.span(tree.span if owner is None else owner.key_span)[0]
            if deleted is not None and tree.pointer:
                found.append(Mutation("delete", entry.value.pointer, *deleted, "", at))
            go(entry.value, entry)
        for item in tree.items:
            go(item, None)
        if tree.kind == "scalar" and not tree.empty:
            start, end = offsets.span(tree.span)
            for kind, new in values(tree, dice):
                found.append(Mutation(kind, tree.pointer, start, end, new, start))

    go(source.root, None)
    dice.shuffle(found)
    return found


REFERENCES = {"dataset": "datasets", "of": "stages", "root": "roots", "param": "params", "like": "", "from": "stages"}
"""Keys whose plain value is the name of something that the spec declares, and where it does."""


def references(source: Source, dice: random.Random) -> list[Mutation]:
    """Give mutations of names that refer to something: each then names nothing, but looks like a name."""
    offsets = Offsets(source.text)
    declared = {
        section: {entry.key for entry in tree.entries}
        for section in ("datasets", "stages", "roots", "params", "pretrained")
        if (tree := source.root.get(section)) is not None
    }
    every = {name for names in declared.values() for name in names}
    found = []
    waiting = [(source.root, "", "")]
    while waiting:
        tree, section, key = waiting.pop()
        for entry in tree.entries:
            inside = section or entry.key
            waiting.append((entry.value, inside, entry.key))
        waiting += [(item, section, key) for item in tree.items]
        names = declared.get(REFERENCES.get(key) or section, set())
        if tree.kind == "scalar" and key in REFERENCES and tree.value in names and section != "params":
            wrong = _nothing(tree.raw, every, dice)
            found.append(
                Mutation("reference", tree.pointer, *offsets.span(tree.span), wrong, offsets.span(tree.span)[0])
            )
    dice.shuffle(found)
    return found


def _nothing(name: str, every: set[str], dice: random.Random) -> str:
    """Mistype a name so that it is still a name and of nothing."""
    while True:
        wrong = name + dice.choice(string.ascii_lowercase) + dice.choice(string.ascii_lowercase + string.digits)
        if wrong not in every:
            return wrong


def values(tree: Tree, dice: random.Random) -> list[tuple[str, str]]:
    """Give what may be written instead of a scalar."""
    if isinstance(tree.value, bool):
        return [("retyped", "yes" if tree.value else "no"), ("quoted", f"'{tree.raw}'"), ("type", "3.5")]
    if isinstance(tree.value, int | float):
        both = f"[{tree.raw}, {tree.raw}]"
        return [
            ("quoted", f"'{tree.raw}'"),
            ("type", "many"),
            ("list", both),
            ("range", "-17.25"),
            ("retyped", f"{tree.raw}_000"),
            ("retyped", "12:30"),
            ("null", "null"),
            ("percent", f"{tree.raw}%"),
        ]
    return [
        ("name", typo(tree.raw, dice)),
        ("type", "17.25"),
        ("type", "true"),
        ("mapping", "{wrong: 1}"),
        ("null", "~"),
    ]


def typo(word: str, dice: random.Random) -> str:
    """Mistype a word once: a letter more, less or other, or two swapped."""
    i = dice.randrange(len(word))
    letter = dice.choice(string.ascii_lowercase)
    kind = dice.choice(["more", "less", "other", "swap"])
    if kind == "swap" and i + 1 < len(word):
        return word[:i] + word[i + 1] + word[i] + word[i + 2 :]
    if kind == "less" and len(word) > 2:
        return word[:i] + word[i + 1 :]
    return word[:i] + letter + word[i if kind == "more" else i + 1 :]


def deletion(text: str, tree: Tree, entry: Entry, offsets: Offsets) -> tuple[int, int] | None:
    """Give the stretch of text that holds a key and its value, with the comma or the line that goes with it."""
    start = offsets.span(entry.key_span)[0]
    end = offsets.span(entry.value.span)[1]
    if text[offsets.span(tree.span)[0]] == "{":
        after = text[end:].lstrip(" ")
        if after.startswith(","):
            stop = len(text) - len(after) + 1
            return start, stop + (text[stop : stop + 1] == " ")
        before = text[:start].rstrip(" ")
        return (len(before) - 1 if before.endswith(",") else start), end
    return None


def apply(text: str, chosen: list[Mutation]) -> tuple[str, list[tuple[int, int]]]:
    """Give the spoiled text and the sorted places of the mistakes in it."""
    spoiled, offsets = text, []
    for mutation in sorted(chosen, key=lambda m: m.start, reverse=True):
        spoiled = spoiled[: mutation.start] + mutation.new + spoiled[mutation.end :]
    for mutation in chosen:
        moved = sum(len(m.new) - (m.end - m.start) for m in chosen if m.start < mutation.at)
        offsets.append(mutation.at + moved)
    places = Offsets(spoiled)
    return spoiled, sorted(places.place(offset) for offset in offsets)


def apart(chosen: list[Mutation]) -> bool:
    """Say whether mutations stand in different branches, so that none hides or explains another."""
    parents = [m.pointer.rsplit("/", 1)[0] if m.kind in ("delete", "rename") else m.pointer for m in chosen]
    return not any(
        a is not b and (a + "/").startswith(b + "/")
        for i, a in enumerate(parents)
        for b in parents[:i] + parents[i + 1 :]
    ) and len(set(parents)) == len(parents)


def reread(text: str) -> Source:
    return parse(text, Path("spec.yaml"))
