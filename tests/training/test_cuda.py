"""What runs on a GPU: these tests need one, `make test-gpu` runs them and nothing else.

Bits of a GPU are compared with bits of the same GPU; with the CPU, numbers are compared within a tolerance.
"""

import json

import pytest
import torch
from node_manifests import AGE, SEX, Cohort, Crash, component, crash_at, fit_manifest, predict_manifest, toy
from safetensors.torch import load_file
from test_resume_of_methods import METHODS, manifest_of
from test_with_components import DATA, REAL, head

from tlimb.manifest import Graph, Manifest
from tlimb.protocol.options import Options
from tlimb.scheduler.supervise import run_here, supervise
from tlimb.store import Store
from tlimb.training.data.volumes import Volumes
from tlimb.training.execute import execute

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    return Cohort(tmp_path_factory.mktemp("cuda"), people=12, shape=(20, 21, 20))


def digest(places, manifest):
    return Store(places.store).result(manifest.work).digest


def on_gpu(people, precision="fp32", **more):
    """Give a training with every kind of randomness, of layers whose gradients are deterministic on a GPU."""
    trainer = {"epochs": 3, "batch_size": 3, "device": "cuda", "precision": precision, "gradient_clip": 1.0}
    steps = [component("augment", "noise"), component("augment", "affine", rotate_deg=10)]
    data = {**DATA, "options": {**DATA["options"], "augment": steps}}
    architecture = component("architecture", "sfcn", channels=[4, 8, 8], dropout=0.2)
    heads = (head(SEX, "classification"), head(AGE, "regression"))
    defaults = {"architecture": architecture, "data": data, "heads": heads, "trainer": trainer}
    return fit_manifest(people.view(range(8)), people.view([8, 9, 10]), **{**REAL, **defaults, **more})


def test_a_training_on_a_gpu_is_repeated_and_continued_to_the_same_bytes(people):
    manifest = on_gpu(people)
    first, second, killed = (people.places(name) for name in ("gpu-one", "gpu-two", "gpu-killed"))
    assert execute(manifest, first).code == execute(manifest, second).code == 0
    assert digest(first, manifest) == digest(second, manifest)
    for number in (2, 5):
        with pytest.raises(Crash):
            execute(manifest, killed, Options(checkpoint_every_steps=1, after_batch=crash_at(number)))
    assert execute(manifest, killed).facts["resumed_at"] > 0
    assert digest(killed, manifest) == digest(first, manifest)
    environment = Store(first.store).result(manifest.work).environment
    assert (environment["device"], environment["gpu"]) == ("cuda", torch.cuda.get_device_name())


def test_volumes_on_the_gpu_in_pinned_memory_and_mapped_files_give_the_same_bytes(people, monkeypatch):
    manifest = on_gpu(people)
    moved = []
    resident = Volumes.resident

    def watched(self, device):
        found = resident(self, device)
        moved.append(found.stacked is not None and found.stacked.is_cuda)
        return found

    monkeypatch.setattr(Volumes, "resident", watched)
    places = [people.places(f"way-{name}") for name in ("resident", "pinned", "mapped", "workers")]
    assert execute(manifest, places[0]).code == 0
    assert moved == [True]
    monkeypatch.setattr(Volumes, "resident", lambda self, device: self)
    assert execute(manifest, places[1]).code == 0
    assert execute(manifest, places[2], Options(memory_bytes=0)).code == 0
    assert execute(manifest, places[3], Options(loader_workers=2)).code == 0
    assert len({digest(one, manifest) for one in places}) == 1


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_mixed_precision_trains_repeats_and_stays_near_full_precision(people, precision):
    # The gradients of fp16 are scaled, so they cannot be clipped here.
    trainer = {"epochs": 3, "batch_size": 3, "device": "cuda"}
    mixed, full = (on_gpu(people, trainer={**trainer, "precision": one}) for one in (precision, "fp32"))
    first, second = people.places(f"{precision}-one"), people.places(f"{precision}-two")
    assert [execute(one, first).code for one in (mixed, full)] == [0, 0]
    assert execute(mixed, second).code == 0
    assert digest(first, mixed) == digest(second, mixed)
    losses = [Store(first.store).result(one.work).losses.val["data"] for one in (mixed, full)]
    assert losses[0] != losses[1]
    assert all(abs(losses[0][name] - losses[1][name]) < 0.1 * (1 + abs(losses[1][name])) for name in losses[1])


def test_the_first_epoch_on_a_gpu_is_near_that_on_the_cpu(people):
    trainer = {"epochs": 1, "batch_size": 3}
    architecture = component("architecture", "sfcn", channels=[4, 8, 8], dropout=0.0)
    # Adam divides by the size of a gradient, so that noise in a tiny one becomes a whole step; plain descent does not.
    same = {"architecture": architecture, "optimizer": component("optimizer", "sgd", lr=1e-2)}
    both = [on_gpu(people, trainer={**trainer, "device": device}, **same) for device in ("cpu", "cuda")]
    places = people.places("near")
    assert [execute(one, places).code for one in both] == [0, 0]
    store = Store(places.store)
    cpu, gpu = (load_file(store.path(one.work) / "encoder.safetensors") for one in both)
    worst = max(float((cpu[name].double() - gpu[name].double()).abs().max()) for name in cpu)
    print(f"largest difference of a weight after one epoch: {worst:.2e}")
    assert worst < 1e-3


@pytest.mark.parametrize("name", METHODS)
def test_each_method_trains_on_a_gpu_and_says_whether_it_repeats(people, name):
    roles, scenario, term = METHODS[name]
    added = [] if term is None else [component("auxiliary", term, weight=0.5)]
    architecture = component("architecture", "sfcn", channels=[4, 8, 8], dropout=0.0)
    plain = manifest_of(people, roles, scenario=scenario, auxiliary=added, architecture=architecture)
    manifest = Manifest.of({**plain.hashed, "trainer": {**plain.hashed["trainer"], "device": "cuda"}})
    places = [people.places(f"{name}-gpu-{number}") for number in range(2)]
    assert [execute(manifest, one).code for one in places] == [0, 0]
    same = digest(places[0], manifest) == digest(places[1], manifest)
    print(f"{name}: {'the same bytes' if same else 'other bytes'} at a second run")
    losses = Store(places[0].store).result(manifest.work).losses.train
    assert all(abs(value) < 1e4 for value in losses.values())


@pytest.mark.parametrize(
    ("architecture", "options"),
    [
        ("resnet3d", {"depth": 10, "filters": 8}),
        ("densenet121", {}),
        ("vit3d", {"patch_size": 4, "width": 48, "depth": 2, "heads": 4}),
    ],
)
def test_each_network_trains_on_a_gpu_and_predicts_there(people, architecture, options):
    known = component("architecture", architecture, **options)
    trainer = {"epochs": 1, "batch_size": 4, "device": "cuda", "precision": "bf16"}
    manifest = on_gpu(people, architecture=known, trainer=trainer, scheduler=None)
    test = predict_manifest(manifest.work, people.view([8, 9, 10, 11]))
    places = people.places(f"net-{architecture}")
    summary = run_here(Graph({one.work: one for one in (manifest, test)}), places)
    assert (summary.code, dict(summary.failed)) == (0, {})


def test_processes_of_a_study_share_a_gpu_and_give_the_same_bytes_as_one(people):
    fits = [on_gpu(people, trainer={"epochs": 2, "batch_size": size, "device": "cuda"}) for size in (3, 4)]
    graph = Graph({one.work: one for one in fits})
    one, two = people.places("alone"), people.places("together")
    assert run_here(graph, one).code == 0
    summary = supervise(graph, two, 2, Options(), lambda event: None)
    assert (summary.code, dict(summary.failed)) == (0, {})
    assert [digest(one, fit) for fit in fits] == [digest(two, fit) for fit in fits]


def test_a_parent_from_the_cpu_is_finetuned_on_a_gpu(people):
    parent = fit_manifest(people.view(range(8)), None, heads=(head(AGE, "regression"),), **REAL)
    child = Manifest.of(
        {
            **parent.hashed,
            "parents": {"encoder": parent.work},
            "heads": [head(SEX, "classification")],
            "trainer": {**parent.hashed["trainer"], "device": "cuda"},
            "auxiliary": [component("auxiliary", "l2_sp", alpha=0.1)],
        }
    )
    places = people.places("mixed-devices")
    assert [execute(one, places).code for one in (parent, child)] == [0, 0]
    assert json.dumps(Store(places.store).result(child.work).transfer["missing"]) == "[]"


def test_a_toy_of_everything_runs_on_a_gpu(people):
    trainer = {"epochs": 2, "batch_size": 3, "device": "cuda"}
    manifest = fit_manifest(people.view(range(8)), people.view([8, 9]), auxiliary=[toy("ToyOwner")], trainer=trainer)
    assert execute(manifest, people.places("toy")).code == 0
