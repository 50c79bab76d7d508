"""Lightning callbacks that take part in a training, and observers and loggers, which leave no trace in it."""

import csv
import json
import os

import pytest
import torch
from node_manifests import Cohort, Crash, crash_at, fit_manifest, toy
from safetensors.torch import load_file

from tlimb.manifest import Manifest
from tlimb.protocol.options import Options
from tlimb.store import Store
from tlimb.training import resume
from tlimb.training.execute import execute
from tlimb.training.lightning import COUNTERS
from tlimb.training.trial_run import rehearse


def hook(name, **options):
    return {**toy(name, **options), "class": f"toy_hooks.{name}"}


OFTEN = {"checkpoint_every_steps": 1}
ALLOW = ("toy_lab", "toy_hooks", "lightning")
EMA = {"class": "lightning.pytorch.callbacks.EMAWeightAveraging", "revision": 0, "options": {"decay": 0.8}}
LINES = hook("ToyLines")
WATCHING = ("LearningRateMonitor", "Timer", "DeviceStatsMonitor")
CSV = {"class": "tlimb.components.loggers.csv.Csv", "revision": 1, "options": {}}


def lightnings(name, **options):
    return {"class": f"lightning.pytorch.callbacks.{name}", "revision": 0, "options": options}


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    return Cohort(tmp_path_factory.mktemp("callbacks"), people=9)


def study(people, *callbacks, **trainer):
    """Three epochs of three batches, the last one short, a step for two batches, with dropout and noise."""
    settings = {"epochs": 3, "batch_size": 2, "accumulate": 2, "keep": "best", **trainer}
    settings.setdefault("monitor", {"metric": "loss", "head": None, "role": None})
    more = {"callbacks": list(callbacks)} if callbacks else {}
    return fit_manifest(
        people.view(range(6)),
        people.view([6, 7, 8]),
        data=toy("ToyData", noise=0.3),
        architecture=toy("ToyEncoder", dropout=0.3),
        scheduler=toy("ToyCycle"),
        trainer=settings,
        **more,
    )


def run(people, manifest, name, **options):
    places = people.places(name, allow=ALLOW)
    outcome = execute(manifest, places, Options(**options))
    return outcome, Store(places.store)


def whole_and_killed(people, manifest, name, numbers, **options):
    """Give the digests of an untouched run, and of runs that were killed after a batch, twice, and continued."""
    outcome, store = run(people, manifest, f"{name}-whole", **options)
    assert outcome.code == 0, outcome.reason
    found = {}
    for number in numbers:
        for kill in (number, min(number + 1, 9)):
            with pytest.raises(Crash):
                run(
                    people,
                    manifest,
                    f"{name}-{number}",
                    checkpoint_every_steps=1,
                    after_batch=crash_at(kill),
                    **options,
                )
        again, continued = run(people, manifest, f"{name}-{number}", checkpoint_every_steps=1, **options)
        assert again.code == 0, again.reason
        found[number] = continued.result(manifest.work).digest
    return store.result(manifest.work).digest, found


@pytest.mark.parametrize("name", ["ema", "lines"])
def test_p1_a_training_with_a_callback_that_is_killed_after_any_batch_gives_the_same_bytes(people, name):
    callback = EMA if name == "ema" else LINES
    manifest = study(people, callback)
    whole, killed = whole_and_killed(people, manifest, name, range(1, 10))
    assert set(killed.values()) == {whole}


def test_p1_loader_processes_change_nothing_beside_a_callback(people):
    manifest = study(people, EMA)
    whole, killed = whole_and_killed(people, manifest, "ema-workers", [5], loader_workers=2)
    assert killed == {5: whole}


def test_averaged_weights_are_what_is_validated_and_kept(people):
    plain, averaged = study(people), study(people, EMA)
    _, store = run(people, plain, "plain")
    _, other = run(people, averaged, "averaged")
    one, two = (s.path(m.work) / "encoder.safetensors" for s, m in ((store, plain), (other, averaged)))
    assert not all(torch.equal(value, load_file(two)[name]) for name, value in load_file(one).items())
    history = [
        json.loads((s.path(m.work) / "history.json").read_text()) for s, m in ((store, plain), (other, averaged))
    ]
    assert history[0][0]["train"] == history[1][0]["train"]
    assert history[0][0]["val"] != history[1][0]["val"]


def test_a_stage_without_callbacks_has_the_work_that_it_had(people):
    assert "callbacks" not in study(people).hashed
    assert study(people).work != study(people, EMA).work


def test_hooks_fire_once_an_epoch_of_the_study_with_its_number_also_after_a_kill(people):
    manifest = study(people, LINES)
    _, store = run(people, manifest, "hooks")
    written = (store.base / "records" / manifest.work / "training" / "lines.txt").read_text().split()
    assert written == [
        "start-0", "val-0", "end-0-step-2", "start-1", "val-1", "end-1-step-4", "start-2", "val-2", "end-2-step-6",
    ]  # fmt: skip
    for number in (1, 2, 3, 4, 6):
        with pytest.raises(Crash):
            run(people, manifest, f"hooks-{number}", checkpoint_every_steps=1, after_batch=crash_at(number))
        _, store = run(people, manifest, f"hooks-{number}", checkpoint_every_steps=1)
        folder = store.base / "records" / manifest.work / "training"
        assert (folder / "lines.txt").read_text().split() == written, number


@pytest.mark.parametrize("mutant", ["state_dict only", "epoch of the trainer", "clone after the swap"])
def test_p1_would_see_a_resume_that_forgets_a_callback(people, monkeypatch, mutant):
    manifest = study(people, LINES if mutant == "epoch of the trainer" else EMA)
    whole, _ = whole_and_killed(people, manifest, f"mutant {mutant}", [])
    if mutant == "state_dict only":
        giving = resume._give_back

        def forget(trainer, loop, found):
            found["callbacks"]["checkpoint"] = {"state_dict": found["model"]}
            giving(trainer, loop, found)

        monkeypatch.setattr(resume, "_give_back", forget)
    if mutant == "epoch of the trainer":
        monkeypatch.setattr("tlimb.training.loop.continue_at", lambda trainer, at: None)
    if mutant == "clone after the swap":
        monkeypatch.setattr("tlimb.training.loop.Loop.validation_step", lambda self, _, __: None)
    _, killed = whole_and_killed_or_not(people, manifest, f"mutant {mutant}")
    assert killed != whole


def whole_and_killed_or_not(people, manifest, name):
    with pytest.raises(Crash):
        run(people, manifest, f"{name}-killed", checkpoint_every_steps=1, after_batch=crash_at(4))
    outcome, store = run(people, manifest, f"{name}-killed", checkpoint_every_steps=1)
    if outcome.code:
        return outcome, outcome.reason
    found = store.result(manifest.work).digest
    lines = store.base / "records" / manifest.work / "training" / "lines.txt"
    return outcome, found + (lines.read_text() if lines.is_file() else "")


def test_metrics_that_callbacks_read_are_those_of_the_run_so_they_are_equal_after_a_kill(people):
    stop = lightnings("EarlyStopping", monitor="val_loss", patience=1, min_delta=1e9)
    manifest = study(people, stop, keep="last", monitor=None)
    whole, killed = whole_and_killed(people, manifest, "stop", [1, 2, 3, 4, 5])
    assert set(killed.values()) == {whole}
    result = Store(people.places("stop-whole").store).result(manifest.work)
    assert (result.epochs, result.stopped_early) == (2, True)


def test_lightnings_monitors_look_on_and_change_nothing(people):
    manifest = study(people)
    whole, _ = whole_and_killed(people, manifest, "unseen", [])
    observers = tuple(lightnings(name) for name in WATCHING)
    seen, killed = whole_and_killed(people, manifest, "seen", [4, 6], observers=observers, loggers=(CSV,))
    assert {seen, *killed.values()} == {whole}


@pytest.mark.parametrize("what", ["weights", "rate", "mode", "random", "gradient", "stop"])
def test_an_observer_that_changes_something_ends_the_run_by_name(people, what):
    outcome, _ = run(people, study(people), f"meddles-{what}", observers=(hook("ToyMeddler", what=what),))
    assert outcome.code == 64
    assert "observer-interferes: the observer toy_hooks.ToyMeddler changes" in outcome.reason


@pytest.mark.parametrize("options", [{}, {"logging_interval": "day"}], ids=["without a logger", "with a wrong option"])
def test_what_lightning_refuses_is_a_mistake_of_the_study_in_its_words(people, options):
    observer = lightnings("LearningRateMonitor", **options)
    outcome, _ = run(people, study(people), "refused", observers=(observer,))
    assert outcome.code == 64
    assert outcome.reason.startswith("callback-unfit: ")


@pytest.mark.parametrize("part", ["callback", "observer"])
@pytest.mark.parametrize("start", [1, 2], ids=["at once", "later"])
def test_a_callback_that_sets_epochs_or_a_scheduler_of_its_own_is_refused_not_ignored(people, part, start):
    averaging = lightnings("StochasticWeightAveraging", swa_lrs=0.01, swa_epoch_start=start)
    manifest = study(people, averaging) if part == "callback" else study(people)
    outcome, _ = run(people, manifest, f"swa-{part}-{start}", observers=(averaging,) if part == "observer" else ())
    assert outcome.code == 64
    assert "a callback" in outcome.reason or "observer-interferes" in outcome.reason


@pytest.mark.parametrize("part", ["callback", "observer"])
def test_what_stops_by_the_clock_is_refused(people, part):
    timer = lightnings("Timer", duration="00:00:01:00")
    manifest = study(people, timer) if part == "callback" else study(people)
    outcome, _ = run(people, manifest, f"timer-{part}", observers=(timer,) if part == "observer" else ())
    assert outcome.code == 64
    assert "stops-by-clock" in outcome.reason


def test_a_callback_that_no_resume_point_can_hold_is_told_by_name(people):
    outcome, _ = run(people, study(people, hook("ToyHoarder")), "hoarder", checkpoint_every_steps=1)
    assert outcome.code == 64
    assert "ToyHoarder cannot be continued after a kill" in outcome.reason


def table(store, manifest):
    with (store.base / "records" / manifest.work / "training" / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_logger_is_told_losses_rates_and_validation_of_each_epoch_once_also_after_kills(people):
    manifest = study(people)
    _, store = run(people, manifest, "logged", loggers=(CSV,))
    rows = table(store, manifest)
    assert [row["step"] for row in rows] == ["2", "5", "8"]
    history = json.loads((store.path(manifest.work) / "history.json").read_text())
    assert [float(row["train/sex"]) for row in rows] == [line["train"]["sex"] for line in history]
    assert [float(row["val/data/sex"]) for row in rows] == [line["val"]["data"]["sex"] for line in history]
    assert [float(row["lr/0"]) for row in rows] == [line["lr"][0] for line in history]
    for number in (3, 4, 7):
        with pytest.raises(Crash):
            run(
                people,
                manifest,
                f"logged{number}",
                checkpoint_every_steps=1,
                after_batch=crash_at(number),
                loggers=(CSV,),
            )
        _, again = run(people, manifest, f"logged{number}", checkpoint_every_steps=1, loggers=(CSV,))
        assert table(again, manifest) == rows


def test_a_logger_is_told_the_options_of_the_manifest_and_what_the_plan_calls_the_run(people):
    manifest = study(people)
    named = Manifest(manifest.work, manifest.hashed, ({"study": "s", "stage": "fine", "row": {"net": "small"}},))
    _, store = run(people, named, "options", loggers=(CSV,))
    folder = store.base / "records" / manifest.work / "training"
    options = json.loads((folder / "hparams.json").read_text())
    assert options["trainer/batch_size"] == 2
    assert options["architecture/options/dropout"] == 0.3
    assert (options["run/stage"], options["run/row/net"]) == ("fine", "small")


def test_tensorboards_event_file_holds_each_number_once(people):
    pytest.importorskip("tensorboardX")
    tensorboard = {"class": "tlimb.components.loggers.tensorboard.TensorBoard", "revision": 1, "options": {}}
    manifest = study(people)
    with pytest.raises(Crash):
        run(people, manifest, "events", checkpoint_every_steps=1, after_batch=crash_at(4), loggers=(tensorboard,))
    _, store = run(people, manifest, "events", checkpoint_every_steps=1, loggers=(tensorboard,))
    folder = store.base / "records" / manifest.work / "training"
    history = json.loads((store.path(manifest.work) / "history.json").read_text())
    found = sorted((step, value) for tag, step, value in scalars(folder) if tag == "train/sex")
    assert [step for step, _ in found] == [2, 5, 8]
    assert [value for _, value in found] == pytest.approx([line["train"]["sex"] for line in history])


def scalars(folder):
    """Read the scalars of all event files: records of a length, a checksum, the event and another checksum."""
    from tensorboardX.proto.event_pb2 import Event

    for path in sorted(folder.glob("events.out.*")):
        data, at = path.read_bytes(), 0
        while at < len(data):
            length = int.from_bytes(data[at : at + 8], "little")
            event = Event.FromString(data[at + 12 : at + 12 + length])
            at += 16 + length
            for value in event.summary.value:
                if value.HasField("simple_value"):
                    yield value.tag, event.step, value.simple_value


def test_a_trial_tells_no_logger_and_leaves_no_file(people):
    manifest = study(people, LINES)
    places = people.places("trial", allow=ALLOW)
    told = rehearse(manifest, places, Options(loggers=(CSV,), observers=(lightnings("LearningRateMonitor"),)))
    assert (told["code"], told["reason"]) == (0, "")
    assert not [path for path in places.store.rglob("*") if path.suffix in (".csv", ".txt", ".json")]


def test_a_monitor_without_a_logger_is_told_in_words(people):
    outcome, _ = run(people, study(people), "no-logger", observers=(lightnings("LearningRateMonitor"),))
    assert outcome.code == 64
    assert outcome.reason.startswith("callback-unfit: Cannot use")


def test_taking_a_logger_from_a_finished_study_leaves_nothing_to_do(people):
    manifest = study(people)
    run(people, manifest, "finished", loggers=(CSV,))
    outcome, _ = run(people, manifest, "finished")
    assert outcome.reused


def test_the_counters_of_lightning_that_a_restart_sets_are_where_they_were(people):
    from tlimb.training.lightning import StudyTrainer

    trainer = StudyTrainer(accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False)
    for name in COUNTERS:
        found = trainer
        for part in name.split("."):
            assert hasattr(found, part), f"this Lightning has no {name}"
            found = getattr(found, part)
    assert os.environ.get("TLIMB_NEVER") is None
