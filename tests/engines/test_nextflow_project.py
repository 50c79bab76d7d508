"""Emitted projects under the real Nextflow's linter, formatter and both of its parsers."""

import itertools
import re
import shutil

import pytest
from engines import call
from studies import tlimb


@pytest.fixture(scope="module")
def project(study, tmp_path_factory):
    """A project with everything in it: a cluster, a container, GPUs, and packs."""
    spec = study.spec | {
        "execution": {
            "container": "my-lab/tlimb:1.0",
            "resources": {"cpus": 1, "memory_gb": 2, "time_h": 1},
            "overrides": {"pretrain": {"gpus": 1, "memory_gb": 4}},
            "profiles": {
                "hpc": {
                    "backend": {"slurm": {"partition": "gpu", "account": "brainlab", "qos": "long", "at_once": 50}}
                },
                "cloud": {
                    "backend": {
                        "kubernetes": {
                            "volume_claim": "study",
                            "shm_gb": 8,
                            "node_selector": {"gpu": "a100"},
                            "tolerations": [{"key": "gpu", "operator": "Exists", "effect": "NoSchedule"}],
                            "priority_class": "low",
                            "service_account": "tlimb",
                        }
                    }
                },
            },
        }
    }
    made = study.copy(tmp_path_factory.mktemp("linted") / "study", store=False)
    made.write(spec)
    tlimb(made.folder, "emit", made.path.name, "-o", "build")
    return made.folder / "build"


def test_the_linter_has_no_word_to_say_and_the_formatter_nothing_to_change(project, engine, tmp_path):
    copy = shutil.copytree(project, tmp_path / "copy")
    said = call([engine, "lint", "."], copy)
    assert "had no errors" in said
    assert "warning" not in said.lower()
    call([engine, "lint", "-format", "."], copy)
    for path in project.rglob("*"):
        if path.is_file():
            assert (copy / path.relative_to(project)).read_bytes() == path.read_bytes(), path.name


ENGINES = ["", "docker", "podman", "apptainer", "singularity", "conda"]


@pytest.mark.long
@pytest.mark.parametrize("backend", ["standard", "slurm", "k8s"])
def test_both_parsers_read_one_configuration_from_every_pair_of_profiles(project, engine, backend, tmp_path):
    for container, test in itertools.product(ENGINES, ["", "test"]):
        profiles = ",".join(name for name in (backend, container, test) if name)
        found = {
            parser: call([engine, "config", "-flat", "-profile", profiles, project], tmp_path, NXF_SYNTAX_PARSER=parser)
            for parser in ("v1", "v2")
        }
        values = {parser: settings(text) for parser, text in found.items()}
        assert values["v1"] == values["v2"], profiles
        for step in ("PREPARE", "FIT_PRETRAIN", "FIT_FINETUNE", "FIT_SCRATCH", "TEST_FINETUNE", "TEST_SCRATCH"):
            for key in ("cpus", "memory", "time"):
                assert any(f":{step}." in name and name.endswith(f".{key}") for name in values["v1"]), step


def settings(text):
    """Give the settings of `nextflow config -flat`, name -> value; closures are shown by an address.

    One parser writes a map as `[key:value, ..]`, the other each of its entries as a setting.
    """
    found = {}
    for line in text.splitlines():
        name, _, value = line.partition(" = ")
        name = name.strip().replace("'", "")
        entries = re.findall(r"(\w+):([^,\]]+)", value) if value.startswith("[") else []
        for key, part in [(f"{name}.{key}", part) for key, part in entries] or [(name, value)]:
            found[key] = "closure" if "closure" in part.lower() else part
    return found


def test_what_is_missing_or_tampered_with_ends_with_a_word_about_it(project, engine, tmp_path):
    copy = shutil.copytree(project, tmp_path / "copy")
    assert "--outdir" in call([engine, "run", copy], tmp_path / "a", code=1)
    table = copy / "plan" / "tasks.csv"
    table.write_text(table.read_text().replace("manifests/", "../manifests/", 1))
    said = call([engine, "run", copy, "--outdir", "out", "-profile", "test"], tmp_path / "b", code=1)
    assert "plan/ was changed by hand" in said
    hostile = "/tmp/x;touch pwned"
    said = call([engine, "run", project, "--outdir", "out", "--places", hostile], tmp_path / "c", code=1)
    assert "/tmp/x;touch pwned is no path of letters, digits and" in said
    assert not list(tmp_path.rglob("pwned"))
