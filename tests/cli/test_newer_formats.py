"""What a newer tlimb wrote into a store: every command says so with 73, and leaves it as it is."""

import json

import pytest

from tests.diagnostics.conftest import BASE, people
from tests.store.drafts import draft
from tlimb import cli
from tlimb.manifest import canonical
from tlimb.store import Store, disk, seal

SPEC = "".join(BASE.values())


@pytest.fixture
def fit(tmp_path, monkeypatch):
    """A planned study whose training lies in the store as a newer tlimb wrote it; gives its manifest's path."""
    people(tmp_path, {})
    (tmp_path / "study.yaml").write_text(SPEC)
    monkeypatch.chdir(tmp_path)
    assert cli.run(["plan", "study.yaml", "-o", "plan"]) == 0
    found = [path for path in (tmp_path / "plan").glob("manifests/*/*.json") if '"kind":"fit"' in path.read_text()]
    work = found[0].stem
    store = Store(tmp_path / "tlimb-store")
    with store.staging() as staged:
        seal(staged, draft("fit", work))
        store.publish(work, staged)
    path = store.path(work) / "result.json"
    path.chmod(0o644)
    path.write_text(canonical({**json.loads(path.read_text()), "format": 2}))
    return found[0]


def snapshot(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    "words",
    [["status", "plan"], ["rank", "plan"], ["plan", "study.yaml"], ["store", "verify"], ["run", "FIT", "-q"],
     ["run", "FIT", "-q", "--task"], ["store", "gc", "--keep-plan", "empty"]],
    ids=lambda words: " ".join(words),
)  # fmt: skip
def test_p5_a_newer_result_ends_each_command_with_73_and_stays(fit, words, capsys):
    disk.make(fit.parents[3] / "empty")
    (fit.parents[3] / "empty" / "runs.csv").write_text("work\n")
    objects = fit.parents[3] / "tlimb-store" / "v1" / "objects"
    before = snapshot(objects)
    capsys.readouterr()
    assert cli.run([str(fit) if word == "FIT" else word for word in words]) == 73
    said = capsys.readouterr()
    assert (said.out + said.err).count("newer-format") == 1
    assert f"{fit.stem}/result.json is in format 2" in said.out + said.err
    assert "update tlimb" in said.out + said.err
    assert "Traceback" not in said.err
    assert snapshot(objects) == before
    assert not (objects.parent / "quarantine").exists()


def test_a_listing_shows_it_beside_the_rest(fit, capsys):
    capsys.readouterr()
    assert cli.run(["store", "ls"]) == 0
    assert "newer format" in capsys.readouterr().out


@pytest.mark.parametrize("text", ['{"attempts":[1]}', '{"attempts":[{"code":"x"}]}', "[" * 200_000, '{"attempts":{}}'])
def test_a_hostile_record_stops_no_status_and_no_ranking(fit, text, capsys):
    store = Store(fit.parents[3] / "tlimb-store")
    disk.remove_tree(store.path(fit.stem))
    folder = disk.make(store.base / "records" / fit.stem)
    (folder / "record.json").write_text(text)
    assert cli.run(["status", "plan"]) == 0
    assert cli.run(["rank", "plan", "--allow-partial"]) == 0
    assert "Traceback" not in capsys.readouterr().err
