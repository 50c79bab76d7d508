"""What data modules, steps of preprocessing and metrics must do."""

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import torch

from tlimb.components import contracts
from tlimb.components.draws import Draws


def check_metric(make: Callable[..., Any], cls: type[Any]) -> None:
    """Check direction, and NaN where a metric is undefined."""
    metric = make()
    if cls.kind == "class":
        targets = np.array([0, 1, 2, 0, 1, 2])
        right = np.full((6, 3), 0.1)
        right[np.arange(6), targets] = 0.8
        wrong = np.roll(right, 1, axis=1)
    else:
        targets = np.array([1.0, 2, 4, 8, 16, 32])
        right, wrong = targets + 0.1, targets[::-1].copy()
    best, worst = metric.compute(targets, right), metric.compute(targets, wrong)
    assert isinstance(best, float)
    assert best > worst if cls.direction == "max" else best < worst, "better predictions have a worse value"
    assert np.isnan(metric.compute(targets[:0], right[:0])), "nobody was predicted, and the value is not NaN"
    assert np.isnan(metric.compute(targets, right * np.nan)), "a prediction that is NaN has a value"


def tiny_volume(folder: Path, name: str = "image.nii.gz") -> Path:
    """Write a volume of 10 x 12 x 11 voxels of 3 mm, with a bright ball in a dark background."""
    grid = np.stack(np.meshgrid(*(np.arange(n) - n / 2 for n in (10, 12, 11)), indexing="ij"))
    noise = np.random.default_rng(0).normal(0, 5, grid.shape[1:])
    voxels = np.where((grid**2).sum(axis=0) < 20, 100 + grid[0] + noise, 0).astype(np.float32)
    affine = np.diag([-3.0, 3, 3, 1])
    kind: Any = nibabel.Nifti1Image
    nibabel.save(kind(voxels, affine), folder / name)
    return folder / name


def tiny_table(folder: Path, name: str = "image.tsv") -> Path:
    """Write time series of 4 regions at 40 time points, a row a time point, with names of regions above them."""
    values = np.random.default_rng(0).normal(100, 5, (40, 4))
    lines = [
        "\t".join(f"region_{region}" for region in range(4)),
        *("\t".join(map(repr, row)) for row in values.tolist()),
    ]
    (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder / name


def check_data(make: Callable[..., Any], cls: type[Any]) -> None:
    """Check that a data module reads a volume, is deterministic, and refuses a damaged file without naming it.

    One for time series (`dims` is 1 alone) gets a table instead.
    """
    series = tuple(getattr(cls, "dims", ())) == (1,)
    with tempfile.TemporaryDirectory() as name:
        path = (tiny_table if series else tiny_volume)(Path(name))
        module = make()
        array = module.load(path, None)
        assert array.dtype == np.float32
        assert array.ndim == 2 if series else array.ndim in (3, 4)
        assert np.isfinite(array).all()
        assert np.array_equal(array, make().load(path, None)), "a second reading gave something else"
        damaged = Path(name) / f"secret.{'tsv' if series else 'nii.gz'}"
        damaged.write_bytes(path.read_bytes()[:-20])
        message = None
        try:
            module.load(damaged, None)
        except ValueError as error:
            message = str(error)
        assert message is not None, "a truncated file was read"
        assert "secret" not in message, "the message names the file"
    assert json.loads(json.dumps(module.recipe(), allow_nan=False)) == json.loads(json.dumps(make().recipe()))
    batch = torch.randn(3, *array.shape)
    seeds = torch.tensor([4, 5, 6])
    whole = module.augment(batch.clone(), seeds)
    part = module.augment(batch[1:2].clone(), seeds[1:2])
    assert whole.shape == batch.shape
    assert torch.equal(whole[1:2], part), "a sample's augmentation depends on its batch"


def check_preprocess(make: Callable[..., Any], cls: type[Any]) -> None:
    """Check that a step gives a finite image, leaves its input alone and says what decides its bits."""
    voxels = np.random.default_rng(1).gamma(2.0, 10.0, (1, 8, 7, 9)).astype(np.float32)
    image = contracts.Image(voxels.copy(), np.diag([3.0, 3, 3, 1]), np.ones((8, 7, 9), dtype=bool))
    first, second = make().apply(image), make().apply(image)
    assert first.voxels.dtype == np.float32
    assert np.isfinite(first.voxels).all()
    assert np.array_equal(first.voxels, second.voxels)
    assert np.array_equal(image.voxels, voxels), "the step changed its input"
    assert first.mask is not None
    assert first.mask.shape == first.voxels.shape[1:], "the mask does not follow the image"
    assert json.dumps(make().recipe(), sort_keys=True) == json.dumps(make().recipe(), sort_keys=True)


def check_augment(make: Callable[..., Any], cls: type[Any]) -> None:
    """Check that a sample's change depends on its own seed alone, and that the input is left alone."""
    for count in (2, 3):
        torch.manual_seed(1)
        batch = torch.randn(4, 2, *(9, 8, 7)[:count])
        kept, seeds = batch.clone(), torch.tensor([11, 12, 13, 14])
        changed = make().apply(batch, Draws(seeds, 1, 2))
        assert changed.shape == batch.shape
        assert changed.dtype == torch.float32
        assert torch.isfinite(changed).all()
        assert torch.equal(batch, kept), "the step changed its input"
        again = make().apply(batch[2:], Draws(seeds[2:], 1, 2))
        assert torch.allclose(again, changed[2:], atol=1e-6), "a sample's change depends on its batch"
        other = make().apply(batch, Draws(seeds + 100, 1, 2))
        assert not torch.equal(other, changed), "the seed decides nothing"
