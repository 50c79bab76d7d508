"""A profile is one of the study's, in every command; what a command does not use of it is said."""

import stat

import pytest
from studies import tlimb

PROFILES = {
    "hpc": {
        "roots": {"cohort": "data"},
        "backend": {"slurm": {"partition": "gpu"}},
        "container": "my-lab/tlimb:1.0",
        "resources": {"gpus": 2},
        "overrides": {"finetune": {"cpus": 4}},
    },
    "laptop": {"roots": {"cohort": "data"}, "backend": {"local": {"workers": 1}}},
    "elsewhere": {"roots": {"cohort": "nowhere"}},
}


@pytest.fixture
def project(finished):
    finished.edit({"/execution/profiles": PROFILES})
    return finished


@pytest.mark.parametrize(("command", "severity"), [("run", "warning"), ("plan", "info")])
def test_what_run_and_plan_do_not_use_of_a_profile_is_said_in_one_message(project, command, severity):
    done = project.tlimb(command, "--profile", "hpc")
    said = done.stdout + done.stderr
    assert said.count("profile-unread") == 1
    message = (
        f"profile `hpc` also sets `backend`, `container`, `resources` and `overrides`, which `{command}` does not use"
    )
    assert f"{severity}[profile-unread]: {message}" in said
    assert "tlimb emit SPEC --profile hpc -o FOLDER" in said


@pytest.mark.parametrize("words", [("--profile", "laptop"), ("--profile", "elsewhere", "--root", "cohort=data"), ()])
def test_a_profile_of_which_all_is_used_is_no_message(project, words):
    for command in ("run", "plan"):
        done = project.tlimb(command, *words)
        assert "profile-unread" not in done.stdout + done.stderr


def test_the_roots_of_a_profile_hold_in_every_command(project):
    for command in ("run", "plan", "emit", "validate"):
        words = {"emit": ("-o", "build"), "validate": ("--data",)}.get(command, ())
        done = project.tlimb(command, *words, "--profile", "elsewhere", code=None)
        assert done.returncode not in (0, 70), command
        assert "the root `cohort` is not there" in done.stdout + done.stderr, command


@pytest.mark.parametrize(
    "words",
    [("run",), ("plan",), ("emit", "-o", "build"), ("validate", "--data"), ("validate",), ("rank",), ("status",)],
    ids=" ".join,
)
def test_a_profile_that_the_study_does_not_have_is_refused_by_every_command(project, words):
    done = project.tlimb(*words, "--profile", "hcp", code=64)
    assert "profile-unknown" in done.stdout + done.stderr


def test_a_plan_folder_holds_no_profiles(project):
    project.tlimb("emit", "-o", "build", "--profile", "hpc")
    for command in ("run", "status", "rank"):
        done = tlimb(project.folder, command, "build", "--profile", "hpc", code=64)
        assert "manifests and plan folders hold no `execution`" in done.stdout + done.stderr


@pytest.mark.parametrize("option", ["--nextflow-profile", "--profile"])
def test_launch_names_profiles_of_nextflow_and_takes_the_older_option_with_a_note(tmp_path, option):
    (tmp_path / "main.nf").touch()
    (tmp_path / ".tlimb").mkdir()
    (tmp_path / ".tlimb" / "places.json").write_text("{}")
    engine = tmp_path / "engine"
    engine.write_text('#!/bin/sh\necho "$@" >words\n')
    engine.chmod(engine.stat().st_mode | stat.S_IXUSR)
    done = tlimb(tmp_path, "launch", ".", option, "slurm,conda", env={"TLIMB_NEXTFLOW": str(engine)})
    assert "-profile slurm,conda" in (tmp_path / "words").read_text()
    assert ("write --nextflow-profile" in done.stderr) == (option == "--profile")
