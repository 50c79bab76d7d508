"""Documents made to hurt: each ends in a problem with a place, quickly and without a traceback."""

import pytest

from tlimb.language.catalogue import load
from tlimb.language.checking import check
from tlimb.language.source import MOST_BYTES, read
from tlimb.problems.text import render

BOMB = "a0: &a0 [1,1,1,1,1,1,1,1,1,1]\n" + "".join(
    f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 12)
)
DOCUMENTS = {
    "billion-laughs": (BOMB.encode(), "too-large"),
    "nul": (b"tlimb: 1\nname: a\x00b\n", "character"),
    "escape-character": (b"name: \x1b[31mred\n", "character"),
    "utf-16": ("tlimb: 1\n".encode("utf-16"), "encoding"),
    "utf-16-big-end": (b"\xfe\xff" + "tlimb: 1\n".encode("utf-16-be"), "encoding"),
    "latin-1": ("name: Müller\n".encode("latin-1"), "encoding"),
    "brackets": (b"[" * 10_000, "too-deep"),
    "braces": (b"{a: " * 10_000, "too-deep"),
    "dashes": (b"- " * 10_000, "too-deep"),
    "questions": (b"? " * 10_000, "too-deep"),
    "deep-indent": ("\n".join(" " * i + "a:" for i in range(400)).encode(), "too-deep"),
    "huge-integer": (b"seed: " + b"9" * 100_000, "number"),
    "huge-hex": (b"seed: 0x" + b"f" * 100_000, "number"),
    "huge-exponent": (b"seed: 1e" + b"9" * 1000, "number"),
    "infinity": (b"seed: .inf", "number"),
    "python-tag": (b"name: !!python/object/apply:os.system [echo]", "tag"),
    "local-tag": (b"name: !include other.yaml", "tag"),
    "two-documents": (b"tlimb: 1\n---\ntlimb: 1\n", "several-documents"),
    "merge": (b"a: &a {b: 1}\nc: {<<: *a}\n", "merge-key"),
    "self-alias": (b"a: &a {b: *a}\n", "alias"),
    "too-large": (b"# " + b"x" * MOST_BYTES, "too-large"),
    "many-nodes": (b"a: [" + b"1," * 30_000 + b"1]", "too-large"),
    "line-separator": ("name: a\u2028b\n".encode(), "character"),
    "surrogate": (b'name: "\\ud800"\n', "character"),
    "bidirectional": ("name: a\u202eb\n".encode(), None),
    "long-key": (b"k" * 100_000 + b": 1\n", "yaml-syntax"),
    "empty": (b"", "empty-spec"),
    "only-anchor": (b"&a", "empty-spec"),
    "list": (b"- 1\n- 2\n", "list-as-value"),
    "scalar": (b"hello", "wrong-type"),
}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_hostile_document_is_a_positioned_problem(name, tmp_path):
    content, code = DOCUMENTS[name]
    path = tmp_path / "spec.yaml"
    path.write_bytes(content)
    source = read(path)
    problems = check(source, load())
    assert problems, name
    assert code is None or code in [problem.code for problem in problems]
    assert all(problem.place is not None and problem.place.span.line >= 1 for problem in problems)
    text = render(problems, {str(path): source.text})
    assert all(letter.isprintable() or letter == "\n" for letter in text)
    assert max(map(len, text.split("\n"))) < 2000


def test_many_mistakes_are_counted_not_printed(tmp_path):
    path = tmp_path / "spec.yaml"
    path.write_text("tlimb: 1\ndatasets: {}\nstages: {}\n" + "".join(f"x{i}x: 1\n" for i in range(500)))
    source = read(path)
    problems = check(source, load())
    assert len(problems) == 500
    text = render(problems, {str(path): source.text})
    assert text.count("error[") == 50
    assert "and 450 more" in text
