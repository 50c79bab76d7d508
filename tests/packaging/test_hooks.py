"""The hooks for pre-commit do what pre-commit expects: fail on a mistake, rewrite, pass on what is well."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parents[2]
HOOKS = {hook["id"]: hook for hook in YAML(typ="safe").load((ROOT / ".pre-commit-hooks.yaml").read_text())}


def hook(name, *files):
    """Run a hook as pre-commit does: its entry, its arguments, then the files that it wants."""
    entry = shlex.split(HOOKS[name]["entry"])
    wanted = [str(file) for file in files if re.search(HOOKS[name]["files"], str(file))]
    assert wanted, "pre-commit would skip the hook"
    command = [str(Path(sys.executable).with_name(entry[0])), *entry[1:], *HOOKS[name].get("args", []), *wanted]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


@pytest.fixture
def study(tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text((ROOT / "specs" / "shortest.yaml").read_text(encoding="utf-8"))
    return path


def test_both_hooks_pass_on_a_study_that_is_well(study):
    before = study.read_bytes()
    for name in HOOKS:
        done = hook(name, study)
        assert done.returncode == 0, done.stdout + done.stderr
    assert study.read_bytes() == before


def test_validate_fails_on_a_mistake_and_names_its_place(study):
    study.write_text(study.read_text().replace("target: sex", "traget: sex"))
    done = hook("tlimb-validate", study)
    assert done.returncode == 1
    assert re.search(r"study\.yaml:\d+:\d+: error", done.stderr)


def test_fmt_changes_the_file_which_is_how_pre_commit_sees_it(study):
    study.write_text(study.read_text().replace("{depth: 10, filters: 8}", "{filters: 8, depth: 10}"))
    before = study.read_bytes()
    assert hook("tlimb-fmt", study).returncode == 0
    assert study.read_bytes() != before
    assert hook("tlimb-fmt", study).returncode == 0


def test_hooks_look_at_studies_and_not_at_other_yaml():
    for name in HOOKS:
        pattern = HOOKS[name]["files"]
        assert all(re.search(pattern, path) for path in ("study.yaml", "a/study.yml", "age.study.yaml"))
        assert not any(re.search(pattern, path) for path in ("docker-compose.yaml", "mystudy.yaml", ".github/x.yml"))
