"""What the real Nextflow does when a scheduler refuses its jobs, with a stand-in for Slurm that says no as it is told.

A launch that hangs is ended by the command `timeout`, with another exit code than the one that is asked for.
"""

import pytest
from told import Told

SBATCH = """\
#!/bin/bash
# Takes a job and runs it, or refuses it where its number is in the file of those that are refused.
echo call >>"$SLURM_TOLD/calls"
number=$(wc -l <"$SLURM_TOLD/calls")
if test "$number" -ge "$(cat "$SLURM_TOLD/from")" && test "$number" -le "$(cat "$SLURM_TOLD/to")"; then
    cat "$SLURM_TOLD/says" >&2
    exit "$(cat "$SLURM_TOLD/code")"
fi
echo "$number" >>"$SLURM_TOLD/jobs"
if test -e "$SLURM_TOLD/runs"; then
    setsid bash "$1" >.command.log 2>&1 </dev/null &
fi
echo "Submitted batch job $number"
"""
SQUEUE = """\
#!/bin/bash
# A job that does not run was cancelled before it began.
test -e "$SLURM_TOLD/runs" && state=R || state=CA
sed "s/$/ $state/" "$SLURM_TOLD/jobs"
"""
FAST = """\
executor {
    pollInterval = '200 ms'
    queueStatInterval = '500 ms'
    exitReadTimeout = '2 sec'
    retry.delay = '50 ms'
    retry.maxDelay = '200 ms'
}
profiles {
    slurm {
        executor.name = 'slurm'
    }
}
"""
"""The strict parser of 25.04 wants each file of a configuration to know the profile that is asked for."""
ATTEMPTS = 10
BUSY = "sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect failure)"
WRONG = "sbatch: error: Batch job submission failed: Invalid partition name specified"
NEVER = 10**9


class Scheduler(Told):
    """A project of two trainings whose jobs go to the stand-in."""

    def __init__(self, study, folder, launch):
        super().__init__(study, folder, launch, {"one": [0], "two": [0]})
        (folder / "slurm").mkdir()
        for name, text in (("sbatch", SBATCH), ("squeue", SQUEUE), ("scancel", "#!/bin/sh\n")):
            (folder / "bin" / name).write_text(text)
            (folder / "bin" / name).chmod(0o755)
        (folder / "fast.config").write_text(FAST)

    def submit(self, code, parser="v1", *, refused=(1, NEVER), says=BUSY, ends=1, runs=True):
        """Launch, and give what Nextflow said; the calls of sbatch that are numbered so are refused."""
        facts = {"from": refused[0], "to": refused[1], "says": says, "code": ends}
        for name, value in facts.items():
            (self.folder / "slurm" / name).write_text(f"{value}\n")
        if runs:
            (self.folder / "slurm" / "runs").touch()
        told, trace = self.folder / "slurm", self.folder / "launch" / "out" / "trace.txt"
        words = ("-profile", "slurm", "-with-trace", trace)
        self.run(code, *words, SLURM_TOLD=str(told), NXF_SYNTAX_PARSER=parser, limit_s=120)
        return self.said

    def calls_of_sbatch(self):
        return len((self.folder / "slurm" / "calls").read_text().split())


@pytest.fixture
def scheduler(study, launch, tmp_path):
    return Scheduler(study, tmp_path, launch)


def test_a_submission_that_is_refused_four_times_is_tried_again_and_nothing_is_lost(scheduler):
    scheduler.submit(0, refused=(2, 5))
    assert {row["status"] for row in scheduler.rows} == {"COMPLETED"}
    tasks = [row for row in scheduler.rows if row["tag"] != "verdict"]
    assert scheduler.calls_of_sbatch() == len(tasks) + 4


@pytest.mark.parametrize(("ends", "parser"), [(1, "v1"), (255, "v2")])
def test_a_scheduler_that_refuses_for_ever_ends_the_launch_with_its_words(scheduler, ends, parser):
    said = scheduler.submit(1, parser, ends=ends)
    assert BUSY in said
    assert "Error is ignored" not in said
    assert scheduler.calls_of_sbatch() == ATTEMPTS


def test_what_can_never_be_accepted_is_not_tried_again_and_what_runs_is_let_end(scheduler):
    # PREPARE goes through, the first training too.
    said = scheduler.submit(1, refused=(3, NEVER), says=WRONG)
    assert WRONG in said
    assert scheduler.calls_of_sbatch() == 3
    assert [row["status"] for row in scheduler.rows].count("COMPLETED") == 2


def test_a_job_that_was_accepted_and_never_begins_is_submitted_three_times_and_then_ends_the_launch(scheduler):
    said = scheduler.submit(1, refused=(NEVER, NEVER), runs=False)
    assert "Error is ignored" not in said
    assert scheduler.calls_of_sbatch() == 3
    assert {row["status"] for row in scheduler.rows} == {"FAILED"}
