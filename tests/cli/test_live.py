"""What is shown while a study runs: whole lines at any width, and no estimate without a source."""

import subprocess
import sys
from pathlib import Path

import pytest
from whole_manifests import LINEAR, whole_fit, whole_predict, whole_select

from tlimb.cli import live
from tlimb.cli.tally import Tally
from tlimb.manifest import Gate, Graph, Manifest


def fit(stage, number):
    use = {"stage": stage, "row": {"a": "elastic"}, "configuration": {"lr": f"0.00{number}"}, "replicate": number}
    return Manifest.of(whole_fit(scenario={**LINEAR, "options": {"stage": stage}}, seed=number), use)


PRE = fit("pretrain", 0)
FINE = [fit("finetune", number) for number in range(4)]
CHOICE = Manifest.of(whole_select([[one.work] for one in FINE]))
TESTS = [
    Manifest(
        one.work, one.hashed, one.uses, (Gate(CHOICE.work, place),)
    )
    for place, one in enumerate(
        Manifest.of(whole_predict(f.work), {"test": "held_out"}) for f in FINE
    )
]  # fmt: skip
GRAPH = Graph({node.work: node for node in (PRE, *FINE, CHOICE, *TESTS)})


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def tally(clock):
    return Tally(GRAPH, clock)


def began(tally, node):
    tally.note({"event": "started", "work": node.work, "pid": 1})


def far(tally, node, step, steps=100):
    tally.note(
        {"event": "progress", "work": node.work, "epoch": step // 10 + 1, "epochs": 10, "step": step, "steps": steps}
    )


def ended(tally, node, event="finished"):
    tally.note({"event": event, "work": node.work})


def test_there_is_no_estimate_while_nothing_is_known_of_a_training_that_is_to_do(tally, clock):
    assert live.left(tally) == "time left: -"
    began(tally, PRE)
    clock.now = 10.0
    ended(tally, PRE)
    assert live.left(tally) == "time left: -"  # the pretraining says nothing of fine-tunings


def test_an_estimate_says_what_it_is_taken_from(tally, clock):
    ended(tally, PRE, "reused")
    began(tally, FINE[0])
    clock.now = 5.0
    far(tally, FINE[0], 50)
    # Half of it in 5 s: 5 s more, and three more of 10 s each.
    assert live.left(tally) == "about 35 s left (from 1 running run)"
    clock.now = 12.0
    ended(tally, FINE[0])
    assert live.left(tally) == "about 36 s left (from 1 finished run)"


def test_a_test_that_waits_for_a_selection_counts_by_its_chance(tally, clock):
    for node in (PRE, *FINE, CHOICE):
        ended(tally, node, "reused")
    began(tally, TESTS[0])
    clock.now = 8.0
    ended(tally, TESTS[0])
    assert live.left(tally) == "about 6 s left (from 1 finished run)"  # three tests of 8 s, one of four runs


@pytest.mark.parametrize("width", [40, 80, 200])
def test_no_line_is_longer_than_the_terminal_and_every_run_has_one(tally, width):
    for node in FINE:
        began(tally, node)
        far(tally, node, 30)
    tally.note({"event": "elsewhere", "work": PRE.work, "host": "node-17"})
    drawn = live.lines(tally, width)
    assert max(map(len, drawn)) <= width
    assert sum("4/10" in line for line in drawn) == 4
    assert "1 running elsewhere (node-17)" in " ".join(line.strip() for line in drawn)


def test_after_ctrl_c_it_says_what_a_second_one_does(tally):
    tally.note({"event": "stopping", "signal": 2})
    assert "Ctrl-C again" in " ".join(live.lines(tally, 80))


def test_a_log_gets_lines_without_codes_of_a_terminal():
    script = """
import sys
sys.path[:0] = {folders!r}
from test_live import GRAPH, PRE
from tlimb.cli import live
live.LOG_EVERY_S = 0.0
with live.display(GRAPH, quiet=False) as observe:
    observe({{"event": "started", "work": PRE.work, "pid": 1}})
    observe({{"event": "failed", "work": PRE.work, "code": 65, "reason": "bad-image: row 3"}})
"""
    here = Path(__file__).parent
    folders = [str(here), str(here.parent / "manifest")]
    done = subprocess.run([sys.executable, "-c", script.format(folders=folders)], capture_output=True, check=True)
    said = done.stderr.decode()
    assert "\x1b" not in said
    assert "\r" not in said
    assert "failed: pretrain elastic 0.000 r0: bad-image: row 3 (exit 65)" in said
    assert "1/10 nodes, 0 computed, 0 done before, 1 failed, time left: -" in said
