"""WhiteStripe: what the stripe is in a mixture whose density, peak, ranks and moments are known in closed form."""

from statistics import NormalDist

import numpy as np
import pytest

from tlimb.components.contracts import Image
from tlimb.components.images import DataError
from tlimb.components.preprocess.white_stripe import WhiteStripe

BRAIN = ((0.15, 300.0, 60.0), (0.50, 600.0, 60.0), (0.35, 900.0, 45.0))
"""Share, mean and standard deviation of fluid, grey and white matter in a T1 image; grey matter is the highest peak."""
COUNT = 60_000


def drawn(mixture, count=COUNT):
    """Intensities of a mixture without chance: quantiles of each part at even ranks."""
    parts = []
    for share, mean, sd in mixture:
        some = round(share * count)
        parts += [NormalDist(mean, sd).inv_cdf((k + 0.5) / some) for k in range(some)]
    return np.asarray(parts, np.float32)


def volume(intensities, background=40_000):
    """Give a volume that holds the intensities in any order, and zeros."""
    both = np.concatenate([intensities, np.zeros(background, np.float32)])
    np.random.default_rng(0).shuffle(both)
    return Image(both.reshape(1, -1, 10, 10))


def cdf(mixture, x):
    return sum(share * NormalDist(mean, sd).cdf(x) for share, mean, sd in mixture)


def quantile(mixture, share):
    low, high = -1e4, 1e4
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if cdf(mixture, middle) < share else (low, middle)
    return low


def expected(mixture, near, width=0.05):
    """Mean and standard deviation of the stripe around the peak near an intensity, from the densities alone."""
    grid = np.linspace(near - 60, near + 60, 24_001)
    density = sum(share * np.exp(-(((grid - mean) / sd) ** 2) / 2) / sd for share, mean, sd in mixture)
    rank = cdf(mixture, float(grid[density.argmax()]))
    low, high = quantile(mixture, rank - width), quantile(mixture, rank + width)
    moments = np.zeros(3)
    for share, mean, sd in mixture:
        normal, a, b = NormalDist(), (low - mean) / sd, (high - mean) / sd
        mass, slope = normal.cdf(b) - normal.cdf(a), normal.pdf(a) - normal.pdf(b)
        # Moments of a normal distribution between two limits.
        second = mass + a * normal.pdf(a) - b * normal.pdf(b)
        moments += share * np.array(
            [mass, mean * mass + sd * slope, mean**2 * mass + 2 * mean * sd * slope + sd**2 * second]
        )
    mean = moments[1] / moments[0]
    return mean, np.sqrt(moments[2] / moments[0] - mean**2)


def scale(step, image):
    """Give the number that was taken off and the one that was divided by, from what became of two intensities."""
    after = step.apply(image).voxels
    dark, bright = image.voxels.argmin(), image.voxels.argmax()
    sd = (image.voxels.flat[bright] - image.voxels.flat[dark]) / (after.flat[bright] - after.flat[dark])
    return image.voxels.flat[bright] - after.flat[bright] * sd, sd


def test_one_tissue_is_divided_by_the_sd_of_a_normal_distribution_cut_off_at_ranks_45_and_55():
    z = NormalDist().inv_cdf(0.55)
    cut = np.sqrt(1 - 2 * z * NormalDist().pdf(z) / 0.1)
    mean, sd = scale(WhiteStripe(), volume(drawn([(1.0, 500.0, 50.0)])))
    assert mean == pytest.approx(500, abs=0.03 * 50)
    assert sd == pytest.approx(50 * cut, rel=0.01)


@pytest.mark.parametrize("width", [0.02, 0.05, 0.1])
@pytest.mark.parametrize(("contrast", "near"), [("T1", 900), ("T2", 600)])
def test_the_stripe_of_a_mixture_has_the_moments_that_its_densities_give(contrast, near, width):
    mean, sd = scale(WhiteStripe(contrast=contrast, width=width), volume(drawn(BRAIN)))
    by_hand = expected(BRAIN, near, width)
    assert mean == pytest.approx(by_hand[0], abs=2)
    assert sd == pytest.approx(by_hand[1], rel=0.05)


def test_white_matter_is_the_last_peak_although_grey_matter_is_higher():
    image = volume(drawn(BRAIN))
    assert abs(scale(WhiteStripe(contrast="T1"), image)[0] - 900) < 5
    assert abs(scale(WhiteStripe(contrast="T2"), image)[0] - 600) < 5


@pytest.mark.parametrize("factor", [0.25, 3.7, 1e-3, 4096])
def test_another_gain_of_the_scanner_gives_the_same_image(factor):
    image = volume(drawn(BRAIN))
    louder = Image(image.voxels * np.float32(factor))
    exact = np.log2(factor) % 1 == 0
    first, second = WhiteStripe().apply(image).voxels, WhiteStripe().apply(louder).voxels
    assert np.array_equal(first, second) if exact else np.allclose(first, second, atol=2e-3)


def test_more_fluid_moves_a_zscore_and_not_the_stripe():
    wide = ((0.40, 300.0, 60.0), (0.33, 600.0, 60.0), (0.27, 900.0, 45.0))
    before, after = (scale(WhiteStripe(), volume(drawn(one))) for one in (BRAIN, wide))
    assert after[0] == pytest.approx(before[0], abs=4)
    assert abs(drawn(wide).mean() - drawn(BRAIN).mean()) > 50


def test_bright_vessels_and_noise_on_the_shoulder_are_no_white_matter():
    vessels = np.linspace(3_000, 12_000, 600, dtype=np.float32)
    mean, _ = scale(WhiteStripe(), volume(np.concatenate([drawn(BRAIN), vessels])))
    assert abs(mean - 900) < 5
    # A hundredth of the voxels at one bright intensity is a peak of its own, but a rare one.
    fat = np.full(600, 1_150, np.float32) + np.linspace(-20, 20, 600, dtype=np.float32)
    assert abs(scale(WhiteStripe(), volume(np.concatenate([drawn(BRAIN), fat])))[0] - 900) < 5


@pytest.mark.parametrize("seed", range(8))
def test_samples_of_a_thousand_voxels_give_white_matter_too(seed):
    dice = np.random.default_rng(seed)
    some = np.concatenate([dice.normal(mean, sd, round(share * 1500)) for share, mean, sd in BRAIN])
    assert abs(scale(WhiteStripe(), volume(some.astype(np.float32), 500))[0] - 900) < 45


def test_images_of_few_grey_levels_have_a_stripe():
    levels = np.round(drawn(BRAIN) / 20)
    mean, sd = scale(WhiteStripe(), volume(levels))
    assert mean == pytest.approx(45, abs=1)
    assert 0 < sd < 3


def test_the_mask_alone_makes_the_histogram():
    brain, scalp = drawn(BRAIN), drawn([(1.0, 1_500.0, 40.0)])
    voxels = np.concatenate([brain, scalp]).reshape(1, -1, 100, 10)
    mask = (np.arange(voxels.size) < len(brain)).reshape(voxels.shape[1:])
    assert abs(scale(WhiteStripe(region="mask"), Image(voxels, None, mask))[0] - 900) < 5
    # Which is why images with skull need a mask.
    assert abs(scale(WhiteStripe(region="nonzero"), Image(voxels, None, mask))[0] - 1_500) < 10


def test_each_channel_has_its_own_stripe():
    image = volume(drawn(BRAIN))
    both = Image(np.concatenate([image.voxels, image.voxels * np.float32(2)]))
    after = WhiteStripe().apply(both).voxels
    assert np.array_equal(after[0], after[1])


@pytest.mark.parametrize(
    ("voxels", "said"),
    [
        (np.full((1, 4, 4, 4), 3), "all voxels of the region have one value"),
        (np.zeros((1, 4, 4, 4)), "no voxel is in the region"),
        (np.r_[np.full(9_999, 3), 4].reshape(1, 10, 10, 100), "nearly all voxels of the region have one value"),
        (np.r_[np.full(600, 3), np.full(400, 4)].reshape(1, 10, 10, 10), "all voxels of the white stripe"),
    ],
)
def test_images_without_white_matter_are_refused(voxels, said):
    with pytest.raises(DataError, match=said):
        WhiteStripe().apply(Image(voxels.astype(np.float32)))
