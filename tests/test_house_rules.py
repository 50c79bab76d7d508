"""Rules of the house that no linter knows; each failure says what to do."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LONGEST_FILE = 400
LONGEST_FUNCTION = 50

PROMISED = {
    1: "killed anywhere, the same result",
    2: "little work is lost by a kill",
    3: "a result exists if and only if it is complete",
    4: "equal work is done once, by any number of processes",
    5: "exit codes are a contract",
    6: "the deadline is kept without a signal",
    7: "the key covers content, never paths or times",
    8: "moving the project recomputes nothing",
    9: "a corrupt entry is found, kept apart and recomputed",
    10: "what is not finite ends the run and says so",
    11: "rankings count what is missing and never rank what is not finite",
    12: "one failed run never stops its siblings",
    13: "a changed bit of an image never reaches a batch",
    14: "all bad images are found before training",
    15: "no header decides how much memory is taken or which file is read",
    16: "any bytes as a spec end in diagnostics",
    17: "the size of a plan is bounded before it is expanded",
    18: "emitted files are equal on every machine",
    19: "no string of a spec becomes emitted code",
    20: "compiling imports no user code and opens no network",
    21: "no pickle from outside",
    22: "no names of people, files or folders where results are shared",
    24: "plans killed and run again on any engine reach the same ranking",
    25: "every promise has a test that names it",
}
LATER = {
    23: "no telemetry",
}
"""Promises that this release does not claim yet."""

KNOW_JSON = {
    "tlimb/plan/stages.py": "writes contents of trainings",
    "tlimb/plan/expand.py": "writes all other contents",
    "tlimb/plan/write.py": "joins texts of parts",
    "tlimb/plan/diff.py": "compares leaf by leaf",
    "tlimb/cli/overview.py": "prints it whole",
}
"""Files outside the room of manifests that know the content of a manifest as JSON, each with its reason."""

TEXT = {".py", ".md", ".toml", ".yaml", ".yml", ".json", ".cff", ".txt", ".cfg", ".sh", ""}
FORBIDDEN = {
    r"(^|[\s\"'(=:])/(root|work|home|Users|mnt)/[A-Za-z]": "a path of one machine",
    r"pypi\.org|pythonhosted|files\.pypi|download\.pytorch": "the address of a registry",
    r"\.\./shared|DECISIONS\.md|DESIGN\.md|research/[a-z]+\.md": "a document outside the repository",
    r"\bD(?:[1-9]|1\d|2[0-4])\b(?=[^\w\"'])": "a number of a decision that readers cannot look up",
}


def python_files(*folders):
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def committed_files():
    found = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if found.returncode:
        pytest.skip("not a checkout")
    return [ROOT / name for name in found.stdout.split("\0") if name and (ROOT / name).is_file()]


def name_of(path):
    return path.relative_to(ROOT).as_posix()


def test_no_file_is_longer_than_the_ceiling():
    long = {
        name_of(path): lines
        for path in python_files("tlimb", "tests", "benchmarks")
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > LONGEST_FILE
    }
    assert not long, f"split by idea: {long}"


def test_no_function_is_longer_than_the_ceiling():
    long = []
    for path in python_files("tlimb"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            has_doc = ast.get_docstring(node) is not None
            body = node.body[1:] if has_doc else node.body
            if body and (length := (node.end_lineno or 0) - body[0].lineno + 1) > LONGEST_FUNCTION:
                long.append(f"{name_of(path)}:{node.lineno} {node.name} ({length} lines)")
    assert not long, long


def test_no_module_is_a_drawer_for_odds_and_ends():
    drawers = {"utils", "util", "helpers", "helper", "common", "core", "misc"}
    assert not [name_of(path) for path in python_files("tlimb") if path.stem in drawers]


def reads_json_of_contents(path):
    """Return whether a file asks anything for its `hashed`."""
    tree = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    return any(isinstance(node, ast.Attribute) and node.attr == "hashed" for node in tree)


def test_contents_of_manifests_are_known_as_json_where_they_are_written_and_nowhere_else():
    found = {name_of(path) for path in python_files("tlimb") if reads_json_of_contents(path)}
    found = {name for name in found if not name.startswith("tlimb/manifest/")}
    more = found - KNOW_JSON.keys()
    assert not more, f"ask `node.as_a(Fit)`, `graph.of(Fit)` or `node.content`, and add there what is missing: {more}"
    less = KNOW_JSON.keys() - found
    assert not less, f"they read objects now, take them off the list: {less}"


def test_no_two_test_files_have_one_name():
    # Modules of tests are imported by their own names, so the second of a name is never run.
    names = [path.name for path in (ROOT / "tests").rglob("*.py") if path.name != "conftest.py"]
    modules = sorted(name for name in set(names) if names.count(name) > 1 and name != "__init__.py")
    assert not modules


@pytest.mark.parametrize("pattern", FORBIDDEN, ids=list(FORBIDDEN.values()))
def test_nothing_committed_names_what_a_reader_elsewhere_does_not_have(pattern):
    search = re.compile(pattern, re.MULTILINE)
    found = []
    for path in committed_files():
        if path.suffix not in TEXT or path == Path(__file__).resolve() or path.stat().st_size > 2_000_000:
            continue
        if "diagnostics" in path.parts:
            continue  # mistakes to be found, absolute paths among them
        text = path.read_text(encoding="utf-8", errors="replace")
        found += [
            f"{name_of(path)}:{text.count(chr(10), 0, hit.start()) + 1}: {hit[0]!r}" for hit in search.finditer(text)
        ]
    assert not found, found


def test_p21_no_code_asks_for_a_pickle_to_be_executed():
    """Every torch.load says weights_only=True; other unpicklers appear nowhere."""
    bad = []
    for path in python_files("tlimb"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = [alias.name for alias in node.names] + [getattr(node, "module", "") or ""]
                bad += [
                    f"{name_of(path)}:{node.lineno} imports {n}" for n in names if n in ("pickle", "dill", "joblib")
                ]
            if isinstance(node, ast.Call):
                words = {word.arg: word.value for word in node.keywords}
                given = words.get("weights_only")
                if given is not None and not (isinstance(given, ast.Constant) and given.value is True):
                    bad.append(f"{name_of(path)}:{node.lineno} weights_only is not True")
                if ast.unparse(node.func) == "torch.load" and given is None:
                    bad.append(f"{name_of(path)}:{node.lineno} torch.load without weights_only=True")
                allow = words.get("allow_pickle")
                if allow is not None and not (isinstance(allow, ast.Constant) and allow.value is False):
                    bad.append(f"{name_of(path)}:{node.lineno} allow_pickle is not False")
    assert not bad, bad


def promises_tested():
    names = re.compile(r"def (test_p(\d+)_\w+)")
    found = {}
    for path in python_files("tests"):
        for name, number in names.findall(path.read_text(encoding="utf-8")):
            found.setdefault(int(number), []).append(name)
    return found


def test_p25_every_promise_has_a_test_that_names_it(capsys):
    found = promises_tested()
    with capsys.disabled():
        print()
        for number, text in sorted({**PROMISED, **LATER}.items()):
            print(f"  P{number:<2} {len(found.get(number, [])):3} tests  {text}")
    assert sorted({*PROMISED, *LATER}) == list(range(1, 26))
    assert not [number for number in PROMISED if number not in found]


def test_the_list_of_promises_to_come_is_not_out_of_date():
    assert not [number for number in LATER if number in promises_tested()], "move it to PROMISED"


def test_rooms_import_only_downwards():
    checked = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert checked.returncode == 0, checked.stdout[-4000:]
