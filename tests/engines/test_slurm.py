"""Emitted projects on a real Slurm: its jobs, and every way in which it takes one away."""

import os
import signal
import threading
from pathlib import Path

import pytest
from cluster import until
from emitted import STEPS, Emitted, objects, trainings
from engines import trace
from processes import start, wait_for
from studies import Project

VICTIMS = ("preempted", "lost", "starved", "hung", "dropped", "slow")
EPOCHS = 100
"""Epochs of a training that is caught after its third: two seconds and more."""
RESOURCES = {
    "preempted": {"gpus": 1},
    "starved": {"memory_gb": 0.5},
    "hung": {"time_h": 1 / 60},
}
CONFIG = """\
executor {
    pollInterval = '500 ms'
    queueStatInterval = '1 sec'
    exitReadTimeout = '5 sec'
}
process {
    withName: '.*:FIT_.*' {
        ext.args = '--checkpoint-every 0'
    }
    withName: '.*:FIT_SLO[W]' {
        ext.slot = 1
    }
}
"""
"""Nextflow asks Slurm every second instead of every minute, and the runs of one stage have a second at a time."""


def spec(base, kernel):
    """Give the study of the faults; `kernel` says who limits memory."""
    execution = {
        "resources": {"memory_gb": 2, "time_h": 1},
        "overrides": {name: found for name, found in RESOURCES.items() if kernel or name != "starved"},
        "backend": {"slurm": {"partition": "main", "account": "brainlab"}},
    }
    made = trainings(base, VICTIMS, execution, EPOCHS)
    # One is out of memory, the other is stopped, before either has trained at all.
    made["stages"]["starved"]["trainer"] = {"epochs": 5}
    made["stages"]["hung"]["trainer"] = {"epochs": 40}
    made["stages"]["slow"]["trainer"] = {"epochs": 7, "batch_size": 24}
    return made


class Slurm(Emitted):
    """An emitted project that a Nextflow runs on a cluster of Slurm."""

    def __init__(self, project, cluster, folder, engine):
        super().__init__(project, folder, CONFIG)
        self.cluster, self.engine = cluster, engine

    def start(self):
        self.launch("slurm", SLURM_CONF=str(self.cluster.conf), TLIMB_NEXTFLOW=self.engine)

    def steps(self, stage):
        """Give the optimizer steps of a training's resume points that are in the store."""
        found = (self.project.store / "state" / self.work[stage]).glob("*.ckpt")
        return sorted(int(path.name.split("-")[0]) for path in found)

    def caught(self, stage, epochs=3):
        """Stop all processes of a training once it has a resume point after so many epochs; give job and step."""
        (job,) = until(lambda: self.cluster.running(f"FIT_{stage.upper()}"), 600, 0.2)
        node = self.cluster.job(job)["NodeList"]
        until(lambda: self.steps(stage) and self.steps(stage)[-1] >= epochs * STEPS, 600)
        for pid in self.runner(node, job):
            os.kill(pid, signal.SIGSTOP)
        return job, node, self.steps(stage)[-1]

    def runner(self, node, job):
        """Give tlimb's own processes of a job."""
        return [
            pid for pid in self.cluster.processes(node, job) if b"tlimb" in _command(pid) and b"python" in _command(pid)
        ]

    def rows(self, stage):
        """Give Nextflow's trace of a training's attempts, in order."""
        found = [row for row in trace(self.folder / "out") if row["tag"].startswith(self.work[stage][:16])]
        return sorted(found, key=lambda row: int(row["attempt"]))

    def jobs(self, stage):
        """Give what Slurm wrote about the jobs of a training's attempts, in order."""
        ended = self.cluster.ended()
        return [ended[row["native_id"]] for row in self.rows(stage)]

    def header(self, row):
        return [line for line in (Path(row["workdir"]) / ".command.run").read_text().splitlines() if "#SBATCH" in line]


def _command(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def preempt(slurm, facts):
    """Let a job of a higher partition take the node."""
    job, node, facts["step"] = slurm.caught("preempted")
    facts["shown"] = slurm.cluster.job(job)
    script = slurm.folder / "urgent.sh"
    script.write_text("#!/bin/sh\nsleep 60\n")
    words = ["sbatch", "--parsable", "-p", "urgent", "-w", node, "--mem", "100M", "-t", "2", "-o", "/dev/null", script]
    urgent = slurm.cluster.client(*map(str, words)).strip()
    until(lambda: job in slurm.cluster.ended(), 60)
    slurm.cluster.client("scancel", urgent)


def lose_node(slurm, facts):
    """Cut a node's power, and switch it on again when Slurm has noticed."""
    job, node, facts["step"] = slurm.caught("lost")
    slurm.cluster.kill_node(node)
    until(lambda: job in slurm.cluster.ended(), 120)
    slurm.cluster.start_node(node)


def drop(slurm, facts):
    """Hang up on a job's batch shell: Nextflow's wrapper then writes that all ended well."""
    job, *_, facts["step"] = slurm.caught("dropped")
    slurm.cluster.client("scancel", "--batch", "--signal=HUP", job)
    (row,) = until(lambda: slurm.rows("dropped"), 120)
    facts["wrote"] = (Path(row["workdir"]) / ".exitcode").read_text()


def hang(slurm, facts):
    """Stop a run for good, so that its time limit comes."""
    (job,) = until(lambda: slurm.cluster.running("FIT_HUNG"), 600, 0.2)
    node = slurm.cluster.job(job)["NodeList"]
    for pid in until(lambda: slurm.runner(node, job), 60):
        os.kill(pid, signal.SIGSTOP)
    facts["job"] = job


@pytest.fixture(scope="module")
def local(study, cluster, tmp_path_factory):
    """The study of the faults, run by `tlimb run` without any."""
    project = Project(tmp_path_factory.mktemp("faults") / "local")
    study.copy(project.folder, store=False)
    project.write(spec(study.spec, cluster.by_cgroup))
    project.run()
    project.tlimb("rank", "-o", "ranked", "--no-pictures")
    return project


@pytest.fixture(scope="module")
def faults(local, cluster, engine, tmp_path_factory):
    """The same study on Slurm, each of its trainings the victim of another fault."""
    folder = tmp_path_factory.mktemp("cluster")
    slurm = Slurm(local.copy(folder / "study", store=False), cluster, folder / "launch", engine)
    slurm.facts = {"preempted": {}, "lost": {}, "hung": {}, "dropped": {}}
    slurm.start()
    doers = [
        threading.Thread(target=doer, args=(slurm, slurm.facts[name]), daemon=True)
        for name, doer in (("preempted", preempt), ("lost", lose_node), ("hung", hang), ("dropped", drop))
    ]
    for doer in doers:
        doer.start()
    slurm.code = slurm.wait(1200)
    print(slurm.said())
    return slurm


def computed(project):
    """Give the works of which a record says that they ended well."""
    return {work for work in project.objects() if any(attempt["code"] == 0 for attempt in project.attempts(work))}


def test_p24_six_faults_on_slurm_end_in_the_bytes_of_the_local_run(faults, local):
    assert faults.code == 0, faults.said()[-6000:]
    assert objects(faults.project) == objects(local)
    ranked = {path.name: path.read_bytes() for path in (faults.folder / "out").glob("ranking.*")}
    assert ranked == {path.name: path.read_bytes() for path in (local.folder / "ranked").glob("ranking.*")}


def test_p24_each_result_was_computed_once_whatever_happened_on_the_way(faults):
    for work in faults.project.objects():
        codes = [attempt["code"] for attempt in faults.project.attempts(work)]
        assert codes.count(0) == 1, (work, codes)


def test_submitted_jobs_carry_partition_account_memory_time_and_gpus(faults):
    header = "\n".join(faults.header(faults.rows("preempted")[0]))
    for option in ("-p main", "-A brainlab", "--mem 2048M", "-t 01:00:00", "--gres=gpu:1", "--no-requeue"):
        assert option in header, header
    assert "--gres" not in "\n".join(faults.header(faults.rows("lost")[0]))
    shown = faults.facts["preempted"]["shown"]
    assert (shown["Partition"], shown["Account"], shown["TimeLimit"]) == ("main", "brainlab", "01:00:00")
    assert (shown["MinMemoryNode"], shown["TresPerNode"]) == ("2G", "gres:gpu:1")


@pytest.mark.parametrize(("stage", "state"), [("preempted", "PREEMPTED"), ("lost", "NODE_FAIL")])
def test_p24_a_run_that_slurm_took_away_goes_on_in_a_new_job_from_its_resume_point(faults, stage, state):
    jobs = faults.jobs(stage)
    assert [job["JobState"] for job in jobs] == [state, "COMPLETED"]
    assert jobs[0]["JobId"] != jobs[1]["JobId"]
    assert faults.project.attempts(faults.work[stage])[-1]["resumed_at"] >= faults.facts[stage]["step"] >= 3 * STEPS
    assert [row["memory"] for row in faults.rows(stage)] == ["2 GB", "2 GB"]


def test_p24_a_run_whose_shell_was_hung_up_is_started_again_though_the_wrapper_wrote_that_it_ended_well(faults):
    assert faults.facts["dropped"]["wrote"] == "0"
    assert [(row["exit"], row["status"]) for row in faults.rows("dropped")] == [("0", "FAILED"), ("0", "COMPLETED")]
    assert faults.project.attempts(faults.work["dropped"])[-1]["resumed_at"] >= faults.facts["dropped"]["step"]


def test_p5_a_run_out_of_memory_is_started_again_with_twice_as_much(faults):
    if not faults.cluster.by_cgroup:
        # Slurm then kills the whole job, batch script and all, and nothing is left that could say 137.
        pytest.skip("no memory control groups of version 1 on this machine: no job of it runs out of memory alone")
    jobs, rows = faults.jobs("starved"), faults.rows("starved")
    assert [job["JobState"] for job in jobs] == ["OUT_OF_MEMORY"] * (len(jobs) - 1) + ["COMPLETED"]
    assert [row["exit"] for row in rows] == ["137"] * (len(rows) - 1) + ["0"]
    assert [row["memory"] for row in rows] == ["512 MB", "1 GB", "2 GB"][: len(rows)]
    asked = [dict(part.partition("=")[::2] for part in job["Tres"].split(","))["mem"] for job in jobs]
    assert asked == ["512M", "1G", "2G"][: len(jobs)]
    assert len(jobs) >= 2


def test_p5_a_run_that_hangs_is_ended_at_its_time_limit_and_started_again_with_twice_as_much(faults):
    rows, jobs = faults.rows("hung"), faults.jobs("hung")
    assert jobs[0]["JobId"] == faults.facts["hung"]["job"]
    assert rows[0]["exit"] == "140"
    assert jobs[0]["JobState"] in ("FAILED", "TIMEOUT")
    assert rows[-1]["exit"] == jobs[-1]["ExitCode"].partition(":")[0] == "0"
    # On a busy machine the second job may stop itself at half of its two minutes, and go on in a third.
    assert [job["TimeLimit"] for job in jobs] == ["1", *["2"] * (len(jobs) - 1)]
    assert {row["tag"] for row in rows[1:]} == {f"{faults.work['hung'][:16]} lost 1"}


def test_p6_six_yields_in_a_row_lose_no_step_and_count_as_no_loss(faults):
    rows = faults.rows("slow")
    assert {row["exit"] for row in rows[:-1]} == {"75"}
    assert rows[-1]["exit"] == "0"
    assert len(rows) >= 7
    assert {(row["tag"], row["memory"], row["time"]) for row in rows} == {(faults.work["slow"][:16], "2 GB", "1h")}
    assert len({job["JobId"] for job in faults.jobs("slow")}) == len(rows)
    # A second is over before training begins, so each slot does one step of the seven, and the last ends the run.
    attempts = faults.project.attempts(faults.work["slow"])
    assert [(attempt["code"], attempt.get("resumed_at", 0)) for attempt in attempts] == [
        *((75, step) for step in range(6)),
        (0, 6),
    ]


@pytest.mark.long
def test_p24_a_study_goes_from_here_to_slurm_and_back_and_nothing_is_computed_twice(local, cluster, engine, tmp_path):
    project = local.copy(tmp_path / "study", store=False)
    few = ("preempted", "lost", "slow")
    project.edit({"/tests/held_out/of": [*few], "/execution/overrides": {}})
    project.write({**project.spec, "stages": {name: project.spec["stages"][name] for name in few}})
    here = start(project, "-j", "1")
    wait_for(here, lambda: len(computed(project)) >= 2)
    here.terminate()
    here.communicate(timeout=60)
    before = computed(project)

    slurm = Slurm(project, cluster, tmp_path / "launch", engine)
    slurm.start()
    until(lambda: len(computed(project) - before) >= 1, 600)
    slurm.process.terminate()
    assert slurm.wait(120) != 0
    until(lambda: not cluster.client("squeue", "-h", "-o", "%i").split(), 60, 0.2)
    on_slurm = computed(project) - before

    project.run()
    assert before < before | on_slurm < set(project.objects()) == slurm.planned
    for work in slurm.planned:
        codes = [attempt["code"] for attempt in project.attempts(work)]
        assert codes.count(0) == 1, (work, codes)
    assert objects(project).items() <= objects(local).items()
