import hashlib
import io
import json

import nibabel
import numpy as np
import pytest
from PIL import Image
from whole_manifests import whole_fit

from tests.store.drafts import draft
from tlimb.manifest.structure import content
from tlimb.report import curves, plots, slices
from tlimb.store import seal

PLACE = "stages/finetune/auxiliary"


def keep_history(study, fit, level):
    lines = [
        {"epoch": e, "train": {"sex": level / e}, "val": {"data": {"sex": level / e + 0.1}}, "lr": [0.1]}
        for e in (1, 2, 3)
    ]
    with study.store.staging() as staged:
        (staged / "history.json").write_text(json.dumps(lines))
        seal(staged, draft("fit", fit))
        study.store.publish(fit, staged)


def test_curves_of_every_stage_are_drawn_and_equal_input_gives_equal_bytes(study, tmp_path):
    works = []
    for row in ("free", "elastic"):
        for replicate in range(2):
            use = {**study.use("finetune", {PLACE: row}, 0.1, replicate)}
            hashed = {"kind": "fit", "row": row, "seed": replicate, "parents": {}}
            works.append(study.add(hashed, [use]))
            keep_history(study, works[-1], 1.0 + (row == "free"))

    assert curves.learning_curves(study.graph, study.store, tmp_path / "one.png") == 4
    assert curves.learning_curves(study.graph, study.store, tmp_path / "two.png") == 4
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
    assert np.asarray(Image.open(tmp_path / "one.png").convert("L")).std() > 5


def test_nothing_is_written_when_no_fit_is_finished(study, tmp_path):
    study.fit("finetune", {}, 0.1, 0)

    assert curves.learning_curves(study.graph, study.store, tmp_path / "none.png") == 0
    assert not (tmp_path / "none.png").exists()


def test_repetitions_are_averaged_and_heads_are_summed():
    one = [{"epoch": 1, "val": {"data": {"sex": 1.0, "age": 2.0}}}, {"epoch": 2, "val": {"data": {"sex": 1.0}}}]
    two = [{"epoch": 1, "val": {"data": {"sex": 3.0, "age": 2.0}}}]

    epochs, losses = curves._mean([one, two], "val")

    assert epochs.tolist() == [1, 2]
    assert losses.tolist() == [4.0, 1.0]


def test_slices_show_the_image_and_its_cached_volume(study, tmp_path):
    volume = np.zeros((8, 10, 6), np.float32)
    volume[2:6, 3:8, 1:5] = 1
    path = tmp_path / "one.nii.gz"
    nibabel.save(nibabel.Nifti1Image(volume, np.diag([8.0, 8, 8, 1])), path)
    out = io.BytesIO()
    np.save(out, volume[None])
    study.store.cache_write("recipe", hashlib.sha256(path.read_bytes()).hexdigest(), out.getvalue())

    shown = slices.shown(path, study.store)

    assert np.array_equal(shown.raw, volume)
    assert shown.spacing == (8.0, 8.0)
    assert np.array_equal(shown.ready[0], volume)
    assert slices.example_slices({"site A": path}, study.store, tmp_path / "slices.png") == 1
    assert (tmp_path / "slices.png").stat().st_size > 1000


def cached(study, path, array):
    out = io.BytesIO()
    np.save(out, array)
    study.store.cache_write("recipe", hashlib.sha256(path.read_bytes()).hexdigest(), out.getvalue())
    return path


def test_time_series_are_shown_as_tables_and_as_regions_over_time(study, tmp_path):
    numbers = np.arange(12.0).reshape(4, 3)
    table, array = tmp_path / "one_timeseries.tsv", tmp_path / "two.npy"
    table.write_text("a\tb\tc\n" + "\n".join("\t".join(map(str, row)) for row in numbers) + "\n")
    np.save(array, numbers + 1)
    cached(study, table, numbers.T.astype(np.float32))
    cached(study, array, numbers.T.astype(np.float32))

    for path, raw in ((table, numbers), (array, numbers + 1)):
        shown = slices.shown(path, study.store)
        assert np.array_equal(shown.raw, raw)
        assert shown.spacing is None
        assert shown.ready.shape == (3, 4)
    assert slices.example_slices({"a": table, "b": array}, study.store, tmp_path / "slices.png") == 2
    assert np.asarray(Image.open(tmp_path / "slices.png").convert("L")).std() > 5


def test_a_file_that_cannot_be_drawn_is_no_end_of_a_report(study, tmp_path):
    images = {}
    for name, data in {
        "a.nii.gz": b"",
        "b.tsv": b"a\tb\n1\t\n",
        "c.npy": b"no",
        "d.txt": b"\xff",
        "e.nii": b"x" * 400,
    }.items():
        (tmp_path / name).write_bytes(data)
        images[name] = tmp_path / name
    images["gone"] = tmp_path / "gone.nii.gz"
    images["several"] = tmp_path / "several.nii.gz"
    volumes = np.random.default_rng(0).random((4, 4, 4, 2), np.float32)
    nibabel.save(nibabel.Nifti1Image(volumes, np.eye(4)), images["several"])
    assert [name for name, path in images.items() if slices.shown(path, study.store).raw is not None] == ["several"]
    assert slices.example_slices(images, study.store, tmp_path / "slices.png") == 7


def keep(study, stage, lines):
    fit = study.add({"kind": "fit", "stage": stage, "seed": 0, "parents": {}}, [study.use(stage, {}, 0.1, 0)])
    with study.store.staging() as staged:
        (staged / "history.json").write_text(json.dumps(lines))
        seal(staged, draft("fit", fit))
        study.store.publish(fit, staged)


NOTHING = [{"epoch": 1, "train": {}, "val": {}, "lr": []}]
NOT_FINITE = [{"epoch": 1, "train": {"sex": float("nan")}, "val": {"data": {"sex": float("inf")}}, "lr": [0.1]}]


def test_a_stage_that_trains_nothing_has_a_panel_that_says_so(study, tmp_path):
    keep(study, "adabn", NOTHING)
    assert curves.learning_curves(study.graph, study.store, tmp_path / "none.png") == 0
    assert not (tmp_path / "none.png").exists()
    keep(study, "finetune", [{"epoch": 1, "train": {"sex": 1.0}, "val": {"data": {"sex": 1.0}}, "lr": [0.1]}])
    assert curves.learning_curves(study.graph, study.store, tmp_path / "one.png") == 1
    assert (tmp_path / "one.png").is_file()


def test_losses_that_are_not_finite_are_told_and_end_no_report(study, tmp_path):
    keep(study, "finetune", NOT_FINITE)
    assert curves.learning_curves(study.graph, study.store, tmp_path / "one.png") == 1


@pytest.mark.parametrize(
    ("history", "said"), [(NOTHING, "no loss: nothing is trained"), (NOT_FINITE, "no finite loss")]
)
def test_a_panel_without_a_curve_says_why(history, said):
    _, (axes,) = curves.figure(1, 4.6, 3.6)
    curves._panel(axes, "stage", {("row", True): [history]})
    assert [text.get_text() for text in axes.texts] == [said]


def test_one_image_of_each_site_is_shown_and_all_pictures_are_named(study, tmp_path):
    folder = tmp_path / "bids"
    rows = []
    for place in range(3):
        image = folder / f"sub-{place}" / "anat" / f"sub-{place}_T1w.nii.gz"
        image.parent.mkdir(parents=True)
        nibabel.save(nibabel.Nifti1Image(np.random.default_rng(place).random((6, 6, 6), np.float32), np.eye(4)), image)
        path = image.relative_to(folder).as_posix()
        rows.append({"row": place, "person": "", "root": "clinic", "image": path, "sha256": str(place), "mask": None,
                     "mask_sha256": None, "group": "clinic", "labels": {"sex": "F"}})  # fmt: skip
    (folder / "participants.tsv").write_text("participant_id\tsite\nsub-0\tA\nsub-1\tB\nsub-2\tA\n")
    study.add({"kind": "prepare", "view": study.keep_view(rows)})

    found = slices.examples(study.graph, study.private, {"clinic": folder})

    assert found == {"site A": folder / rows[0]["image"], "site B": folder / rows[1]["image"]}
    written = plots.write(study.graph, study.store, study.private, {"clinic": folder}, tmp_path)
    assert [path.name for path in written] == ["slices.png"]


def test_a_training_curve_leaves_out_what_only_training_adds_and_heads_are_weighed_alike():
    heads = content(whole_fit([{"name": "sex", "weight": 1.0}, {"name": "age", "weight": 0.5}])).heads
    line = {"epoch": 1, "train": {"sex": 0.6, "age": 0.2, "l2_sp": 7.0}, "val": {"data": {"sex": 0.7, "age": 0.4}}}

    history = [curves._of_heads(line, heads)]

    assert curves._mean([history], "train")[1].tolist() == [0.8]
    assert curves._mean([history], "val")[1].tolist() == [0.7 + 0.5 * 0.4]


def test_a_loss_has_its_unit_and_a_legend_covers_no_curve():
    objective = {"class": "tlimb.components.objectives.regression.Regression", "options": {"loss": "mae"}}
    history = [{"epoch": e, "train": {"age": 1 / e}, "val": {"data": {"age": 2 / e}}} for e in (1, 2, 3)]
    drawing, (axes,) = curves.figure(1, 4.6, 3.6 + 0.17 * 12)
    curves._panel(axes, "train", {(f"row {place}", True): [history] for place in range(10)})
    drawing.canvas.draw()

    heads = content(whole_fit([{"name": "age", "objective": objective | {"revision": 1}}])).heads
    assert curves._measure(heads) == "error (sd of the training part)"
    legend = axes.get_legend().get_window_extent()
    assert legend.y1 <= axes.get_window_extent().y0
    assert min(one.get_window_extent().y0 for one in axes.get_legend().get_texts()) >= 0
    lines = [(line.get_color(), line.get_marker()) for line in axes.lines if line.get_label().startswith("row")]
    assert len(set(lines)) == 10
