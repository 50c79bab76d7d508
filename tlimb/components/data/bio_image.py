"""Brain volumes with the usual preprocessing, by a few options."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from tlimb.components.contracts import Array, Augmentation, DataModule, Preprocess
from tlimb.components.data.volume_3d import Volume3D
from tlimb.components.preprocess.canonical import Canonical
from tlimb.components.preprocess.crop import Crop
from tlimb.components.preprocess.mean import Mean
from tlimb.components.preprocess.resample import Resample
from tlimb.components.preprocess.white_stripe import WhiteStripe
from tlimb.components.preprocess.zscore import ZScore


class BioImage(DataModule):
    """Brain volumes: turned to RAS, resampled, cropped or padded, with standardised intensities.

    The same as `volume_3d` with the steps canonical, resample, crop and zscore (or white_stripe), or canonical,
    resample, mean and crop, to the bit. `mean` divides before anything is cut, as SFCN's authors do: their published
    weights expect the mean of the whole field of view, and the mean of what a crop leaves depends on how much
    background it leaves. `zscore` comes last, so that what a crop fills in is background for it, and not the mean of
    the brain.

    Args:
        spacing_mm: edge length of the voxels.
        crop: voxels along x, y and z, cut from or padded around the centre.
        intensity: `zscore` gives mean 0 and standard deviation 1 in the region, `white_stripe` gives them in the white
            matter of T1 images, `mean` divides by the mean of all voxels before the crop, background included, `none`
            leaves intensities as they are.
        region: voxels that `zscore` and `white_stripe` take their statistics from: those of the mask file, those not
            0, or all.
        augment: random changes of training batches, in order.

    Source: for `mean`, Peng et al., Medical Image Analysis 68 (2021) 101871, and the example their weights come with.
    """

    revision = 2  # `mean` divides before the crop
    dims: ClassVar[tuple[int, ...]] = (3,)
    later = ("augment",)
    settles = ("orientation", "spacing")
    lateral = 2
    example: ClassVar[Mapping[str, Any]] = {"spacing_mm": 4.0, "crop": [6, 6, 6]}

    def __init__(
        self,
        *,
        spacing_mm: Annotated[float, {"exclusiveMinimum": 0, "maximum": 50, "unit": "mm"}],
        crop: Annotated[Sequence[Annotated[int, {"minimum": 1, "maximum": 1024}]], {"minItems": 3, "maxItems": 3}],
        intensity: Literal["zscore", "mean", "white_stripe"] | None = "zscore",
        region: Literal["mask", "nonzero", "all"] = "nonzero",
        augment: Sequence[Augmentation] = (),
    ) -> None:
        self.augmentations = tuple(augment)
        steps: list[Preprocess] = [Canonical(), Resample(spacing_mm=spacing_mm), Crop(shape=crop)]
        if intensity == "zscore":
            steps.append(ZScore(region=region))
        elif intensity == "white_stripe":
            steps.append(WhiteStripe(region=region))
        elif intensity == "mean":
            steps.insert(2, Mean())
        self._volume = Volume3D(preprocess=steps)

    def load(self, image: Path, mask: Path | None) -> Array:
        """Read and preprocess one volume: float32 (channel, x, y, z)."""
        return self._volume.load(image, mask)

    def recipe(self) -> Mapping[str, Any]:
        """Give the steps with their options, as `volume_3d` does."""
        return self._volume.recipe()
