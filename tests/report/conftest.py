"""A small finished study on disk: two rows and a control, two repetitions, three searched learning rates."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from tests.store.drafts import draft
from tlimb.cohorts import view
from tlimb.manifest import Gate, Graph, Manifest, digest
from tlimb.report.request import RankRequest
from tlimb.store import Store, seal

sys.path.insert(0, str(Path(__file__).parent.parent / "manifest"))

from whole_manifests import LINEAR, whole

PEOPLE = 40
CLASSES = ["F", "M"]
PLACE = "stages/finetune/auxiliary"
RATE = "stages/finetune/optimizer/adamw/lr"


class Accuracy:
    kind, direction = "class", "max"

    def compute(self, targets, predictions):
        return float(np.mean(predictions.argmax(1) == targets))


class CrossEntropy:
    kind, direction = "class", "min"

    def compute(self, targets, predictions):
        with np.errstate(divide="ignore", invalid="ignore"):
            return float(-np.mean(np.log(predictions[np.arange(len(targets)), targets])))


METRICS = {"accuracy": Accuracy, "cross_entropy": CrossEntropy}


def component(name):
    return {"class": f"tlimb.components.metrics.{name}.{METRICS[name].__name__}", "revision": 1, "options": {}}


def load(found):
    return METRICS[found["class"].split(".")[-2]]()


class Study:
    """Builds plan, store and private views by hand, so that each fault can be put exactly where it is wanted."""

    def __init__(self, folder):
        self.store = Store(folder / "store", patience_s=0)
        self.private = folder / "private"
        self.nodes = {}
        self.truth = np.arange(PEOPLE) % 2
        self.view = self._view()
        self.select_of = {}

    def _view(self):
        rows = [
            {
                "row": place,
                "person": f"hmac{place:04x}",
                "root": "clinic",
                "image": f"sub-{place:02d}/anat/sub-{place:02d}_T1w.nii.gz",
                "sha256": digest(place),
                "mask": None,
                "mask_sha256": None,
                "group": "clinic",
                "labels": {"sex": CLASSES[self.truth[place]]},
            }
            for place in range(PEOPLE)
        ]
        return self.keep_view(rows)

    def keep_view(self, rows):
        name = view.digest_of({"rows": rows})
        view.write_views(self.private, {name: {"view": name, "rows": rows}})
        return name

    def add(self, hashed, uses=(), gates=()):
        hashed = whole(hashed)
        work = digest(hashed)
        old = self.nodes.get(work)
        if old is not None:
            uses, gates = (*old.uses, *uses), (*old.gates, *gates)
        self.nodes[work] = Manifest(work, hashed, tuple(uses), tuple(gates))
        return work

    def fit(self, stage, row, rate, replicate, seed=None, parent=None):
        scenario = {**LINEAR, "options": {"stage": stage, "row": row, "rate": rate}}
        hashed = {
            "kind": "fit",
            "heads": [{"name": "sex", "facts": {"label": "sex", "classes": CLASSES}}],
            "scenario": scenario,
            "seed": replicate if seed is None else seed,
            "parents": {} if parent is None else {"encoder": parent},
        }
        return self.add(hashed)

    def select(self, stage, row, candidates):
        hashed = {"kind": "select", "parents": {"candidates": candidates}, "metric": component("accuracy"),
                  "head": "sex", "role": "data"}  # fmt: skip
        return self.add(hashed, [self.use(stage, row, None, 0)])

    def use(self, stage, row, rate, replicate):
        configuration = {} if rate is None else {RATE: str(rate)}
        return {"study": "s", "test": "held_out", "stage": stage, "row": row, "configuration": configuration,
                "replicate": replicate, "fold": []}  # fmt: skip

    def predict(self, fit, use, gate=None):
        hashed = {"kind": "predict", "parents": {"model": fit}, "views": {"rows": self.view}}
        return self.add(hashed, [use], [] if gate is None else [gate])

    def publish(self, work, result, tensors=None):
        with self.store.staging() as staged:
            if tensors is not None:
                save_file(tensors, staged / "predictions.safetensors")
            kind = self.nodes[work].hashed["kind"]
            seal(staged, draft(kind, work, **{"environment": {"torch": "2.15"}, **result}))
            self.store.publish(work, staged)

    def predictions(self, right, seed=0):
        """Give probabilities of which exactly so many name the true class."""
        order = np.random.default_rng(seed).permutation(PEOPLE)
        sure = np.full((PEOPLE, 2), 0.1)
        sure[np.arange(PEOPLE), self.truth] = 0.9
        for place in order[right:]:
            sure[place] = sure[place][::-1]
        return {"rows": np.arange(PEOPLE), "sex": sure}

    def finish(self, fit, predict, right, seed=0, **result):
        self.publish(fit, result)
        self.publish(predict, result, self.predictions(right, seed))

    @property
    def graph(self):
        return Graph(self.nodes)

    @property
    def request(self):
        metrics = (component("accuracy"), component("cross_entropy"))
        select = {"metric": component("accuracy"), "head": "sex", "role": "data"}
        return RankRequest("s", metrics, "scratch", select)

    def searched(self, stage, row, right, chosen=0, rates=(0.001, 0.01)):
        """Add a row with a search; only the chosen rate's tests are run. Gives its chosen (fit, predict) works."""
        fits = [[self.fit(stage, row, rate, replicate) for replicate in range(2)] for rate in rates]
        select = self.select(stage, row, fits)
        found = []
        for position, works in enumerate(fits):
            for replicate, work in enumerate(works):
                gate = Gate(select, position)
                predict = self.predict(work, self.use(stage, row, rates[position], replicate), gate)
                if position == chosen:
                    found.append((work, predict))
        for (fit, predict), count in zip(found, right, strict=True):
            self.finish(fit, predict, count)
        self.publish(select, {"chosen": chosen, "values": [0.5 + 0.1 * (p == chosen) for p in range(len(rates))]})
        self.select_of[stage, tuple(row.values())] = select
        return found


@pytest.fixture
def study(tmp_path):
    return Study(tmp_path)


@pytest.fixture
def finished(study):
    study.searched("finetune", {PLACE: "free"}, (36, 34))
    study.searched("finetune", {PLACE: "elastic"}, (32, 30), chosen=1)
    study.searched("scratch", {}, (28, 24))
    return study


@pytest.fixture
def load_metric():
    return load


@pytest.fixture
def wipe():
    def remove(path):
        for file in path.iterdir():
            file.chmod(0o600)
            os.unlink(file)  # noqa: PTH108
        path.rmdir()

    return remove
