"""What real shells complete: commands, files, kinds and components, options, runs."""

import os
import pty
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

TLIMB = Path(sys.executable).with_name("tlimb")
RUN = "0123456789abcdef" + 48 * "0"
HEAVY = ("torch", "numpy", "nibabel", "jsonschema", "lightning")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("completion")
    (made / "study.yaml").write_text("tlimb: 1\n")
    (made / "strange.txt").write_text("")
    (made / "specs").mkdir()
    (made / "specs" / "one.yml").write_text("tlimb: 1\nexecution: {profiles: {laptop: {}, hpc: {}}}\n")
    plans = made / "tlimb-private" / "plans"
    plans.mkdir(parents=True)
    (plans / "study.runs").write_text(f"{RUN}\tfit pretrain\n")
    return made


def environment(**more):
    return {**os.environ, "PATH": f"{TLIMB.parent}:{os.environ['PATH']}", "TERM": "dumb", **more}


def bash(folder, *words):
    """Press tab in bash: source what typer gives for it, call the registered function, and read its answer."""
    script = f"""
        eval "$({TLIMB.name} --show-completion bash)"
        [[ "$(complete -p tlimb)" == *"-F "* ]] || exit 9
        COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()
        function=$(complete -p tlimb); function=${{function##*-F }}; ${{function%% *}} tlimb
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(
        ["bash", "--norc", "-c", script, "bash", *words],
        cwd=folder, env=environment(_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1"),
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [line for line in done.stdout.splitlines() if line]


def test_bash_completes_commands_files_kinds_components_and_runs(folder):
    commands = bash(folder, "tlimb", "")
    assert {"validate", "plan", "run", "fmt", "show", "upgrade", "components"} <= set(commands)
    assert bash(folder, "tlimb", "validate", "st") == ["study.yaml"]
    assert set(bash(folder, "tlimb", "fmt", "sp")) == {"specs/", "specs/one.yml"}
    assert bash(folder, "tlimb", "components", "arch") == ["architecture"]
    assert "resnet3d" in bash(folder, "tlimb", "components", "architecture", "")
    assert bash(folder, "tlimb", "plan", "study.yaml", "--explain", "0") == [RUN[:16]]
    assert bash(folder, "tlimb", "rank", "study.yaml", "--format", "m") == ["markdown"]
    assert bash(folder, "tlimb", "explain", "list-as") == ["list-as-value"]
    assert bash(folder, "tlimb", "run", "specs/one.yml", "--profile", "h") == ["hpc"]


def test_fish_completes(folder):
    if shutil.which("fish") is None:
        pytest.skip("fish is not installed")
    script = (
        "tlimb --show-completion fish | source; complete -C 'tlimb validate st'; complete -C 'tlimb components arch'"
    )
    done = subprocess.run(
        ["fish", "--no-config", "-c", script],
        cwd=folder, env=environment(_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1", HOME=str(folder)),
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    offered = [line.split("\t")[0] for line in done.stdout.splitlines()]
    assert offered == ["study.yaml", "architecture"], done.stderr


def test_zsh_completes(folder):
    if shutil.which("zsh") is None:
        pytest.skip("zsh is not installed")
    process, screen = pty.fork()
    if process == 0:
        os.chdir(folder)
        more = {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1", "HOME": str(folder), "ZDOTDIR": str(folder)}
        os.execvpe("zsh", ["zsh", "-f", "-i"], environment(**more))
    try:
        said = type_into(screen, "autoload -Uz compinit; compinit -u; echo rea''dy\n", "ready")
        said = type_into(screen, 'eval "$(tlimb --show-completion zsh)"; echo do""ne\n', "done")
        said = type_into(screen, "tlimb components archi\t", "architecture")
        assert "architecture" in said
    finally:
        os.kill(process, 9)
        os.waitpid(process, 0)
        os.close(screen)


def type_into(screen, keys, wanted):
    """Press keys and give what the terminal shows until it shows something, or for a minute."""
    os.write(screen, keys.encode())
    said, end = "", time.monotonic() + 60
    while wanted not in said and time.monotonic() < end:
        if select.select([screen], [], [], 1)[0]:
            said += os.read(screen, 65536).decode(errors="replace")
    return said


def test_completing_loads_nothing_heavy(folder):
    code = f"""
import sys
from tlimb.cli import completing
class Context:
    params = {{"kind": "architecture", "spec": "study.yaml"}}
    args = []
assert completing.specs("") and completing.kinds("") and completing.templates("")
assert completing.names_of_kind(Context, "") and completing.runs(Context, "")
heavy = [name for name in {HEAVY!r} if name in sys.modules]
assert not heavy, heavy
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
