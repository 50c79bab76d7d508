import hashlib
import io
import json

import nibabel
import numpy as np
from PIL import Image

from tests.store.drafts import draft
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

    raw, spacing, ready = slices._volumes(path, study.store)

    assert np.array_equal(raw, volume)
    assert spacing == (8.0, 8.0)
    assert np.array_equal(ready[0], volume)
    assert slices.example_slices({"site A": path}, study.store, tmp_path / "slices.png") == 1
    assert (tmp_path / "slices.png").stat().st_size > 1000


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
    heads = [{"name": "sex", "weight": 1.0}, {"name": "age", "weight": 0.5}]
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

    assert curves._measure([{"objective": objective}]) == "error (sd of the training part)"
    legend = axes.get_legend().get_window_extent()
    assert legend.y1 <= axes.get_window_extent().y0
    assert min(one.get_window_extent().y0 for one in axes.get_legend().get_texts()) >= 0
    lines = [(line.get_color(), line.get_marker()) for line in axes.lines if line.get_label().startswith("row")]
    assert len(set(lines)) == 10
