"""What commands write into a folder is written there and nowhere else, whatever links came with the folder."""

import hashlib
import json
import os
import shutil
from pathlib import Path

import pytest

from tlimb.backends.project_folder import write_project
from tlimb.cli import run
from tlimb.problems import TlimbError
from tlimb.starting import examples
from tlimb.store import disk

TABLES = [f"ranking.{ending}" for ending in ("txt", "md", "csv", "tsv", "json")]
PROFILE = "# a profile of a shell\n"


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cohort")
    assert run(["phantom", str(folder / "data" / "brains"), "-n", "40"]) == 0
    return folder / "data"


@pytest.fixture
def project(cohort, tmp_path, monkeypatch):
    """A study that was not run yet, in a folder beside which there is a file of somebody's."""
    folder = tmp_path / "clone"
    shutil.copytree(cohort, folder / "data")
    (folder / "study.yaml").write_text(next(one for one in examples.templates() if one.name == "shortest").text)
    (tmp_path / "profile").write_text(PROFILE)
    monkeypatch.chdir(folder)
    yield folder
    assert (tmp_path / "profile").read_text() == PROFILE
    assert {path.name for path in tmp_path.iterdir()} == {"clone", "profile"}


def link(path, target):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)


@pytest.mark.parametrize("target", ["../../profile", "../../new"])
def test_a_ranking_replaces_links_of_its_files_names(project, target):
    for name in TABLES:
        link(project / "report" / name, target)
    assert run(["rank", "study.yaml", "-o", "report", "--allow-partial"]) == 0
    assert not [name for name in TABLES if (project / "report" / name).is_symlink()]


def test_pictures_replace_links_of_their_names(project):
    curves = pytest.importorskip("tlimb.report.curves")
    link(project / "report" / "slices.png", "../../profile")
    drawing, _ = curves.figure(1, 2.0, 2.0)
    curves.save(drawing, project / "report" / "slices.png")
    assert (project / "report" / "slices.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("name", ["plan.json", "runs.csv", "edges.csv", "manifests.jsonl"])
@pytest.mark.parametrize("target", ["../../profile", "../..", "../../new"])
def test_a_plan_replaces_links_of_its_files_names(project, name, target):
    link(project / "plan" / name, target)
    assert run(["plan", "study.yaml", "-o", "plan"]) == 0
    assert (project / "plan" / name).is_file()
    assert not (project / "plan" / name).is_symlink()


@pytest.mark.parametrize("target", ["../..", "../../nothing"])
def test_a_plan_in_whose_folder_a_folder_is_a_link_is_refused(project, target, capsys):
    link(project / "plan" / "manifests", target)
    assert run(["plan", "study.yaml", "-o", "plan"]) == 73
    assert "this is a link, and nothing is written through a link (plan/manifests)" in capsys.readouterr().err


def test_a_folder_that_is_a_link_itself_is_written_to(project):
    (project / "elsewhere").mkdir()
    for name in ("report", "plan", "build"):
        (project / "elsewhere" / name).mkdir()
        link(project / name, f"elsewhere/{name}")
    assert run(["rank", "study.yaml", "-o", "report", "--allow-partial"]) == 0
    assert run(["plan", "study.yaml", "-o", "plan"]) == 0
    assert run(["emit", "study.yaml", "-o", "build"]) == 0
    for name in ("report/ranking.csv", "plan/runs.csv", "build/main.nf"):
        assert (project / "elsewhere" / name).is_file()


def test_predictions_replace_a_link_and_write_to_a_pipe(project, capfd):
    link(project / "predictions.csv", "../profile")
    assert run(["predictions", "study.yaml", "-o", "predictions.csv"]) == 0
    assert (project / "predictions.csv").read_text().startswith("test,stage")
    assert not (project / "predictions.csv").is_symlink()
    capfd.readouterr()
    assert run(["predictions", "study.yaml", "-o", "/dev/stdout"]) == 0
    assert capfd.readouterr().out.startswith("test,stage")
    assert Path("/dev/stdout").is_symlink()


def test_converted_weights_replace_links(project):
    torch = pytest.importorskip("torch")
    torch.save({"conv.weight": torch.zeros(2, 2)}, project / "handed.pth")
    link(project / "out.safetensors", "../profile")
    link(project / "out.json", "../new")
    words = ["weights", "convert", "handed.pth", "--layout", "plain", "-o", "out.safetensors"]
    assert run(words) == 64
    assert run([*words, "--force"]) == 0
    assert json.loads((project / "out.json").read_text())["file"] == "out.safetensors"
    assert not (project / "out.json").is_symlink()


@pytest.mark.parametrize("name", [".vscode", ".tlimb"])
def test_a_project_is_not_begun_through_a_link(project, name, capsys):
    (project / "mine").mkdir()
    link(project / "new" / name, "../mine")
    assert run(["init", "new"]) == 73
    assert "this is a link" in capsys.readouterr().err
    assert not list((project / "mine").iterdir())
    assert {path.name for path in (project / "new").iterdir()} <= {".tlimb", ".vscode"}


@pytest.mark.parametrize("name", ["study.yaml", ".gitignore", ".vscode/settings.json", ".tlimb/schema.json"])
def test_a_project_that_is_begun_replaces_links_to_nothing(project, name):
    link(project / "begun" / name, "../" * (1 + name.count("/")) + "../new")
    assert run(["init", "begun"]) == 0
    assert not (project / "begun" / name).is_symlink()


@pytest.mark.parametrize("words", [[], ["--force"]])
def test_a_project_with_a_link_for_a_folder_is_refused_whatever_its_list_says(project, words, capsys):
    """A repository may bring a list of what was emitted, with the digests of files that everybody has."""
    (project / "mine").mkdir()
    for name in ("tasks.csv", "gone.txt"):
        (project / "mine" / name).write_text(PROFILE)
    link(project / "build" / "plan", "../mine")
    known = hashlib.sha256(PROFILE.encode()).hexdigest()
    listed = {"plan/tasks.csv": known, "plan/gone.txt": known}
    (project / "build" / ".tlimb-emitted.json").write_text(json.dumps(listed))
    assert run(["emit", "study.yaml", "-o", "build", *words]) == 73
    assert "error[not-ours]: `plan` " in capsys.readouterr().err
    assert {path.name: path.read_text() for path in (project / "mine").iterdir()} == {
        "tasks.csv": PROFILE,
        "gone.txt": PROFILE,
    }


def test_a_file_of_a_project_that_is_a_link_is_refused_though_what_it_leads_to_is_listed(project):
    link(project / "build" / "Makefile", "../../profile")
    known = hashlib.sha256(PROFILE.encode()).hexdigest()
    (project / "build" / ".tlimb-emitted.json").write_text(json.dumps({"Makefile": known}))
    with pytest.raises(TlimbError, match=r"`Makefile` was (not written|changed)"):
        write_project([("Makefile", ("all:\n",))], project / "build")
    write_project([("Makefile", ("all:\n",))], project / "build", force=True)
    assert (project / "build" / "Makefile").read_text() == "all:\n"
    assert not (project / "build" / "Makefile").is_symlink()


def test_an_output_that_is_a_pipe_is_written_to(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    disk.write_output(tmp_path / "pipe", b"text")
    assert os.read(reader, 10) == b"text"
    os.close(reader)
