"""A backend of an installed package is foreign code: it is imported when the caller allows it, and not before."""

import sys

import pytest

from tlimb.backends import backend
from tlimb.backends.contracts import Backend
from tlimb.cli import run
from tlimb.problems import ExitCode, TlimbError

ENGINES = '''
"""Engines of a lab."""
from tlimb.backends.contracts import Backend, Capabilities
from tlimb.backends.nextflow import Nextflow


class Script(Backend):
    """Writes a script."""

    name = "script"
    capabilities = Capabilities(True, False, frozenset(), frozenset({"local"}))

    def files(self, emission):
        yield "README.md", ("sh run.sh\\n",)


class Nothing:
    """Writes nothing."""
'''
ENTRIES = """
[tlimb.backends]
script = acme_engines:Script
nothing = acme_engines:Nothing
borrowed = acme_engines:Nextflow
gone = acme_engines:Gone
"""
SPEC = """
tlimb: 1
datasets:
  people: {files: {phantom: {folder: data}}, split: {holdout: {train: 0.5, val: 0.25, test: 0.25}}}
stages:
  train:
    dataset: people
    data: {bio_image: {spacing_mm: 8, crop: [20, 24, 20], intensity: zscore}}
    architecture: {sfcn: {channels: [4, 8]}}
    objective: {regression: {target: age}}
    optimizer: {adamw: {lr: 1e-3}}
    trainer: {epochs: 1, batch_size: 2}
tests: {held_out: {of: train}}
"""


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A package with backends, as an installer leaves it."""
    site = tmp_path / "site"
    (site / "acme_engines-1.0.dist-info").mkdir(parents=True)
    (site / "acme_engines.py").write_text(ENGINES)
    info = site / "acme_engines-1.0.dist-info"
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-engines\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRIES)
    monkeypatch.syspath_prepend(str(site))
    yield site
    sys.modules.pop("acme_engines", None)


def refused(name, *allow):
    with pytest.raises(TlimbError) as caught:
        backend(name, allow)
    return caught.value.problems[0].code, caught.value.exit_code


def test_a_backend_of_a_package_is_not_imported_unless_it_is_allowed(installed):
    assert refused("script") == ("code-not-allowed", ExitCode.POLICY)
    assert refused("script", "acme") == ("code-not-allowed", ExitCode.POLICY)
    assert "acme_engines" not in sys.modules
    assert isinstance(backend("script", ("acme_engines",)), Backend)


@pytest.mark.parametrize(
    ("name", "code", "exit_code"),
    [
        ("nothing", "wrong-kind", ExitCode.POLICY),
        ("borrowed", "foreign-class", ExitCode.POLICY),
        ("gone", "no-such-class", ExitCode.USAGE),
        ("unheard", "unknown-backend", ExitCode.USAGE),
    ],
)
def test_what_is_no_backend_of_the_package_is_refused(installed, name, code, exit_code):
    assert refused(name, "acme_engines") == (code, exit_code)


def test_a_name_that_two_packages_give_is_refused(installed):
    second = installed / "other-1.0.dist-info"
    second.mkdir()
    (second / "METADATA").write_text("Metadata-Version: 2.1\nName: other\nVersion: 1.0\n")
    (second / "entry_points.txt").write_text("[tlimb.backends]\nscript = acme_engines:Nothing\n")
    assert refused("script", "acme_engines") == ("name-twice", ExitCode.POLICY)


def test_backends_of_tlimb_need_no_allowance():
    assert {backend(name).name for name in ("local", "nextflow")} == {"local", "nextflow"}


def test_emit_ends_with_77_until_the_package_is_allowed(installed, tmp_path, capsys):
    spec = tmp_path / "study.yaml"
    spec.write_text(SPEC)
    assert run(["phantom", str(tmp_path / "data"), "-n", "16"]) == 0
    words = ["emit", str(spec), "--backend", "script", "-o", str(tmp_path / "build")]
    assert run(words) == 77
    said = capsys.readouterr()
    assert "add --allow acme_engines if you trust it" in said.out + said.err
    assert not (tmp_path / "build").exists()
    assert run([*words, "--allow", "acme_engines"]) == 0
    assert (tmp_path / "build" / "README.md").read_text() == "sh run.sh\n"
