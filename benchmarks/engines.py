"""Emitted projects: how fast they are written, and what Nextflow adds to the grid and to each task."""

import filecmp
import os
import shutil
from itertools import product
from pathlib import Path

from benchmarks.compiling import STUDY
from benchmarks.measure import PYTHON, TLIMB, Cost, best, cost
from benchmarks.slices import NETWORKS, PENALTIES, RATES, people, run, study

HERE = Path(__file__).resolve().parent
NEXTFLOW = str(HERE.parent / ".tools" / "nextflow" / "nextflow")
QUIET = {"NXF_ANSI_LOG": "false", "NXF_OFFLINE": "true", "OMP_WAIT_POLICY": "PASSIVE"}
STUBS = 10_000

SCRIPT = """\
params.python = null
params.script = null
params.folder = null

process CONFIGURATION {{
    cpus 1
    memory 4.GB

    input:
    tuple val(network), val(rate), val(penalty)

    script:
    \"\"\"
    ln -s ${{params.folder}}/data data
    ${{params.python}} ${{params.script}} $network $rate $penalty
    \"\"\"
}}

workflow {{
    CONFIGURATION(channel.of({rows}))
}}
"""


def _many(folder: Path, replicates: int, rates: int) -> str:
    spec = folder / f"many-{replicates * rates}.yaml"
    values = ", ".join(f"{(place + 1) / 1e5:g}" for place in range(rates))
    spec.write_text(STUDY.format(replicates=replicates, rates=values), encoding="utf-8")
    return spec.name


def emit(folder: Path, repetitions: int) -> None:
    """Time `tlimb emit` of 100,000 runs, and compare the project's own files with those for 10."""
    cost([TLIMB, "phantom", "data/population", "-n", "60", "--families", "0"], folder)
    few, many = _many(folder, 1, 10), _many(folder, 100, 1000)
    cost([TLIMB, "emit", few, "-o", "few"], folder)
    words = [TLIMB, "emit", many, "--limit", "200000", "-o"]
    found = best([cost([*words, f"many-{turn}"], folder) for turn in range(repetitions)])
    own = [path.relative_to(folder / "few") for path in (folder / "few").rglob("*") if path.is_file()]
    own = [path for path in own if path.parts[0] not in ("plan", ".tlimb", ".tlimb-emitted.json")]
    _, differ, lacking = filecmp.cmpfiles(folder / "few", folder / "many-0", map(str, own), shallow=False)
    print("emit: 100,000 runs")
    print(f"  tlimb  {_said(found)}     goal: cpu at most 20 s")
    print(f"  files apart from plan/: {len(own)}; {len([*differ, *lacking])} of them differ from those for 10 runs")


def _said(one: Cost) -> str:
    return f"cpu {one.cpu:8.2f} s   wall {one.wall:8.2f} s   memory {one.memory_gb:5.2f} GB"


def stubs(folder: Path, _: int) -> None:
    """Time Nextflow over tasks that do nothing."""
    cost([TLIMB, "phantom", "data/population", "-n", "60", "--families", "0"], folder)
    cost([TLIMB, "emit", _many(folder, 1, STUBS), "-o", "build"], folder)
    words = [NEXTFLOW, "run", "build", "-stub-run", "--outdir", "out"]
    found = cost(words, folder, **QUIET)
    print(f"stubs: {STUBS} tasks of an emitted project by local Nextflow, training nothing")
    print(f"  nextflow  {_said(found)}   {STUBS / found.wall:.1f} tasks/s", flush=True)


def _project(folder: Path, turn: int) -> Cost:
    """Emit the grid for tasks of two cores, as many as `tlimb run` is given, and launch it on a store of its own."""
    store, out = f"nextflow-store-{turn}", f"launch-{turn}"
    (folder / out).mkdir()
    spec = folder / "emitted.yaml"
    spec.write_text(study(folder).read_text(encoding="utf-8") + "execution: {resources: {cpus: 2}}\n", encoding="utf-8")
    written = cost([TLIMB, "emit", spec.name, "--store", store, "--pack", "auto", "-o", f"build-{turn}"], folder)
    words = [TLIMB, "launch", f"../build-{turn}", "--outdir", "out", "--allow", "small_nets"]
    ran = cost(
        words, folder / out, TLIMB_NEXTFLOW=NEXTFLOW, PATH=f"{Path(PYTHON).parent}:{os.environ['PATH']}", **QUIET
    )
    return Cost(written.cpu + ran.cpu, written.wall + ran.wall, ran.memory_gb)


def _handwritten(folder: Path, turn: int) -> Cost:
    """Run the script by a workflow as one would write it: a task for each configuration."""
    rows = ", ".join(
        f"['{network}', '{rate}', '{penalty}']" for network, rate, penalty in product(NETWORKS, RATES, PENALTIES)
    )
    own = folder / f"hand-{turn}"
    shutil.rmtree(own, ignore_errors=True)
    own.mkdir()
    (own / "main.nf").write_text(SCRIPT.format(rows=rows), encoding="utf-8")
    words = [
        NEXTFLOW,
        "run",
        "main.nf",
        "--python",
        PYTHON,
        "--script",
        str(HERE / "handwritten_slices.py"),
        "--folder",
        str(folder),
    ]
    return cost(words, own, **QUIET)


def grid(folder: Path, repetitions: int) -> None:
    """Time the grid by an emitted project against `tlimb run`, and against a workflow of one task a configuration."""
    people(folder)
    sides = {"emitted": _project, "tlimb run": lambda folder, turn: run(folder, f"run-{turn}"), "by hand": _handwritten}
    found: dict[str, list[Cost]] = {name: [] for name in sides}
    for turn in range(repetitions):
        for name in list(sides)[:: 1 if turn % 2 else -1]:
            found[name].append(sides[name](folder, turn))
    print("engine-grid: 12 configurations on slices by local Nextflow, emit included")
    least = {name: best(costs) for name, costs in found.items()}
    for name, one in least.items():
        print(f"  {name:9} {_said(one)}")
    own = least["emitted"].wall
    print(f"  wall of emitted: {own / least['tlimb run'].wall:.2f} of `tlimb run` (goal <= 1.35), ", end="")
    print(f"{own / least['by hand'].wall:.2f} of the workflow by hand (goal <= 0.5)")
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    print(f"  best of {repetitions}, {os.cpu_count()} cores, load {load}", flush=True)
