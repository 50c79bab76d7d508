"""A reader of the user's own is run once by `tlimb index`; planning reads what it found and imports nothing."""

import gzip
import json
import os
import stat
import subprocess
import sys

import pytest
from cohort_making import image

READER = '''
"""Canary: whoever imports this leaves a trace."""
from pathlib import Path

from tlimb.cohorts.reading import Found, Reader

with Path(__file__).with_name("imported.txt").open("a") as trace:
    trace.write("imported\\n")


class Archive(Reader):
    def __init__(self, *, folder):
        self.folder = self.source = folder

    def find(self, declaration, with_names=False):
        print("noise on stdout")
        found = []
        for file in sorted((declaration.root / self.folder).glob("*.nii.gz")):
            person, age, sex = file.name.removesuffix(".nii.gz").split("_")
            cells = {"age": age, "sex": sex}
            found.append(Found(person, None, {}, f"{self.folder}/{file.name}", None, cells))
        return found, []
'''
SPEC = """
tlimb: 1
code: [./]
datasets:
  clinic:
    files: {my_lab.data.Archive: {folder: archive}}
    split: {holdout: {train: rest, val: 0.2, test: 0.2}}
stages:
  train:
    dataset: clinic
    data: {volume_3d: {preprocess: [canonical, zscore]}}
    architecture: {resnet3d: {depth: 10}}
    objective: {classification: {target: sex}}
    optimizer: {adamw: {lr: 1e-3}}
    trainer: {epochs: 1, batch_size: 2}
tests: {held_out: {of: train}}
"""


@pytest.fixture
def project(tmp_path):
    (tmp_path / "archive").mkdir()
    for k in range(20):
        name = f"p{k:02d}_{20 + k}_{'FM'[k % 2]}.nii.gz"
        (tmp_path / "archive" / name).write_bytes(gzip.compress(image(k), mtime=0))
    (tmp_path / "my_lab").mkdir()
    (tmp_path / "my_lab" / "__init__.py").write_text("")
    (tmp_path / "my_lab" / "data.py").write_text(READER)
    (tmp_path / "spec.yaml").write_text(SPEC)
    return tmp_path


def tlimb(project, *words):
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(
        [sys.executable, "-P", "-m", "tlimb", *words],
        cwd=project, capture_output=True, text=True, check=False, env=environment,
    )  # fmt: skip


def imports(project):
    trace = project / "my_lab" / "imported.txt"
    return len(trace.read_text().splitlines()) if trace.exists() else 0


def index(project):
    return tlimb(project, "index", "spec.yaml", "--allow", "my_lab")


def test_without_an_index_the_plan_is_refused_with_the_exact_command_and_imports_nothing(project):
    for words in (("plan", "spec.yaml"), ("validate", "--data", "spec.yaml"), ("run", "spec.yaml")):
        done = tlimb(project, *words)
        said = done.stdout + done.stderr
        assert done.returncode == 1, said
        assert "index-missing" in said
        assert "spec.yaml:6:" in said
        assert "tlimb index spec.yaml --allow my_lab" in said
    assert imports(project) == 0


def test_p20_the_command_of_the_message_makes_the_study_plannable_and_planning_imports_no_user_code(project):
    done = index(project)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout == "clinic: 20 participants, 20 images by my_lab.data.Archive\n"
    assert imports(project) == 1
    for words in (("validate", "--data", "spec.yaml"), ("plan", "spec.yaml", "-o", "out")):
        done = tlimb(project, *words)
        assert done.returncode == 0, done.stdout + done.stderr
    assert imports(project) == 1
    views = list((project / "tlimb-private" / "views").glob("*.json"))
    labels = {row["labels"].get("sex") for view in views for row in json.loads(view.read_text())["rows"]}
    assert labels >= {"F", "M"}


def test_the_index_names_people_so_only_its_owner_can_read_it_and_no_manifest_does(project):
    index(project)
    (file,) = (project / "tlimb-private" / "indexes").glob("*.json")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert "p07" in file.read_text()
    tlimb(project, "plan", "spec.yaml", "-o", "out")
    assert not any("p07" in path.read_text() for path in (project / "out").rglob("*") if path.is_file())


@pytest.mark.parametrize("prefix", ["my", "your_lab", "my_lab.dat", "my_lab.data.Archive"])
def test_only_what_is_allowed_is_run(project, prefix):
    done = tlimb(project, "index", "spec.yaml", "--allow", prefix)
    assert done.returncode == 77
    assert "code-not-allowed" in done.stdout + done.stderr
    assert imports(project) == 0


def test_changed_code_makes_the_index_stale_but_a_comment_does_not(project):
    index(project)
    file = project / "my_lab" / "data.py"
    file.write_text("# a comment\n" + READER)
    assert tlimb(project, "plan", "spec.yaml").returncode == 0
    file.write_text(READER.replace("sorted(", "list("))
    done = tlimb(project, "plan", "spec.yaml")
    assert done.returncode == 1
    assert "index-stale" in done.stdout + done.stderr
    assert index(project).returncode == 0
    assert tlimb(project, "plan", "spec.yaml").returncode == 0
    assert len(list((project / "tlimb-private" / "indexes").glob("*.json"))) == 1


def test_changed_options_make_the_index_stale(project):
    index(project)
    (project / "archive").rename(project / "other")
    (project / "spec.yaml").write_text(SPEC.replace("folder: archive", "folder: other"))
    done = tlimb(project, "plan", "spec.yaml")
    assert "index-stale" in done.stdout + done.stderr
    index(project)
    assert tlimb(project, "plan", "spec.yaml").returncode == 0


def test_an_edited_index_is_refused_and_cannot_lead_out_of_the_root(project):
    index(project)
    (file,) = (project / "tlimb-private" / "indexes").glob("*.json")
    content = json.loads(file.read_text())
    content["found"][0]["image"] = "../secret.nii.gz"
    file.write_text(json.dumps(content))
    assert "path-escape" in (done := tlimb(project, "plan", "spec.yaml")).stdout + done.stderr
    content["found"][0] |= {"image": "archive/x.nii.gz", "participant": 7}
    file.write_text(json.dumps(content))
    assert "index-stale" in (done := tlimb(project, "plan", "spec.yaml")).stdout + done.stderr
    file.write_text("{")
    assert "index-stale" in (done := tlimb(project, "plan", "spec.yaml")).stdout + done.stderr


@pytest.mark.parametrize(
    ("change", "code", "status"),
    [
        (lambda text: text.replace("class Archive(Reader)", "class Archive"), "class-path", 1),
        (lambda text: text.replace("class Archive", "class Other"), "class-path", 1),
        (lambda text: text.replace("        found = []", "        raise KeyError('p03')"), "reader-failed", 1),
        (lambda text: text.replace("        found = []", "        import os; os._exit(9)"), "reader-failed", 1),
        (lambda text: text.replace("Found(person,", "Found(None,"), "reader-failed", 1),
        (lambda text: text.replace("*, folder)", "*, place)"), "reader-failed", 1),
    ],
    ids=["no reader", "no such class", "raises", "dies", "no participant", "no such option"],
)
def test_what_is_wrong_with_a_reader_is_a_problem_with_a_place_and_never_an_index(project, change, code, status):
    (project / "my_lab" / "data.py").write_text(change(READER))
    done = index(project)
    said = done.stdout + done.stderr
    assert done.returncode == status, said
    assert code in said
    assert "spec.yaml:6:" in said
    assert "Traceback" not in said
    assert not list((project / "tlimb-private" / "indexes").glob("*.json"))


def test_a_code_folder_that_hides_an_installed_module_is_refused(project):
    (project / "attrs.py").write_text("raise SystemExit('hijacked')")
    done = index(project)
    assert done.returncode == 77
    assert "shadowing-module" in done.stdout + done.stderr
    assert imports(project) == 0


def test_a_class_that_no_code_folder_holds_is_refused_by_plan_and_index(project):
    (project / "spec.yaml").write_text(SPEC.replace("code: [./]\n", ""))
    for words in (("plan", "spec.yaml"), ("index", "spec.yaml", "--allow", "my_lab")):
        done = tlimb(project, *words)
        assert done.returncode == 1
        assert "class-path" in done.stdout + done.stderr


def test_a_missing_index_elsewhere_names_the_places_that_were_asked_for(project):
    (project / "far").mkdir()
    (project / "archive").rename(project / "far" / "archive")
    places = ("--root", f"spec={project / 'far'}", "--private", str(project / "mine"))
    done = tlimb(project, "plan", "spec.yaml", *places)
    said = done.stdout + done.stderr
    line = next(line for line in said.splitlines() if "tlimb index" in line)
    words = line[line.index("tlimb index") :].split()[1:]
    assert tlimb(project, *words).returncode == 0
    assert tlimb(project, "plan", "spec.yaml", *places).returncode == 0


def test_no_reader_of_the_users_own_is_found_by_the_name_of_a_file_of_this_room():
    from tlimb.cohorts.reading import readers

    assert {name for name, _ in readers()} == {"bids", "hcp", "table", "phantom"}
