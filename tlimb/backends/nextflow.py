"""Nextflow: one project for a laptop, Slurm and Kubernetes, of the same size for any number of runs."""

from collections.abc import Mapping
from typing import Any, ClassVar

from tlimb.backends.contracts import Backend, Capabilities, Emission, Files
from tlimb.backends.packing.sizes import sizes
from tlimb.backends.templates import allowed, folder_files, groovy
from tlimb.manifest import Json, Kind


class Nextflow(Backend):
    """Emits what `nextflow run` takes: main.nf, its modules, configuration and profiles."""

    name: ClassVar[str] = "nextflow"
    capabilities: ClassVar[Capabilities] = Capabilities(
        late_binding=True,
        containers=True,
        resources=frozenset({"cpus", "gpus", "memory_gb", "time_h"}),
        engines=frozenset({"local", "slurm", "kubernetes"}),
        plain_paths=True,
    )

    def files(self, emission: Emission) -> Files:
        """Give the project's files; none of them grows with the number of runs."""
        for name, text in folder_files("nextflow", _values(emission)):
            yield name, (text,)


def _values(emission: Emission) -> dict[str, Any]:
    execution, steps = emission.plan.study.execution, emission.tasks.steps
    slurm, kubernetes = emission.engines["slurm"], emission.engines["kubernetes"]
    chain = [(step.name, "select" if step.kind is Kind.SELECT else "run") for step in steps]
    return {
        "version": emission.version,
        "container": emission.container and allowed(emission.container),
        "max_slots": execution.max_slots,
        "chain": chain,
        "sizes": list(sizes(steps, execution, emission.profile)),
        "gpu_resource": kubernetes["gpu_resource"] if kubernetes["volume_claim"] else None,
        "slurm": slurm,
        "slurm_options": _slurm(slurm),
        "k8s": kubernetes,
        "pod": [_map(entry) for entry in _pod(kubernetes)],
        "roots": list(emission.roots),
        "allow": list(emission.modules),
    }


def _slurm(options: Mapping[str, Json]) -> list[str]:
    """Give the options of sbatch that Nextflow has no directive for; they stand in headers, which no shell reads."""
    names = ("qos", "constraint", "reservation", "exclude")
    found = [f"--{name}={options[name]}" for name in names if options.get(name)]
    if options.get("mail"):
        found += [f"--mail-user={options['mail']}", "--mail-type=FAIL"]
    return [allowed(option) for option in found]


def _pod(options: Mapping[str, Json]) -> list[dict[str, Json]]:
    """Give what pods have beside their container: shared memory, where they may run, how urgent they are."""
    found: list[dict[str, Json]] = []
    if options.get("shm_gb"):
        # Processes that hand data to each other do so in shared memory; a container has 64 MB of it.
        size = f"{int(float(options['shm_gb']) * 1024)}Mi"
        found.append({"emptyDir": {"medium": "Memory", "sizeLimit": size}, "mountPath": "/dev/shm"})
    if options.get("node_selector"):
        found.append({"nodeSelector": dict(options["node_selector"])})
    found += [{"toleration": dict(toleration)} for toleration in options.get("tolerations") or ()]
    if options.get("priority_class"):
        found.append({"priorityClassName": options["priority_class"]})
    return found


def _map(value: Json) -> str:
    """Give a mapping as a Groovy literal; keys are quoted where they are no identifiers."""
    if not isinstance(value, dict):
        return groovy(str(value))
    entries = (f"{key if key.isidentifier() else groovy(key)}: {_map(inner)}" for key, inner in value.items())
    return f"[{', '.join(entries)}]"


BACKEND = Nextflow()
