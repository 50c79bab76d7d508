"""One training can be read: few files from `fit` to the optimizer's step, few arguments, nothing built by surprise."""

import importlib
import inspect
import pkgutil
import subprocess
import sys
from pathlib import Path

import attrs
import pytest
from node_manifests import fit_manifest
from torch.optim.optimizer import register_optimizer_step_pre_hook

from tlimb import scheduler, training
from tlimb.protocol.options import Options
from tlimb.training.execute import execute

PACKAGE = Path(training.__file__).parent.parent
MOST = 8


def modules(package):
    yield package
    for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        yield importlib.import_module(found.name)


def classes():
    for module in (*modules(training), *modules(scheduler)):
        for name, value in vars(module).items():
            if inspect.isclass(value) and value.__module__ == module.__name__:
                yield f"{module.__name__}.{name}", value


CLASSES = dict(classes())


def test_from_fit_to_the_optimizers_step_functions_of_five_files_are_called(cohort, monkeypatch):
    """Components are left out: which of them are called is the spec's choice."""
    called, inside = set(), []
    real_fit = training.run.drive

    def trace(frame, event, _):
        path = frame.f_code.co_filename
        if event == "call" and path.startswith(str(PACKAGE)) and "/components/" not in path:
            called.add(Path(path).relative_to(PACKAGE).as_posix())

    def fit(*arguments):
        inside.append(True)
        sys.setprofile(trace)
        try:
            real_fit(*arguments)
        finally:
            sys.setprofile(None)

    def stop(*_):
        sys.setprofile(None)

    monkeypatch.setattr(training.run, "drive", fit)
    hook = register_optimizer_step_pre_hook(stop)
    manifest = fit_manifest(cohort.view(range(6)), cohort.view([6, 7]), trainer={"epochs": 1})
    try:
        assert execute(manifest, cohort.places(), Options(smoke=True)).code == 0
    finally:
        hook.remove()
    assert inside
    assert "training/loop.py" in called
    assert len(called) <= 5, sorted(called)


@pytest.mark.parametrize("name", CLASSES)
def test_no_constructor_has_more_than_eight_positional_arguments(name):
    cls = CLASSES[name]
    if attrs.has(cls):
        positional = [one.name for one in attrs.fields(cls) if one.init and not one.kw_only]
    else:
        kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        found = inspect.signature(cls.__init__).parameters.values() if "__init__" in vars(cls) else ()
        positional = [one.name for one in found if one.kind in kinds and one.name != "self"]
    assert len(positional) <= MOST, positional


def test_what_trains_nothing_imports_no_lightning():
    words = "import sys, tlimb.training.execute, tlimb.training.other_nodes; print('lightning' in sys.modules)"
    found = subprocess.run([sys.executable, "-P", "-c", words], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"


def test_what_schedules_imports_no_torch():
    words = (
        "import sys, tlimb.scheduler.supervise, tlimb.scheduler.forkserver, tlimb.scheduler.worker;"
        "print({'torch', 'lightning', 'numpy'} & set(sys.modules))"
    )
    found = subprocess.run([sys.executable, "-P", "-c", words], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"


@pytest.mark.parametrize("folder", ["protocol", "scheduler", "training", "training/data", "training/network", "dryrun"])
def test_a_new_room_holds_at_most_sixteen_modules_side_by_side(folder):
    assert len([path for path in (PACKAGE / folder).glob("*.py") if path.name != "__init__.py"]) <= 16
