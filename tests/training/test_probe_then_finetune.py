"""LP-FT and gradual unfreezing, as stages and `freeze` say them: what rests, in which epoch, and what is handed on."""

import pytest
import torch
from node_manifests import SEX, Cohort, component
from safetensors.torch import load_file
from test_with_components import real

from tlimb.components.scenarios.supervised import Supervised
from tlimb.manifest import Graph
from tlimb.scheduler.supervise import run_here
from tlimb.store import Store
from tlimb.training.execute import execute

STAGES = ("conv1", "bn1", "layer1", "layer2", "layer3", "layer4")
SLOW = component("optimizer", "sgd", lr=1e-30, momentum=0.0)
FAST = component("optimizer", "sgd", lr=0.1)


def freeze(up_to=None, epoch=None, every=None):
    return {"up_to": up_to, "thaw_epoch": epoch, "thaw_every_epochs": every}


@pytest.fixture
def cohort(tmp_path):
    return Cohort(tmp_path, shape=(20, 21, 20))


@pytest.fixture
def modes(monkeypatch):
    """Record in each batch which stages have a layer in training mode, and which have a parameter that is trained."""
    seen, terms = [], Supervised.terms

    def recording(self, network, batches, step, progress):
        inside = network.encoder.network
        stages = {name: inside.get_submodule(name) for name in STAGES}
        acting = {name for name, one in stages.items() if any(inner.training for inner in one.modules())}
        trained = {name for name, one in stages.items() if any(p.requires_grad for p in one.parameters())}
        seen.append((acting, trained))
        return terms(self, network, batches, step, progress)

    monkeypatch.setattr(Supervised, "terms", recording)
    return seen


def child(cohort, parent=None, **more):
    parents = {} if parent is None else {"encoder": parent.work}
    return real(cohort, range(4), [4, 5], SEX, "classification", **{"parents": parents, "scheduler": None, **more})


def tensors(cohort, manifest):
    folder = Store(cohort.places().store).path(manifest.work)
    return load_file(folder / "encoder.safetensors"), load_file(folder / "heads.safetensors")


def equal(first, second):
    return {name for name in first if torch.equal(first[name], second[name])}


def test_a_probe_computes_with_the_parents_statistics_and_lp_ft_goes_on_with_its_head(cohort, modes):
    pretrain = child(cohort, trainer={"epochs": 1})
    probe = child(cohort, pretrain, freeze=freeze("all"), optimizer=FAST)
    adapt = {"heads": "keep", "stem": None, "position": None, "missing": []}
    still = child(cohort, probe, adapt=adapt, optimizer=SLOW, trainer={"epochs": 1})
    onward = child(cohort, probe, adapt=adapt, optimizer=FAST)
    for manifest in (pretrain, probe):
        modes.clear()
        assert execute(manifest, cohort.places()).code == 0
    # Nothing of the encoder is in training mode in any batch of the probe: batch normalisation least of all.
    assert modes
    assert all(acting == trained == set() for acting, trained in modes)
    assert run_here(Graph({m.work: m for m in (pretrain, probe, still, onward)}), cohort.places()).code == 0
    (start, heads), (probed, learned) = tensors(cohort, pretrain), tensors(cohort, probe)
    assert equal(start, probed) == set(start)
    assert equal(heads, learned) == set()
    assert equal(tensors(cohort, still)[1], learned) == set(learned)
    tuned, after = tensors(cohort, onward)
    assert equal(after, learned) == set()
    assert "layer1.0.conv1.weight" not in equal(tuned, probed)


def test_lp_ft_in_one_stage_thaws_everything_in_one_epoch(cohort, modes):
    fit = child(cohort, freeze=freeze("all", epoch=2), trainer={"epochs": 3, "batch_size": 2})
    assert execute(fit, cohort.places()).code == 0
    nothing, everything = (set(), set()), (set(STAGES), set(STAGES))
    assert modes == [nothing] * 4 + [everything] * 2


def test_gradual_unfreezing_goes_from_the_last_stage_to_the_first(cohort, modes):
    fit = child(cohort, freeze=freeze("all", every=2), trainer={"epochs": 13, "batch_size": 4})
    assert execute(fit, cohort.places()).code == 0
    for epoch, (acting, trained) in enumerate(modes):
        thawed = set(STAGES[len(STAGES) - epoch // 2 :]) if epoch >= 2 else set()
        assert trained == thawed, epoch
        # Layers without parameters, such as pooling, are in the mode of what is around them.
        assert acting == thawed, epoch


def test_gradual_unfreezing_may_begin_at_a_layer(cohort, modes):
    fit = child(cohort, freeze=freeze("layer4", every=1), trainer={"epochs": 3, "batch_size": 4})
    assert execute(fit, cohort.places()).code == 0
    assert [trained for _, trained in modes] == [{"layer4"}, {"layer3", "layer4"}, {"layer2", "layer3", "layer4"}]


def test_the_records_would_see_a_probe_in_training_mode(cohort, modes):
    assert execute(child(cohort, trainer={"epochs": 1}), cohort.places()).code == 0
    assert modes[0] == (set(STAGES), set(STAGES))
