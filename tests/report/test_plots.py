import hashlib
import io
import json

import nibabel
import numpy as np
from PIL import Image

from tlimb.report import plots
from tlimb.store import seal

PLACE = "stages/finetune/auxiliary"


def keep_history(study, fit, level):
    lines = [
        {"epoch": e, "train": {"sex": level / e}, "val": {"data": {"sex": level / e + 0.1}}, "lr": [0.1]}
        for e in (1, 2, 3)
    ]
    with study.store.staging() as staged:
        (staged / "history.json").write_text(json.dumps(lines))
        seal(staged, {"status": "done"})
        study.store.publish(fit, staged)


def test_curves_of_every_stage_are_drawn_and_equal_input_gives_equal_bytes(study, tmp_path):
    works = []
    for row in ("free", "elastic"):
        for replicate in range(2):
            use = {**study.use("finetune", {PLACE: row}, 0.1, replicate)}
            hashed = {"kind": "fit", "row": row, "seed": replicate, "parents": {}}
            works.append(study.add(hashed, [use]))
            keep_history(study, works[-1], 1.0 + (row == "free"))

    assert plots.learning_curves(study.graph, study.store, tmp_path / "one.png") == 4
    assert plots.learning_curves(study.graph, study.store, tmp_path / "two.png") == 4
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
    assert np.asarray(Image.open(tmp_path / "one.png").convert("L")).std() > 5


def test_nothing_is_written_when_no_fit_is_finished(study, tmp_path):
    study.fit("finetune", {}, 0.1, 0)

    assert plots.learning_curves(study.graph, study.store, tmp_path / "none.png") == 0
    assert not (tmp_path / "none.png").exists()


def test_repetitions_are_averaged_and_heads_are_summed():
    one = [{"epoch": 1, "val": {"data": {"sex": 1.0, "age": 2.0}}}, {"epoch": 2, "val": {"data": {"sex": 1.0}}}]
    two = [{"epoch": 1, "val": {"data": {"sex": 3.0, "age": 2.0}}}]

    epochs, losses = plots._mean([one, two], "val")

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

    raw, spacing, ready = plots._volumes(path, study.store)

    assert np.array_equal(raw, volume)
    assert spacing == (8.0, 8.0)
    assert np.array_equal(ready[0], volume)
    assert plots.example_slices({"site A": path}, study.store, tmp_path / "slices.png") == 1
    assert (tmp_path / "slices.png").stat().st_size > 1000
