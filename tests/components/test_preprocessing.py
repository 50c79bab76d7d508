"""Preprocessing keeps every voxel where it is in the world, and says what decides its bits."""

import itertools
import json

import nibabel
import numpy as np
import pytest

from tlimb.components.augments.flip import Flip
from tlimb.components.augments.noise import Noise
from tlimb.components.contracts import Image
from tlimb.components.data.base import Base
from tlimb.components.data.bio_image import BioImage
from tlimb.components.data.crop_center import CropCenter
from tlimb.components.data.slices_2d import Slices2D
from tlimb.components.data.volume_3d import Volume3D
from tlimb.components.images import DataError, read
from tlimb.components.preprocess.canonical import Canonical
from tlimb.components.preprocess.clip import Clip
from tlimb.components.preprocess.crop import Crop
from tlimb.components.preprocess.mask import Mask
from tlimb.components.preprocess.mean import Mean
from tlimb.components.preprocess.min_max import MinMax
from tlimb.components.preprocess.resample import Resample
from tlimb.components.preprocess.white_stripe import WhiteStripe
from tlimb.components.preprocess.zscore import ZScore


def world(image):
    """World coordinates of each voxel, (3, x, y, z)."""
    index = np.stack(np.meshgrid(*(np.arange(n) for n in image.voxels.shape[1:]), indexing="ij"))
    return np.einsum("ab,bxyz->axyz", image.affine[:3, :3], index) + image.affine[:3, 3, None, None, None]


def ramp(shape, affine, direction=(1.0, 2.0, -0.5)):
    """An image whose intensity is a linear function of the world coordinates."""
    empty = Image(np.zeros((1, *shape), np.float32), np.asarray(affine, float))
    voxels = np.einsum("a,axyz->xyz", np.asarray(direction), world(empty)).astype(np.float32)
    return Image(voxels[None], empty.affine)


def inside(image, margin=2):
    return image.voxels[0][tuple(slice(margin, -margin) for _ in range(3))]


AFFINE = np.array([[1.5, 0, 0, -10], [0, 1.0, 0, 5], [0, 0, 2.0, 7], [0, 0, 0, 1]])


@pytest.mark.parametrize(
    "letters", ["".join(p) for a in "RL" for b in "AP" for c in "SI" for p in itertools.permutations(a + b + c)]
)
def test_every_orientation_becomes_the_same_volume(letters):
    reference = ramp((8, 9, 10), AFFINE)
    turns = nibabel.orientations.axcodes2ornt(tuple(letters))
    there = nibabel.orientations.ornt_transform(nibabel.orientations.axcodes2ornt("RAS"), turns)
    voxels = nibabel.apply_orientation(reference.voxels[0], there)
    affine = reference.affine @ nibabel.orientations.inv_ornt_aff(there, (8, 9, 10))
    back = Canonical().apply(Image(np.ascontiguousarray(voxels)[None], affine, voxels > 0))
    assert np.array_equal(back.voxels, reference.voxels)
    assert np.allclose(back.affine, reference.affine)
    assert np.array_equal(back.mask, reference.voxels[0] > 0)


@pytest.mark.parametrize("spacing", [0.7, 1.0, 2.0, 3.1, 4.0])
def test_resampling_keeps_a_linear_image_where_it_is_in_the_world(spacing):
    image = ramp((30, 33, 28), AFFINE)
    after = Resample(spacing_mm=spacing).apply(image)
    expected = ramp(after.voxels.shape[1:], after.affine)
    assert np.allclose(np.linalg.norm(after.affine[:3, :3], axis=0), spacing)
    assert np.allclose(inside(after), inside(expected), atol=1e-3)
    assert np.allclose(world(after).mean(axis=(1, 2, 3)), world(image).mean(axis=(1, 2, 3)), atol=1e-9)


def test_resampling_to_the_own_voxel_size_changes_no_bit():
    image = ramp((6, 7, 8), np.diag([2.0, 2, 2, 1]))
    assert np.array_equal(Resample(spacing_mm=2).apply(image).voxels, image.voxels)


def test_finer_resampling_is_linear_interpolation():
    voxels = np.random.default_rng(0).random((1, 5, 1, 1), dtype=np.float32)
    after = Resample(spacing_mm=1.0).apply(Image(voxels, np.diag([2.0, 1, 1, 1])))
    positions = (np.arange(10) - 4.5) / 2 + 2
    assert np.allclose(after.voxels[0, :, 0, 0], np.interp(positions, np.arange(5), voxels[0, :, 0, 0]), atol=1e-6)


def test_coarser_resampling_averages_detail_and_does_not_alias():
    stripes = np.tile(np.array([0.0, 1.0], np.float32), 32).reshape(1, 64, 1, 1)
    after = Resample(spacing_mm=4.0).apply(Image(stripes, np.diag([1.0, 4, 4, 1])))
    assert np.allclose(after.voxels[0, 1:-1], 0.5, atol=1e-6)


def test_a_constant_image_stays_constant_to_the_border():
    after = Resample(spacing_mm=3.3).apply(Image(np.full((1, 9, 8, 7), 5, np.float32), AFFINE))
    assert np.allclose(after.voxels, 5, atol=1e-5)


def test_resampling_needs_a_voxel_size():
    with pytest.raises(DataError, match="voxel size"):
        Resample(spacing_mm=2).apply(Image(np.ones((1, 4, 4, 4), np.float32)))


def test_the_published_crop_has_its_offsets():
    image = ramp((182, 218, 182), np.eye(4))
    after = Crop(shape=[160, 192, 160]).apply(image)
    assert np.array_equal(after.voxels[0], image.voxels[0, 11:171, 13:205, 11:171])
    assert np.allclose(after.affine[:3, 3], [11, 13, 11])


@pytest.mark.parametrize("shape", [(6, 7, 8), (4, 7, 9), (9, 9, 9), (1, 1, 1), (5, 8, 7)])
def test_cropping_and_padding_keep_voxels_where_they_are_in_the_world(shape):
    image = ramp((6, 7, 8), AFFINE)
    image = Image(image.voxels + 1000, image.affine, np.ones((6, 7, 8), bool))
    after = Crop(shape=shape).apply(image)
    assert after.voxels.shape == (1, *shape)
    kept = after.mask
    assert kept.sum() == np.prod(np.minimum(shape, (6, 7, 8)))
    expected = ramp(shape, after.affine).voxels[0] + 1000
    assert np.allclose(after.voxels[0][kept], expected[kept], atol=1e-3)
    assert not after.voxels[0][~kept].any()


def test_an_odd_surplus_loses_one_more_voxel_at_the_end():
    image = Image(np.arange(1, 8, dtype=np.float32).reshape(1, 7, 1, 1))
    assert Crop(shape=(4, 1, 1)).apply(image).voxels.ravel().tolist() == [2, 3, 4, 5]
    assert Crop(shape=(10, 1, 1)).apply(image).voxels.ravel().tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 0, 0]


def test_a_crop_to_the_own_shape_changes_no_bit():
    image = ramp((6, 7, 8), AFFINE)
    assert np.array_equal(Crop(shape=(6, 7, 8)).apply(image).voxels, image.voxels)


@pytest.mark.parametrize("region", ["mask", "nonzero", "all"])
def test_a_zscore_has_mean_0_and_sd_1_in_its_region(region):
    voxels = np.random.default_rng(0).gamma(2, 30, (1, 8, 8, 8)).astype(np.float32)
    voxels[:, :4] = 0
    mask = np.zeros((8, 8, 8), bool)
    mask[5:, 2:6] = True
    after = ZScore(region=region).apply(Image(voxels, None, mask)).voxels
    values = {"mask": after[:, mask], "nonzero": after[voxels != 0], "all": after}[region]
    assert abs(values.mean()) < 1e-5
    assert abs(values.std() - 1) < 1e-5


def test_intensities_that_cannot_be_standardised_are_refused():
    flat = Image(np.full((1, 3, 3, 3), 7, np.float32))
    for region in ("nonzero", "all"):
        with pytest.raises(DataError, match="one value"):
            ZScore(region=region).apply(flat)
    with pytest.raises(DataError, match="no mask"):
        ZScore(region="mask").apply(flat)
    with pytest.raises(DataError, match="not positive"):
        Mean().apply(Image(np.zeros((1, 3, 3, 3), np.float32)))


def test_a_mask_file_empties_what_is_outside_and_is_what_later_steps_know():
    voxels = np.arange(1, 28, dtype=np.float32).reshape(1, 3, 3, 3)
    mask = np.zeros((3, 3, 3), bool)
    mask[1] = True
    after = Mask().apply(Image(voxels, None, mask))
    assert np.array_equal(after.voxels[0, 1], voxels[0, 1])
    assert not after.voxels[0, [0, 2]].any()
    # 10 to 18 are left: their mean is 14, their variance (9^2 - 1) / 12.
    scaled = ZScore(region="mask").apply(after).voxels
    assert np.allclose(scaled[0, 1].ravel(), (np.arange(10, 19) - 14) / np.sqrt(80 / 12), atol=1e-6)


def test_a_threshold_keeps_what_lies_above_it_and_makes_the_mask():
    voxels = np.arange(8, dtype=np.float32).reshape(1, 2, 2, 2)
    after = Mask(threshold=4).apply(Image(voxels, None, np.ones((2, 2, 2), bool)))
    assert after.voxels.ravel().tolist() == [0, 0, 0, 0, 0, 5, 6, 7]
    assert np.array_equal(after.mask, voxels[0] > 4)
    with pytest.raises(DataError, match="no voxel is inside"):
        Mask(threshold=7).apply(Image(voxels))
    with pytest.raises(DataError, match="there is no mask"):
        Mask().apply(Image(voxels))


def test_min_max_maps_the_regions_extremes_to_the_range():
    voxels = np.array([0, 10, 20, 50], np.float32).reshape(1, 2, 2, 1)
    assert MinMax().apply(Image(voxels)).voxels.ravel() == pytest.approx([0, 0.2, 0.4, 1])
    signed = MinMax(low=-1, high=1, region="nonzero").apply(Image(voxels)).voxels.ravel()
    assert signed == pytest.approx([-1.5, -1, -0.5, 1])
    with pytest.raises(DataError, match="one value"):
        MinMax().apply(Image(np.ones((1, 2, 2, 2), np.float32)))
    with pytest.raises(ValueError, match="not below"):
        MinMax(low=1, high=1)


def test_clipping_limits_to_percentiles_between_ranks_and_leaves_the_background():
    # 1 to 101: the percentile p of so many equally spaced numbers is 1 + p.
    voxels = np.append(np.zeros(7), np.arange(1, 102)).astype(np.float32).reshape(1, 4, 3, 9)
    after = Clip(low_percent=2.5, high_percent=90).apply(Image(voxels)).voxels.ravel()
    assert after[:7].tolist() == [0] * 7
    assert after[7:].tolist() == [3.5, 3.5, 3.5, *range(4, 91), *[91] * 11]
    whole = Clip(low_percent=50, high_percent=100, region="all").apply(Image(voxels)).voxels.ravel()
    assert whole.min() == 47.5  # the mean of the 54th and 55th of 108
    assert Clip(low_percent=0, high_percent=100).apply(Image(voxels)).voxels.tobytes() == voxels.tobytes()
    with pytest.raises(ValueError, match="not below"):
        Clip(low_percent=99, high_percent=1)


def test_statistics_of_a_region_are_taken_inside_it_alone():
    voxels = np.zeros((1, 4, 4, 4), np.float32)
    voxels[0, 2:] = np.arange(1, 33).reshape(2, 4, 4)
    mask = voxels[0] > 16
    clipped = Clip(low_percent=0, high_percent=50, region="mask").apply(Image(voxels, None, mask)).voxels
    assert clipped.max() == 24.5
    assert MinMax(region="mask").apply(Image(voxels, None, mask)).voxels[0][mask].min() == 0
    for step in (Clip(region="mask"), MinMax(region="mask")):
        with pytest.raises(DataError, match="no mask"):
            step.apply(Image(voxels))


@pytest.fixture
def volume(tmp_path):
    path = tmp_path / "x.nii.gz"
    affine = np.array([[-2.0, 0, 0, 20], [0, 0, 2.5, -20], [0, 3, 0, -10], [0, 0, 0, 1]])
    voxels = np.random.default_rng(0).integers(0, 1000, (20, 16, 22)).astype(np.int16)
    nibabel.save(nibabel.Nifti1Image(voxels, affine), path)
    return path


CROP = Crop(shape=(12, 10, 14))


@pytest.mark.parametrize(
    ("intensity", "last"),
    [
        ("zscore", [CROP, ZScore(region="all")]),
        ("white_stripe", [CROP, WhiteStripe(region="all")]),
        ("mean", [Mean(), CROP]),
        (None, [CROP]),
    ],
)
def test_bio_image_is_volume_3d_with_the_equivalent_list_to_the_bit(volume, intensity, last):
    short = BioImage(spacing_mm=4, crop=[12, 10, 14], intensity=intensity, region="all")
    steps = [Canonical(), Resample(spacing_mm=4.0), *last]
    long = Volume3D(preprocess=steps)
    first, second = short.load(volume, None), long.load(volume, None)
    assert first.shape == (1, 12, 10, 14)
    assert first.tobytes() == second.tobytes()
    assert json.dumps(short.recipe(), sort_keys=True) == json.dumps(long.recipe(), sort_keys=True)


def test_base_gives_images_as_their_files_hold_them(volume, tmp_path):
    stored = np.asarray(nibabel.load(volume).dataobj)
    assert Base().load(volume, None)[0].tolist() == stored.astype(np.float32).tolist()
    np.save(tmp_path / "digit.npy", np.arange(12, dtype=np.uint8).reshape(3, 4))
    assert Base().load(tmp_path / "digit.npy", None)[0].tolist() == np.arange(12).reshape(3, 4).tolist()
    assert Base().recipe() == Volume3D(preprocess=[]).recipe()


def test_crop_center_keeps_the_axes_and_intensities_and_fills_what_is_too_small(volume, tmp_path):
    stored = np.asarray(nibabel.load(volume).dataobj).astype(np.float32)
    found = CropCenter(size=[12, 20, 21]).load(volume, None)[0]
    # 20 -> 12 loses 4 on both sides, 16 -> 20 gets 2 on both, 22 -> 21 loses its last.
    assert np.array_equal(found[:, 2:18], stored[4:16, :, :21])
    assert not found[:, [0, 1, 18, 19]].any()
    np.save(tmp_path / "digit.npy", np.arange(16, dtype=np.float32).reshape(4, 4))
    assert CropCenter(size=[2, 2]).load(tmp_path / "digit.npy", None)[0].tolist() == [[5, 6], [9, 10]]
    assert CropCenter(size=[8, 8, 8]).recipe() == Volume3D(preprocess=[Crop(shape=[8, 8, 8])]).recipe()
    with pytest.raises(DataError, match="3 axes, the crop 2"):
        CropCenter(size=[2, 2]).load(volume, None)


@pytest.mark.parametrize("make", [Base, lambda **more: CropCenter(size=[6, 6, 6], **more)])
def test_where_the_left_is_not_known_mirroring_is_refused_and_other_changes_are_not(make):
    with pytest.raises(ValueError, match="take `flip` out"):
        make(augment=[Flip()])
    assert make(augment=[Noise()]).augmentations


def test_a_mean_is_that_of_the_whole_volume_however_much_is_cut_or_filled_in(tmp_path):
    # As SFCN's authors do: the volume over its mean, then the crop.
    voxels = np.random.default_rng(0).random((18, 21, 18)).astype(np.float32) * 900
    voxels[:4] = 0
    nibabel.save(nibabel.Nifti1Image(voxels, np.eye(4)), tmp_path / "x.nii.gz")
    published = voxels / voxels.mean(dtype=np.float64)
    cut = BioImage(spacing_mm=1, crop=[16, 19, 16], intensity="mean").load(tmp_path / "x.nii.gz", None)[0]
    padded = BioImage(spacing_mm=1, crop=[20, 23, 20], intensity="mean").load(tmp_path / "x.nii.gz", None)[0]
    assert np.allclose(cut, published[1:17, 1:20, 1:17], rtol=1e-6)
    assert np.allclose(padded[1:19, 1:22, 1:19], published, rtol=1e-6)


def test_a_slices_mean_is_taken_before_it_is_filled_to_its_size(tmp_path):
    np.save(tmp_path / "digit.npy", np.arange(64, dtype=np.float32).reshape(8, 8))
    whole, padded = (
        Slices2D(intensity="mean", size=size).load(tmp_path / "digit.npy", None)[0] for size in (None, [10, 10])
    )
    assert np.array_equal(padded[1:9, 1:9], whole)


def test_every_option_moves_the_recipe():
    recipes = [
        BioImage(spacing_mm=4, crop=[12, 10, 14]),
        BioImage(spacing_mm=3, crop=[12, 10, 14]),
        BioImage(spacing_mm=4, crop=[12, 10, 15]),
        BioImage(spacing_mm=4, crop=[12, 10, 14], region="all"),
        BioImage(spacing_mm=4, crop=[12, 10, 14], intensity="mean"),
        BioImage(spacing_mm=4, crop=[12, 10, 14], intensity=None),
        *(Slices2D(axis=axis) for axis in ("axial", "coronal", "sagittal")),
        Slices2D(position=0.4),
        Slices2D(size=[8, 8]),
        Slices2D(region="all"),
    ]
    assert len({json.dumps(module.recipe(), sort_keys=True) for module in recipes}) == len(recipes)


@pytest.mark.parametrize(("axis", "index"), [("sagittal", 0), ("coronal", 1), ("axial", 2)])
def test_a_slice_is_the_central_one_of_the_turned_volume(volume, axis, index):
    turned = Canonical().apply(read(volume)).voxels[0]
    expected = np.rot90(turned.take(turned.shape[index] // 2, axis=index))
    assert np.array_equal(Slices2D(axis=axis, intensity=None).load(volume, None)[0], expected)


def test_rows_of_an_axial_slice_run_from_the_front_and_columns_from_the_left(tmp_path):
    voxels = np.zeros((9, 9, 9), np.float32)
    voxels[1, 7, 4] = 1
    path = tmp_path / "x.nii.gz"
    nibabel.save(nibabel.Nifti1Image(voxels, np.eye(4)), path)
    picture = Slices2D(intensity=None).load(path, None)[0]
    assert np.argwhere(picture).tolist() == [[1, 1]]


def test_pictures_are_taken_whole(tmp_path):
    np.save(tmp_path / "digit.npy", np.arange(64, dtype=np.float32).reshape(8, 8))
    picture = Slices2D(intensity=None, size=[10, 6]).load(tmp_path / "digit.npy", None)
    assert picture.shape == (1, 10, 6)
    assert np.array_equal(picture[0, 1:9], np.arange(64).reshape(8, 8)[:, 1:7])


def test_volumes_that_no_step_turns_cannot_be_mirrored_and_those_that_one_does_can():
    with pytest.raises(ValueError, match="without `canonical` nobody knows their left"):
        Volume3D(preprocess=[Crop(shape=(4, 4, 4))], augment=[Flip()])

    assert Volume3D(preprocess=[Crop(shape=(4, 4, 4)), Canonical()], augment=[Flip()]).augmentations
    assert Volume3D(preprocess=[], augment=[Noise()]).augmentations
