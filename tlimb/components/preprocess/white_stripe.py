"""Standardising intensities by normal white matter."""

from typing import Annotated, Any, Literal

import numpy as np

from tlimb.components.contracts import Image, Preprocess
from tlimb.components.images import DataError
from tlimb.components.regions import values

Numbers = np.ndarray[Any, np.dtype[np.float64]]
BINS = 2000
"""Bins of the histogram, as many as the authors' program takes."""
RARE = 0.2
"""A peak counts when it is at least this share of the highest one; what is rarer is the tail (the authors' 1/5)."""
RISE = 0.02
"""A peak counts when it rises above the valleys around it by this share of the highest one; less is noise."""
OUTERMOST_PERCENT = 0.1
"""Percentage of voxels at either end that the histogram leaves out, so that a few bright ones cannot make it coarse."""


class WhiteStripe(Preprocess):
    """Set normal white matter to mean 0 and standard deviation 1, everywhere in the image (WhiteStripe).

    The peak of white matter is looked for in the histogram of a region: in T1 images the last one, at the bright end,
    in T2 and FLAIR the highest one. The stripe are the voxels whose ranks lie around that of the peak; their mean is
    taken off and their standard deviation divided by. Other tissue has no part in the scale, so a large ventricle or a
    lesion does not change that of the rest, as it does with `zscore`. Each channel is normalised by itself.

    The region must hold brain alone: fat of the scalp is as bright as white matter. Take images without skull, or
    masks with `region: mask`.

    Source: Shinohara et al.: Statistical normalization techniques for magnetic resonance imaging, NeuroImage: Clinical
        6 (2014) 9-19, section 2.3, and the authors' R package WhiteStripe. Where the authors smooth the histogram by
        penalised splines, we take a kernel density with the bandwidth of Silverman's rule (1986, equation 3.31); we
        ask of a peak that it stands out against noise, and the limits of the stripe belong to it, so that images of
        few grey levels have a stripe too.

    Args:
        contrast: `T1` for the last peak of the histogram, `T2` (also for FLAIR) for the highest.
        width: ranks to either side of the peak that belong to the stripe, as a share of the region's voxels.
        region: which voxels make the histogram: those of the mask file, those that are not 0, or all.
    """

    scales = "white_stripe"

    def __init__(
        self,
        *,
        contrast: Literal["T1", "T2"] = "T1",
        width: Annotated[float, {"exclusiveMinimum": 0, "maximum": 0.25}] = 0.05,
        region: Literal["mask", "nonzero", "all"] = "nonzero",
    ) -> None:
        self.contrast, self.width, self.region = contrast, float(width), region

    def apply(self, image: Image) -> Image:
        """Give the image whose stripe has mean 0 and standard deviation 1."""
        return Image(
            np.stack([self._channel(image, one) for one in range(len(image.voxels))]), image.affine, image.mask
        )

    def _channel(self, image: Image, number: int) -> np.ndarray[Any, np.dtype[np.float32]]:
        voxels = image.voxels[number]
        region = values(Image(voxels[None], image.affine, image.mask), self.region)
        found = np.sort(region.astype(np.float64), axis=None)
        if not found[-1] > found[0]:
            raise DataError("all voxels of the region have one value")
        rank = _rank(found, peak(found, last=self.contrast == "T1"))
        low, high = np.quantile(found, (max(rank - self.width, 0), min(rank + self.width, 1)))
        stripe = found[np.searchsorted(found, low) : np.searchsorted(found, high, side="right")]
        mean, sd = np.float32(stripe.mean()), np.float32(stripe.std())
        if not sd > 0:
            raise DataError("all voxels of the white stripe have one value, so it says nothing about the scale")
        return (voxels - mean) / sd


def peak(ordered: Numbers, *, last: bool) -> float:
    """Give the intensity of a peak of the density of intensities.

    Args:
        ordered: intensities in ascending order, not all equal.
        last: whether the brightest peak is wanted; else the highest.

    Raises:
        DataError: nearly all intensities are equal.
    """
    low, high = np.percentile(ordered, (OUTERMOST_PERCENT, 100 - OUTERMOST_PERCENT))
    if not high > low:
        raise DataError("nearly all voxels of the region have one value, so there is no peak of white matter")
    counts, edges = np.histogram(ordered, bins=BINS, range=(low, high))
    density = _smoothed(counts.astype(np.float64), _bandwidth(ordered[(ordered >= low) & (ordered <= high)]), edges)
    places = [place for place in _peaks(density) if _stands_out(density, place)] if last else []
    # The highest point of a density is a peak whatever lies around it.
    place = max(places, default=int(density.argmax()))
    return float((edges[place] + edges[place + 1]) / 2)


def _rank(ordered: Numbers, intensity: float) -> float:
    """Give the share of intensities below one; equal ones count half, and between two it is interpolated."""
    levels, counts = np.unique(ordered, return_counts=True)
    return float(np.interp(intensity, levels, counts.cumsum() - counts / 2) / len(ordered))


def _bandwidth(ordered: Numbers) -> float:
    """Give Silverman's bandwidth, in units of intensity."""
    quarter, three = np.quantile(ordered, (0.25, 0.75))
    sd = float(ordered.std())
    spread = min(sd, (three - quarter) / 1.34) if three > quarter else sd
    return float(0.9 * spread * len(ordered) ** -0.2)


def _smoothed(counts: Numbers, bandwidth: float, edges: Numbers) -> Numbers:
    """Sum a Gaussian around each bin, as wide as the bandwidth."""
    bins = max(bandwidth / float(edges[1] - edges[0]), 1.0)
    reach = min(int(np.ceil(4 * bins)), len(counts) - 1)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / bins) ** 2)
    # Zeros beyond both ends, so that every peak has a valley to either side.
    return np.convolve(counts, kernel)[reach : reach + len(counts)]


def _peaks(density: Numbers) -> np.ndarray[Any, np.dtype[np.intp]]:
    """Give the bins that are higher than the one before and no lower than the one after."""
    padded = np.pad(density, 1, constant_values=-1.0)
    return np.flatnonzero((padded[1:-1] > padded[:-2]) & (padded[1:-1] >= padded[2:]))


def _stands_out(density: Numbers, place: int) -> bool:
    """Say whether a peak is no tail and no noise: high enough, and above the valleys towards any higher one."""
    highest = float(density.max())
    height = float(density[place])
    valleys = []
    for side in (density[place::-1], density[place:]):
        higher = np.flatnonzero(side > height)
        # Towards an end without a higher peak the density falls to nothing.
        valleys.append(float(side[: higher[0]].min()) if len(higher) else 0.0)
    return height >= RARE * highest and height - max(valleys) >= RISE * highest
