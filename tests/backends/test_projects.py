"""What every backend must keep, tlimb's own and other people's, and what no string of a spec may do."""

import hashlib
import json
import re
import resource
from importlib.metadata import EntryPoint
from typing import ClassVar

import pytest
from emissions import ALLOWED, SMALL, SPECS, files, refused
from hypothesis import given, settings
from hypothesis import strategies as st
from studies import tlimb

from tlimb import backends
from tlimb.backends.contracts import Backend, Capabilities
from tlimb.backends.project_folder import unstartable, write_project
from tlimb.backends.templates import NotAllowedError, allowed, groovy
from tlimb.problems import TlimbError

NUMBERS = r"(\b[0-9a-f]{2}/)?[0-9a-f]{16,64}"
DATA = re.compile(r"plan/(manifests/.*|packs/.*|others\.jsonl|uses\.jsonl|runs\.csv|edges\.csv|plan\.json)|code/.*")
"""Files that may hold what a study says; none of them is code."""


class Listing(Backend):
    """Somebody else's backend: the ids of all tasks in one file."""

    name: ClassVar[str] = "listing"
    capabilities: ClassVar[Capabilities] = Capabilities(True, False, frozenset({"cpus"}), frozenset({"local"}))

    def files(self, emission):
        yield "README.md", ("a list of tasks\n",)
        yield "tasks.txt", (f"{task.id}\n" for task in emission.tasks.tasks)


@pytest.fixture(autouse=True)
def other_people(monkeypatch):
    """Install `listing` as an entry point would."""

    entry = EntryPoint("listing", f"{Listing.__module__}:Listing", backends.GROUP)
    real = backends.entry_points
    monkeypatch.setattr(backends, "entry_points", lambda group: [*real(group=group), entry])


ALL = ("listing", "local", "nextflow")


def test_a_backend_of_an_entry_point_stands_beside_our_own():
    assert backends.names() == ALL


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("path", sorted(SPECS.glob("*.yaml")), ids=lambda path: path.stem)
def test_p18_every_backend_emits_equal_bytes_for_an_equal_study(name, path):
    text = path.read_text(encoding="utf-8")
    first, second = files(text, name), files(text, name)
    assert list(first) == list(second)
    assert first == second
    assert "README.md" in first
    assert "plan/plan.json" in first
    for file in first:
        assert re.fullmatch(r"[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*", file)
        assert ".." not in file.split("/")


@pytest.mark.parametrize("name", ["nextflow"])
def test_a_project_does_not_grow_with_the_number_of_runs(name):
    few = files(SMALL, name)
    rates = ", ".join(f"{n}e-5" for n in range(1, 60))
    many = files(SMALL.replace("1e-4, 1e-3, 1e-2", rates), name)
    assert len(many) > len(few) + 100
    assert {k: v for k, v in few.items() if not k.startswith("plan/")} == {
        k: v for k, v in many.items() if not k.startswith("plan/")
    }


HOSTILE = """
tlimb: 1
datasets:
  brains:
    files: {{table: {{file: {0}, image: {1}}}}}
    cohort: {2}
    labels: {{sex: {{column: {3}, map: {{{4}: {5}}}}}}}
    missing: [{6}]
    only: {{site: [{7}]}}
    identity: {{namespace: {8}}}
    split: {{holdout: {{train: 0.6, val: 0.2, test: 0.2}}}}
stages:
  train:
    dataset: brains
    data: {{bio_image: {{spacing_mm: 8, crop: [20, 24, 20]}}}}
    architecture: {{my_lab.Net: {{words: {9}}}}}
    objective: {{classification: {{target: sex}}}}
    optimizer: {{adamw: {{lr: {{compare: {{{10}: 1e-3, {11}: 1e-2}}}}}}}}
    trainer: {{epochs: 1, batch_size: 16}}
tests: {{held_out: {{of: train}}}}
report: {{by: [{12}], metrics: [accuracy]}}
"""
FIELDS = 13
NASTY = st.sampled_from(
    ["'; touch x #", '"$(touch x)"', "`touch x`", "${new File('x')}", "a\nb", "a'''b", "\\u0027", "é\u202e", "{{7*7}}"]
)


@settings(max_examples=60, deadline=None)
@given(st.lists(NASTY | st.text(min_size=1, max_size=20), min_size=FIELDS, max_size=FIELDS), st.sampled_from(ALL))
def test_p19_no_string_of_a_spec_changes_a_byte_of_what_is_code(texts, name):
    calm = [f"word{n}" for n in range(FIELDS)]
    quoted = [json.dumps(f"{text}{n}") for n, text in enumerate(texts)]
    shape = re.compile(NUMBERS)
    hostile = {k: shape.sub("#", v) for k, v in files(HOSTILE.format(*quoted), name).items() if not DATA.match(k)}
    harmless = {k: shape.sub("#", v) for k, v in files(HOSTILE.format(*calm), name).items() if not DATA.match(k)}
    for path in ("plan/tasks.csv", "plan/links.csv", "plan/rules.mk", "tasks.txt"):  # sorted by digest
        hostile[path] = sorted(hostile.get(path, "").splitlines())
        harmless[path] = sorted(harmless.get(path, "").splitlines())
    assert hostile == harmless


@settings(max_examples=300, deadline=None)
@given(st.text())
def test_p19_a_groovy_literal_is_one_line_of_plain_characters_that_says_the_text(text):
    literal = groovy(text)
    assert re.fullmatch(r"'([ -&(-\[\]-~]|\\['\\nrt]|\\u[0-9a-f]{4})*'", literal)
    # Groovy reads these escapes as JSON does, single quotes apart.
    as_json = '"' + literal[1:-1].replace("\\'", "'").replace('"', '\\"') + '"'
    assert json.loads(as_json).encode("utf-16", "surrogatepass") == text.encode("utf-16", "surrogatepass")


@settings(max_examples=300, deadline=None)
@given(st.text())
def test_p19_infrastructure_strings_are_plain_or_refused(text):
    if re.search(r"['\"$`\\<>{}!\x00-\x1f\x7f-]", text.replace("-", "")) or not text.isascii():
        with pytest.raises(NotAllowedError):
            allowed(text)
    if all(letter.isalnum() and letter.isascii() for letter in text):
        assert allowed(text) == text


def test_what_a_backend_cannot_express_is_said_at_its_place():
    asked = SMALL + "execution: {container: lab/image:1, resources: {gpus: 1}, backend: {slurm: {partition: gpu}}}\n"
    assert refused(asked, "nextflow") == []
    assert refused(asked, "local") == [
        ("backend-cannot", "/execution/backend", "warning"),
        ("backend-cannot", "/execution/container", "warning"),
        ("backend-cannot", "/execution/resources/gpus", "warning"),
    ]
    hpc = SMALL + "execution: {profiles: {hpc: {backend: {slurm: {partition: gpu}}}}}\n"
    assert refused(hpc, "local", "hpc") == [("backend-cannot", "/execution/profiles/hpc/backend", "error")]
    assert refused(hpc, "local", "hcp") == [("profile-unknown", "/execution/profiles", "error")]


def test_a_time_limit_that_leaves_a_slurm_job_no_time_is_warned_of_where_it_is_asked_for():
    slurm = "backend: {slurm: {partition: gpu}}"
    short = "resources: {time_h: 0.05}, overrides: {finetune: {time_h: 0.0166}}"
    asked = SMALL + f"execution: {{{slurm}, {short}}}\n"
    places = ("/execution/resources/time_h", "/execution/overrides/finetune/time_h")
    assert refused(asked) == [("time-short", place, "warning") for place in places]
    assert refused(asked.replace("0.05", "0.0834").replace("0.0166", "1")) == []
    # Elsewhere a run has all of its time but what it needs to save.
    assert refused(SMALL + f"execution: {{{short}}}\n") == []
    hpc = SMALL + f"execution: {{profiles: {{hpc: {{{slurm}, {short.split(', over')[0]}}}}}}}\n"
    assert refused(hpc, profile="hpc") == [("time-short", "/execution/profiles/hpc/resources/time_h", "warning")]


def test_of_two_clusters_one_has_to_be_named():
    two = "execution: {profiles: {a: {backend: {slurm: {partition: x}}}, b: {backend: {slurm: {partition: y}}}}}\n"
    assert refused(SMALL + two) == [("profile-needed", "/execution/profiles/b/backend", "error")]
    assert refused(SMALL + two, profile="b") == []
    assert "queue = 'y'" in files(SMALL + two, profile="b")["conf/slurm.config"]


def test_resources_of_a_stage_reach_its_fits_refits_and_tests():
    asked = SMALL + (
        "execution: {resources: {cpus: 2, memory_gb: 3}, overrides: {finetune: {gpus: 1, time_h: 0.5}},"
        " profiles: {big: {overrides: {finetune: {memory_gb: 6}}}}}\n"
    )
    text = files(asked, profile="big")["conf/resources.config"]
    block = dict(re.findall(r"'\.\*:(\w+)' \{(.*?)\n    \}", text, re.DOTALL))
    assert "3072.MB" in block["FIT_PRETRAIN"]
    assert "accelerator" not in block["FIT_PRETRAIN"]
    for step in ("FIT_FINETUNE", "TEST_FINETUNE"):
        assert "cpus = 2" in block[step]
        assert "6144.MB" in block[step]
        assert "30.min" in block[step]
        assert "accelerator = [request: 1, limit: 1]" in block[step]


def test_a_folder_with_files_of_somebody_else_is_not_written_over(tmp_path):
    (tmp_path / "study.yaml").write_text(SMALL, encoding="utf-8")
    tlimb(tmp_path, "phantom", "data", "-n", "40", "--families", "0")
    tlimb(tmp_path, "emit", "study.yaml", "-o", "build")
    before = {p: p.read_bytes() for p in (tmp_path / "build").rglob("*") if p.is_file()}
    tlimb(tmp_path, "emit", "study.yaml", "-o", "build")
    assert {p: p.read_bytes() for p in (tmp_path / "build").rglob("*") if p.is_file()} == before
    notes = tmp_path / "build" / "main.nf"
    notes.write_text(notes.read_text() + "// mine\n")
    said = tlimb(tmp_path, "emit", "study.yaml", "-o", "build", code=73).stderr
    assert "`main.nf` was changed since tlimb wrote it" in said
    tlimb(tmp_path, "emit", "study.yaml", "-o", "build", "--force")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "main.nf").write_text("// mine\n")
    said = tlimb(tmp_path, "emit", "study.yaml", "-o", "mine", code=73).stderr
    assert "`main.nf` was not written by tlimb" in said
    assert (tmp_path / "mine" / "main.nf").read_text() == "// mine\n"
    (tmp_path / "study.yaml").write_text(SMALL.replace("1e-4, 1e-3, 1e-2", "1e-4, 1e-3"), encoding="utf-8")
    tlimb(tmp_path, "emit", "study.yaml", "-o", "build")
    left = {p for p in (tmp_path / "build").rglob("*") if p.is_file()}
    # Two fits of one rate are gone; selections and groups of tests have other ids.
    assert len(left) == len(before) - 2


@pytest.fixture
def small(tmp_path):
    """A folder with a small study and its cohort."""
    (tmp_path / "study.yaml").write_text(SMALL, encoding="utf-8")
    tlimb(tmp_path, "phantom", "data", "-n", "40", "--families", "0")
    return tmp_path


def a_folder(place):
    (place / "main.nf").mkdir()


def a_file(place):
    (place / "conf").write_text("mine\n")


def a_link_to_nothing(place):
    (place / "main.nf").symlink_to("../elsewhere")


def a_folder_linked_to_nothing(place):
    (place / "conf").symlink_to("../elsewhere")


def a_link_to_a_file(place):
    (place.parent / "elsewhere").write_text("mine\n")
    (place / "main.nf").symlink_to("../elsewhere")


@pytest.mark.parametrize("put", [a_folder, a_file, a_link_to_nothing, a_folder_linked_to_nothing, a_link_to_a_file])
def test_what_lies_where_a_project_would_be_is_refused_before_anything_is_written(small, put):
    (small / "mine").mkdir()
    put(small / "mine")
    said = tlimb(small, "emit", "study.yaml", "-o", "mine", code=73).stderr
    assert re.search("`(main.nf|conf)` was not written by tlimb", said)
    (left,) = (small / "mine").iterdir()
    assert not left.is_file() or left.read_text() == "mine\n"
    assert (small / "elsewhere").exists() == (put is a_link_to_a_file)


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_an_emission_that_found_no_room_goes_on_and_what_was_edited_since_is_refused(tmp_path):
    texts = {**files(SMALL), "code/lab.py": "# a long line of code\n" * 3000, "code/more.py": "# last\n"}
    build, lines = tmp_path / "build", [(name, (text,)) for name, text in texts.items()]
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, hard))
    try:
        with pytest.raises(OSError, match="too large"):
            write_project(lines, build)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    # It has the beginning of one file, and not the last.
    assert (build / "code" / "lab.py").stat().st_size == 50_000
    assert not (build / "code" / "more.py").exists()
    whole = (build / "main.nf").read_text()
    (build / "main.nf").write_text(whole + "// mine\n")
    with pytest.raises(TlimbError, match=r"`main.nf` was changed since tlimb wrote it"):
        write_project(lines, build)
    (build / "main.nf").write_text(whole)
    write_project(lines, build)
    write_project(lines, tmp_path / "new")
    assert contents(build) == contents(tmp_path / "new")


@pytest.mark.parametrize("listed", ["[1]", "{", '{"main.nf": 3}', "\xff"])
def test_a_damaged_list_of_what_was_emitted_makes_its_files_somebody_elses(small, listed):
    tlimb(small, "emit", "study.yaml", "-o", "build")
    (small / "build" / ".tlimb-emitted.json").write_bytes(listed.encode("latin-1"))
    said = tlimb(small, "emit", "study.yaml", "-o", "build", code=73).stderr
    assert "was not written by tlimb" in said
    tlimb(small, "emit", "study.yaml", "-o", "build", "--force")


@pytest.mark.parametrize("path", ["../mine.txt", "conf/../../mine.txt", "{folder}/mine.txt"])
def test_a_list_of_what_was_emitted_takes_away_nothing_outside_its_project(small, path):
    tlimb(small, "emit", "study.yaml", "-o", "build")
    (small / "mine.txt").touch()
    index = small / "build" / ".tlimb-emitted.json"
    known = json.loads(index.read_text())
    index.write_text(json.dumps({**known, path.format(folder=small): hashlib.sha256(b"").hexdigest()}))
    tlimb(small, "emit", "study.yaml", "-o", "build")
    assert (small / "mine.txt").exists()


def test_a_plan_says_what_packs_it_suggests_and_emits_them_with_the_same_runs(tmp_path):
    (tmp_path / "study.yaml").write_text(SMALL, encoding="utf-8")
    tlimb(tmp_path, "phantom", "data", "-n", "40", "--families", "0")
    said = tlimb(tmp_path, "plan", "study.yaml").stdout
    assert "short trainings: `tlimb emit --pack auto` puts these 8 into 1 task of an engine, up to 8 into one" in said
    tlimb(tmp_path, "emit", "study.yaml", "-o", "single")
    tlimb(tmp_path, "emit", "study.yaml", "-o", "packed", "--pack", "auto")
    tables = [(tmp_path / name / "plan" / "runs.csv").read_bytes() for name in ("single", "packed")]
    assert tables[0] == tables[1]
    assert "'-1' is no size" in tlimb(tmp_path, "emit", "study.yaml", "-o", "x", "--pack=-1", code=64).stderr
    (tmp_path / "study.yaml").write_text(SMALL.replace("epochs: 1", "epochs: 9999"), encoding="utf-8")
    assert "--pack auto" not in tlimb(tmp_path, "plan", "study.yaml").stdout


@pytest.mark.parametrize(
    ("folder", "letters"), [("my study", "' '"), ("brain's $x", '" $\'"'), ("étude", "'é'"), ("plain-1.0@x", None)]
)
def test_a_folder_in_which_nextflow_cannot_start_is_told_when_emitting(tmp_path, folder, letters):
    found = {name: list(unstartable(backends.backend(name, ALLOWED), tmp_path / folder)) for name in ALL}

    assert found["local"] == found["listing"] == []
    assert [one.code for one in found["nextflow"]] == ([] if letters is None else ["path-not-allowed"])
    assert letters is None or found["nextflow"][0].message.endswith(f"its path holds {letters}")


@pytest.mark.parametrize(("modules", "said"), [(["lab"], "lab`"), (["lab", "lightning"], "'lab lightning'`")])
def test_the_page_of_a_project_for_make_names_all_code_that_is_to_be_allowed(modules, said):
    assert f"make ALLOW={said}" in files(SMALL, "local", modules=tuple(modules))["README.md"]
