"""What the real Nextflow does after each exit code, with a stand-in for `tlimb` that ends as it is told.

What is tested is the engine's reaction: how often it starts a task again, with how much memory and time, what it
leaves out, and how it ends itself. The runner's own codes are tested where they arise.
"""

import pytest
from told import SLOTS, Told

TOLD = {
    "done": [0],
    "data": [65],
    "internal": [70],
    "diverged": [76],
    "refused": [77],
    "crashed": [139],
    "yields": [75] * SLOTS + [0],
    "never_ends": [75],
    "starves": [137],
    "hangs": [140],
    "vanishes": [143],
    "hung_up": [129, 0],
    "recovers": [137, 140, 0],
    "mixed": [143, 75, 75, 134, 75, 0],
    "too_often": [143, 75, 130, 75, 135],
}
"""Name of a row -> the codes of its attempts, the last one for ever."""


@pytest.fixture(scope="module")
def told(study, launch, tmp_path_factory):
    made = Told(study, tmp_path_factory.mktemp("told"), launch, TOLD)
    made.run(1)
    return made


ONCE = ("256 MB", "30m")


@pytest.mark.parametrize("name", ["data", "internal", "diverged", "refused", "crashed"])
def test_p5_what_would_fail_again_is_started_once(told, name):
    assert told.attempts(name) == [(TOLD[name][0], *ONCE)]
    assert len(told.calls(name)) == 1


def test_p5_a_run_that_yields_is_started_again_with_the_same_memory_and_time_and_none_counts_as_a_loss(told):
    assert told.attempts("yields") == [*[(75, *ONCE)] * SLOTS, (0, *ONCE)]
    assert not [row for row in told.rows if row["tag"].startswith(told.tasks["yields"]) and "lost" in row["tag"]]


def test_p5_a_run_that_yields_for_ever_is_given_up_and_stops_nobody(told):
    attempts = told.attempts("never_ends")
    assert {code for code, *_ in attempts} == {75}
    assert SLOTS < len(attempts) <= SLOTS + 3


def test_p5_memory_grows_after_it_ran_out_and_time_after_it_was_over_and_both_are_kept(told):
    assert told.attempts("starves") == [(137, "256 MB", "30m"), (137, "512 MB", "30m"), (137, "1 GB", "30m")]
    assert told.attempts("hangs") == [(140, "256 MB", "30m"), (140, "256 MB", "1h"), (140, "256 MB", "2h")]
    assert told.attempts("vanishes") == [(143, *ONCE)] * 3
    assert told.attempts("hung_up") == [(129, *ONCE), (0, *ONCE)]
    assert told.attempts("recovers") == [(137, "256 MB", "30m"), (140, "512 MB", "30m"), (0, "512 MB", "1h")]


def test_p5_losses_count_and_yields_between_them_do_not(told):
    assert [code for code, *_ in told.attempts("mixed")] == TOLD["mixed"]
    assert [code for code, *_ in told.attempts("too_often")] == TOLD["too_often"]
    last = [row["tag"] for row in told.rows if row["tag"].startswith(told.tasks["too_often"]) and row["attempt"] == "5"]
    assert last == [f"{told.tasks['too_often']} lost 2"]


def test_p6_each_attempt_is_told_to_stop_itself_well_before_its_own_time_limit(told):
    deadlines = [int(call.partition("--deadline ")[2].split(" ")[0]) for call in told.calls("hangs")]
    # 180 s to spare of half an hour, a tenth of one hour, ten minutes of two.
    assert deadlines == [1800 - 180, 3600 - 360, 7200 - 600]


def test_p12_what_descends_from_a_run_that_failed_for_good_is_not_started_and_all_else_is(told):
    started = {row["tag"] for row in told.rows if ":FIT_NEXT " in row["name"]}
    ended_well = [name for name, codes in TOLD.items() if codes[-1] == 0]
    assert started == {told.next[name] for name in ended_well}
    assert sum(":TEST_NEXT " in row["name"] for row in told.rows) == len(ended_well)
    assert [row["status"] for row in told.rows if row["name"].endswith(":RANK (ranking)")] == ["COMPLETED"]
    ranked = (told.folder / "launch" / "out" / "ranking.txt").read_text().split()
    assert set(ranked) == {row["tag"].split(" ")[0] for row in told.rows if row["exit"] == "0"} - {"ranking", "verdict"}


def test_p5_a_store_that_cannot_be_written_lets_running_tasks_end_and_starts_no_more(study, launch, tmp_path):
    full = Told(study, tmp_path, launch, {"full": [73], "other": [0]})
    full.run(1)
    assert full.attempts("full") == [(73, *ONCE)]
    assert not [row for row in full.rows if row["name"].startswith("TRANSFER_LEARNING:RANK")]
