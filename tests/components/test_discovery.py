"""Components are found by name or path; only granted code is used, and only as what the place asks for."""

import subprocess
import sys
import textwrap

import pytest

from tlimb.components import contracts, discovery
from tlimb.describe import loading
from tlimb.problems import ExitCode, TlimbError

HERE = "tlimb.components"


def of(path, **options):
    return {"class": path, "revision": 1, "options": options}


@pytest.fixture
def lab(tmp_path, monkeypatch):
    """A user's package with a step of its own, importable for one test."""
    folder = tmp_path / "own_lab"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "prep.py").write_text(
        textwrap.dedent('''
        import os
        from tlimb.components.contracts import Image, Preprocess
        from tlimb.components.preprocess.crop import Crop

        class Double(Preprocess):
            """Double each voxel.

            Args:
                times: how often.
            """

            def __init__(self, *, times: int = 1) -> None:
                self.times = times

            def apply(self, image):
                return Image(image.voxels * 2**self.times, image.affine, image.mask)
        ''')
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    yield "own_lab.prep"
    for name in [name for name in sys.modules if name.split(".")[0] == "own_lab"]:
        del sys.modules[name]


def refused(path, base, allow=()):
    with pytest.raises(TlimbError) as caught:
        loading.find(path, base, allow)
    return caught.value.problems[0].code, caught.value.exit_code


def test_a_name_is_the_name_of_the_file():
    assert discovery.path_of("architecture", "resnet3d") == f"{HERE}.architectures.resnet3d.ResNet3D"
    with pytest.raises(TlimbError) as caught:
        discovery.path_of("architecture", "resnet3")
    assert caught.value.problems[0].help[0] == "did you mean `resnet3d`?"


def test_user_code_is_not_imported_unless_it_is_allowed(lab):
    assert refused(f"{lab}.Double", contracts.Preprocess) == ("code-not-allowed", ExitCode.POLICY)
    assert refused(f"{lab}.Double", contracts.Preprocess, ("own",)) == ("code-not-allowed", ExitCode.POLICY)
    assert "own_lab" not in sys.modules
    assert loading.find(f"{lab}.Double", contracts.Preprocess, ("own_lab",)).__name__ == "Double"


def test_what_is_no_component_of_the_kind_is_refused(lab):
    allow = ("own_lab",)
    assert refused(f"{lab}.os", contracts.Preprocess, allow) == ("wrong-kind", ExitCode.POLICY)
    assert refused(f"{lab}.Double", contracts.Optimizer, allow) == ("wrong-kind", ExitCode.POLICY)
    assert refused(f"{lab}.Crop", contracts.Preprocess, allow) == ("foreign-class", ExitCode.POLICY)
    assert refused(f"{lab}.Preprocess", contracts.Preprocess, allow)[0] == "foreign-class"
    assert refused(f"{lab}.Nothing", contracts.Preprocess, allow) == ("no-such-class", ExitCode.USAGE)
    assert refused("os.system", contracts.Preprocess)[0] == "code-not-allowed"


def test_components_inside_options_are_made_under_the_same_rules(lab):
    steps = [of(f"{HERE}.preprocess.canonical.Canonical"), of(f"{lab}.Double", times=3)]
    wanted = of(f"{HERE}.data.volume_3d.Volume3D", preprocess=steps)
    with pytest.raises(TlimbError, match="not allowed"):
        discovery.instantiate(wanted, contracts.DataModule)
    made = discovery.instantiate(wanted, contracts.DataModule, allow=("own_lab",))
    assert [type(step).__name__ for step in made.preprocess] == ["Canonical", "Double"]
    own = made.recipe()["steps"][1]
    assert own["options"] == {"times": 3}
    assert len(own["code"]) == 64, "a user's step must key the cache by its code"


def test_another_revision_than_planned_is_refused():
    planned = {**of(f"{HERE}.optimizers.sgd.SGD", lr=0.1), "revision": 99}
    with pytest.raises(TlimbError, match="revision") as caught:
        discovery.instantiate(planned, contracts.Optimizer)
    assert caught.value.exit_code == ExitCode.USAGE


@pytest.mark.parametrize("options", [{"lr": 0.1, "unknown": 1}, {}, {"lr": 0.1, "momentum": 0.0, "nesterov": True}])
def test_options_that_do_not_fit_are_a_problem_and_no_traceback(options):
    with pytest.raises(TlimbError) as caught:
        discovery.instantiate(of(f"{HERE}.optimizers.sgd.SGD", **options), contracts.Optimizer)
    assert caught.value.problems[0].code == "bad-option"


def test_each_file_holds_one_public_class():
    found = list(discovery.built_in())
    assert len(found) >= 25
    assert len({cls for _, _, cls in found}) == len(found)


def test_a_component_of_another_kind_inside_an_option_is_refused():
    wanted = of(f"{HERE}.data.volume_3d.Volume3D", preprocess=[of(f"{HERE}.optimizers.sgd.SGD", lr=0.1)])
    with pytest.raises(TlimbError, match="not a Preprocess"):
        discovery.instantiate(wanted, contracts.DataModule)


def test_lightning_is_loaded_only_where_a_callback_or_logger_is_asked_for():
    code = (
        "import sys\n"
        "from tlimb.components import discovery\n"
        "assert discovery.names('callback') == () and 'csv' in discovery.names('logger')\n"
        "discovery.path_of('architecture', 'sfcn')\n"
        "assert 'lightning' not in sys.modules\n"
        "print(discovery.KINDS['callback'].base.__name__)\n"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said == "Callback\n"
