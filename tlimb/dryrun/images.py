"""The shape that a data module gives, from headers and options alone.

An image that is made up, with the size and the voxel size that the headers tell, goes through the data module itself:
there is no second account of what its steps do to a shape, and no image of a person is opened.
"""

import tempfile
from pathlib import Path

import nibabel
import numpy as np

from tlimb.cohorts import series
from tlimb.components.contracts import DataModule, Inputs
from tlimb.dryrun.findings import Images


def output(data: DataModule, images: Images) -> Inputs:
    """Give channels and shape of what a data module makes of images.

    Raises:
        ValueError: it cannot use such images.
    """
    with tempfile.TemporaryDirectory() as folder:
        image = Path(folder) / f"image{images.suffix}"
        _write(image, images, _pattern(images.shape))
        mask = None
        if images.mask:
            mask = Path(folder) / f"mask{images.suffix}"
            _write(mask, images, np.ones(images.shape, np.uint8))
        made = data.load(image, mask)
    return Inputs(int(made.shape[0]), tuple(int(length) for length in made.shape[1:]))


def _pattern(shape: tuple[int, ...]) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Give voxels of several values above 0, so that intensities can be standardised."""
    return (np.arange(int(np.prod(shape)), dtype=np.int64) % 97 + 1).astype(np.uint8).reshape(shape)


def _write(path: Path, images: Images, voxels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> None:
    if images.suffix == ".npy":
        np.save(path, voxels, allow_pickle=False)
    elif images.suffix in series.ENDINGS:
        between = {".tsv": "\t", ".csv": ",", ".txt": " "}[images.suffix]
        np.savetxt(path, voxels, fmt="%d", delimiter=between)
    elif images.suffix == ".png":
        from PIL import Image

        Image.fromarray(voxels if voxels.ndim < 3 or voxels.shape[2] != 2 else voxels[:, :, 0]).save(path)
    else:
        sizes = (*(images.spacing_mm or ()), 1.0, 1.0, 1.0)[:3]
        nibabel.save(nibabel.Nifti1Image(voxels, np.diag([*sizes, 1.0])), path)
