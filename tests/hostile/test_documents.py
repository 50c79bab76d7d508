"""Documents made to hurt: each ends in a problem with a place, quickly, in little memory, and without a traceback.

The command runs in a process of its own under limits of CPU seconds and memory that the system enforces, so no clock
decides a test.
"""

import json
import os
import random
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from tlimb.language.source import MOST_BYTES

ROOT = Path(__file__).resolve().parents[2]
CPU_S = 5
MEMORY_BYTES = 500 * 2**20
FUZZED = int(os.environ.get("TLIMB_FUZZ", "300"))
SEED = int(os.environ.get("TLIMB_SEED", "20260101"))

BOMB = "a0: &a0 [1,1,1,1,1,1,1,1,1,1]\n" + "".join(
    f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 12)
)
MERGES = "a0: &a0 {x: 1, y: 2}\n" + "".join(
    f"a{i}: &a{i} {{<<: [{','.join([f'*a{i - 1}'] * 10)}], k{i}: 1}}\n" for i in range(1, 12)
)
QUADRATIC = "a: &a [" + ",".join(["1"] * 900) + "]\nb: [" + ",".join(["*a"] * 900) + "]\n"
DOCUMENTS = {
    "alias-bomb": (BOMB.encode(), "too-large"),
    "quadratic-aliases": (QUADRATIC.encode(), "too-large"),
    "merge-bomb": (MERGES.encode(), "too-large"),
    "nul": (b"tlimb: 1\nname: a\x00b\n", "character"),
    "only-nul": (b"\x00" * 1000, "character"),
    "escape-character": (b"name: \x1b[31mred\n", "character"),
    "utf-16": ("tlimb: 1\n".encode("utf-16"), "encoding"),
    "utf-16-big-end": (b"\xfe\xff" + "tlimb: 1\n".encode("utf-16-be"), "encoding"),
    "utf-16-without-mark": ("tlimb: 1\n".encode("utf-16-le"), "character"),
    "utf-32": ("tlimb: 1\n".encode("utf-32"), "encoding"),
    "byte-order-mark-twice": (b"\xef\xbb\xbf\xef\xbb\xbftlimb: 1\n", "character"),
    "latin-1": ("name: Müller\n".encode("latin-1"), "encoding"),
    "brackets": (b"[" * 100_000, "too-deep"),
    "closing-brackets": (b"]" * 100_000, "yaml-syntax"),
    "braces": (b"{a: " * 60_000, "too-deep"),
    "dashes": (b"- " * 100_000, "too-deep"),
    "questions": (b"? " * 100_000, "too-deep"),
    "colons": (b":" * 100_000, None),
    "ampersands": (b"&" * 100_000, None),
    "exclamations": (b"!" * 100_000, None),
    "deep-indent": ("\n".join(" " * i + "a:" for i in range(600)).encode(), "too-deep"),
    "huge-integer": (b"seed: " + b"9" * 100_000, "number"),
    "huge-hex": (b"seed: 0x" + b"f" * 100_000, "number"),
    "huge-octal": (b"seed: 0o" + b"7" * 100_000, "number"),
    "huge-exponent": (b"seed: 1e" + b"9" * 1000, "number"),
    "long-fraction": (b"seed: 1." + b"1" * 100_000, None),
    "infinity": (b"seed: .inf", "number"),
    "not-a-number": (b"seed: .nan", "number"),
    "python-tag": (b"name: !!python/object/apply:os.system [echo]", "tag"),
    "local-tag": (b"name: !include other.yaml", "tag"),
    "tag-directive": (b"%TAG ! tag:example.org,2026:\n---\nname: !x y\n", "tag"),
    "thousand-documents": (b"---\ntlimb: 1\n" * 1000, "several-documents"),
    "merge": (b"a: &a {b: 1}\nc: {<<: *a}\n", "merge-key"),
    "self-alias": (b"a: &a {b: *a}\n", "alias"),
    "self-merge": (b"a: &a {<<: *a}\n", None),
    "too-large": (b"# " + b"x" * MOST_BYTES, "too-large"),
    "many-nodes": (b"a: [" + b"1," * 30_000 + b"1]", "too-large"),
    "many-keys": (b"".join(b"k%d: 1\n" % i for i in range(9_000)), "unknown-key"),
    "equal-keys": (b"seed: 1\n" * 9_000, "duplicate-key"),
    "line-separator": ("name: a\u2028b\n".encode(), "character"),
    "surrogate": (b'name: "\\ud800"\n', "character"),
    "bidirectional": ("name: a\u202eb\n".encode(), None),
    "long-key": (b"k" * 100_000 + b": 1\n", "yaml-syntax"),
    "long-line": (b"name: " + b"x" * 200_000 + b"\n", "missing-key"),
    "open-quote": (b'name: "' + b"x\n" * 50_000, "yaml-syntax"),
    "block-text": (b"name: |\n" + b"  x\n" * 50_000, "missing-key"),
    "tabs": (b"tlimb: 1\n\tname: x\n", "yaml-syntax"),
    "carriage-returns": (b"tlimb: 1\r" * 1000, "duplicate-key"),
    "empty": (b"", "empty-spec"),
    "only-anchor": (b"&a", "empty-spec"),
    "list": (b"- 1\n- 2\n", "list-as-value"),
    "scalar": (b"hello", "wrong-type"),
    "null-document": (b"null", None),
}

MANY = """
import contextlib, io, json, resource, sys
from pathlib import Path
from tlimb.cli import run
for path in sorted(Path(sys.argv[1]).iterdir()):
    before = resource.getrusage(resource.RUSAGE_SELF)
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = run(["validate", str(path), "--format", "json"])
        except BaseException as error:
            code = repr(error)
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(json.dumps([path.name, code, cpu, out.getvalue(), err.getvalue()]), flush=True)
"""


def limits() -> None:
    """Let the system end a process that takes more than it may."""
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))


def quiet() -> dict[str, str]:
    return {**os.environ, "OPENBLAS_NUM_THREADS": "1", "PYTHONFAULTHANDLER": ""}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_p16_a_hostile_document_is_a_positioned_problem_within_five_seconds_and_500_mb(name, tmp_path):
    content, code = DOCUMENTS[name]
    (tmp_path / "spec.yaml").write_bytes(content)
    for form in ("json", "text"):
        done = subprocess.run(
            [sys.executable, "-m", "tlimb", "validate", "spec.yaml", "--format", form],
            cwd=tmp_path, env=quiet(), capture_output=True, check=False, preexec_fn=limits,
        )  # fmt: skip
        said = (done.stdout + done.stderr).decode()
        assert done.returncode == 1, said[-2000:]
        assert "Traceback" not in said
        if form == "json":
            found = [json.loads(line) for line in said.splitlines()]
            assert all(one["line"] >= 1 and one["column"] >= 1 for one in found)
            assert code is None or code in [one["code"] for one in found], [one["code"] for one in found][:5]
        else:
            assert all(letter.isprintable() or letter == "\n" for letter in said)
            assert max(map(len, said.split("\n"))) < 2000


def spoiled(text: bytes, dice: random.Random) -> bytes:
    """Change bytes at random: flipped, cut, doubled, moved, or replaced by what YAML cares for."""
    data = bytearray(text)
    marks = [b"&a ", b"*a", b"<<: ", b"!", b"{", b"[", b"}", b"]", b"? ", b"- ", b": ", b"|\n", b"'", b'"', b"\t", b"%"]
    for _ in range(dice.randint(1, 12)):
        i, j = sorted(dice.randrange(len(data) + 1) for _ in range(2))
        how = dice.randrange(5)
        if how == 0 and data:
            data[i % len(data)] = dice.randrange(256)
        elif how == 1:
            del data[i : min(j, i + 40)]
        elif how == 2:
            data[i:i] = data[i : min(j, i + 400)]
        elif how == 3:
            data[i:i] = dice.choice(marks) * dice.randint(1, 3)
        else:
            data[i:i] = dice.randbytes(dice.randint(1, 4))
    return bytes(data)


@pytest.mark.parametrize("part", range(3))
def test_p16_fuzzed_bytes_end_in_problems_or_a_valid_study(part, tmp_path):
    dice = random.Random(SEED * 10 + part)
    specs = [path.read_bytes() for path in sorted((ROOT / "specs").glob("*.yaml"))]
    for number in range(FUZZED // 3):
        (tmp_path / f"{number:05d}.yaml").write_bytes(spoiled(dice.choice(specs), dice))

    def bounded() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))

    done = subprocess.run(
        [sys.executable, "-c", MANY, str(tmp_path)],
        env=quiet(), capture_output=True, text=True, check=False, preexec_fn=bounded,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    results = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(results) == FUZZED // 3
    refused = 0
    for name, code, cpu, out, err in results:
        assert code in (0, 1), (name, code, err)
        assert cpu < CPU_S, name
        assert "Traceback" not in out + err
        found = [json.loads(line) for line in out.splitlines()]
        assert all(one["line"] >= 1 for one in found)
        assert (code == 1) == any(one["severity"] == "error" for one in found)
        refused += code
    assert refused > FUZZED // 10, "the bytes are hardly spoiled"


def test_p16_a_spec_that_cannot_be_opened_is_a_mistake_of_usage(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "tlimb", "validate", str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 64
    assert "error[file-missing]" in done.stderr


def test_many_mistakes_are_counted_not_printed(tmp_path):
    from tlimb.language.catalogue import load
    from tlimb.language.checking import check
    from tlimb.language.source import read
    from tlimb.problems.text import render

    path = tmp_path / "spec.yaml"
    path.write_text("tlimb: 1\ndatasets: {}\nstages: {}\n" + "".join(f"x{i}x: 1\n" for i in range(500)))
    source = read(path)
    problems = check(source, load())
    assert len(problems) == 500
    text = render(problems, {str(path): source.text})
    assert text.count("error[") == 50
    assert "and 450 more" in text
