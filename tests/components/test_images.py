"""Damaged, hostile and odd image files end in one reason without a name; right ones are read right."""

import gzip
import hashlib
import struct
import zlib

import nibabel
import numpy as np
import pytest
from PIL import Image as Picture

from tlimb.components import images
from tlimb.components.images import DataError, inflate, load, read, recording

VOXELS = np.random.default_rng(0).integers(1, 900, (6, 7, 8)).astype(np.int16)
AFFINE = np.array([[2.0, 0, 0, -5], [0, 2, 0, -6], [0, 0, 2, -7], [0, 0, 0, 1]])


@pytest.fixture
def nifti(tmp_path):
    path = tmp_path / "sub-secret.nii.gz"
    nibabel.save(nibabel.Nifti1Image(VOXELS, AFFINE), path)
    return path


def rewritten(path, content):
    path.write_bytes(content)
    return path


def with_header(path, **fields):
    """Change header fields in place and compress again."""
    raw = bytearray(gzip.decompress(path.read_bytes()))
    header = nibabel.Nifti1Header.from_fileobj(__import__("io").BytesIO(bytes(raw)), check=False)
    for name, value in fields.items():
        header[name] = value
    raw[:348] = header.binaryblock
    return rewritten(path, gzip.compress(bytes(raw)))


def test_a_volume_is_read_with_its_orientation(nifti):
    image = read(nifti)
    assert image.voxels.dtype == np.float32
    assert np.array_equal(image.voxels[0], VOXELS)
    assert np.allclose(image.affine, AFFINE)


def test_scale_and_offset_of_the_header_are_applied(nifti):
    image = read(with_header(nifti, scl_slope=0.5, scl_inter=-3.0))
    assert np.allclose(image.voxels[0], VOXELS * 0.5 - 3)


@pytest.mark.parametrize("dtype", [">i2", ">f4", "<f8", "u1"])
def test_other_number_types_and_byte_orders_are_read(tmp_path, dtype):
    path = tmp_path / "x.nii"
    data = (VOXELS % 200).astype(dtype)
    header = nibabel.Nifti1Header(endianness=dtype[0] if dtype[0] in "<>" else "<")
    header.set_data_dtype(np.dtype(dtype))
    nibabel.save(nibabel.Nifti1Image(data, AFFINE, header), path)
    assert np.array_equal(read(path).voxels[0], VOXELS % 200)


def test_trailing_axes_of_length_one_are_dropped_and_several_volumes_refused(tmp_path):
    path = tmp_path / "x.nii.gz"
    nibabel.save(nibabel.Nifti1Image(VOXELS[..., None], AFFINE), path)
    assert read(path).voxels.shape == (1, 6, 7, 8)
    nibabel.save(nibabel.Nifti1Image(np.stack([VOXELS] * 3, axis=-1), AFFINE), path)
    with pytest.raises(DataError, match="holds 3 images"):
        read(path)


@pytest.mark.parametrize("cut", [1, 4, 8, 100])
def test_p13_a_truncated_volume_is_found(nifti, cut):
    with pytest.raises(DataError):
        read(rewritten(nifti, nifti.read_bytes()[:-cut]))


def test_p13_any_flipped_bit_is_found_by_the_checksum(nifti):
    content = nifti.read_bytes()
    # The gzip header (time, name) is outside the checksum; everything behind it must be covered.
    start = 10 + (content[10:].index(b"\0") + 1 if content[3] & 8 else 0)
    rng = np.random.default_rng(1)
    for position in {*rng.integers(start, len(content), 60).tolist(), *range(len(content) - 8, len(content))}:
        damaged = bytearray(content)
        damaged[position] ^= 1 << int(rng.integers(8))
        with pytest.raises(DataError):
            read(rewritten(nifti, bytes(damaged)))


def test_what_follows_the_data_is_refused_unless_it_is_padding(nifti):
    content = nifti.read_bytes()
    assert read(rewritten(nifti, content + b"\0" * 700)).voxels.shape == (1, 6, 7, 8)
    with pytest.raises(DataError, match="damaged"):
        read(rewritten(nifti, content + b"garbage"))


def test_data_in_several_gzip_members_are_joined():
    assert inflate(gzip.compress(b"one") + gzip.compress(b"two")) == b"onetwo"


def test_a_small_file_that_unpacks_to_much_is_refused_in_bounded_memory():
    bomb = gzip.compress(b"\0" * 20_000_000)
    assert len(bomb) < 50_000
    with pytest.raises(DataError, match="more than 1000000 bytes"):
        inflate(bomb, 1_000_000)


@pytest.mark.parametrize(
    "dim",
    [
        (3, 1025, 2, 2, 1, 1, 1, 1),
        (3, 1000, 1000, 1000, 1, 1, 1, 1),
        (3, -4, 7, 8, 1, 1, 1, 1),
        (3, 0, 7, 8, 1, 1, 1, 1),
    ],
)
def test_a_header_cannot_ask_for_more_than_the_limit(nifti, dim):
    with pytest.raises(DataError, match=r"header says|cannot be decoded"):
        read(with_header(nifti, dim=dim))


def test_a_header_that_claims_more_voxels_than_there_are_is_refused(nifti):
    with pytest.raises(DataError, match="before its last voxel"):
        read(with_header(nifti, dim=(3, 12, 7, 8, 1, 1, 1, 1)))


def test_a_volume_without_orientation_is_refused(nifti):
    with pytest.raises(DataError, match="orientation"):
        read(with_header(nifti, sform_code=0, qform_code=0))


def test_a_singular_orientation_is_refused(nifti):
    with pytest.raises(DataError, match="orientation"):
        read(with_header(nifti, sform_code=1, srow_x=(0, 0, 0, 0)))


def test_voxels_that_are_not_finite_become_zero_and_are_counted(tmp_path):
    data = VOXELS.astype(np.float32)
    data[0, 0, 0], data[1, 1, 1], data[2, 2, 2] = np.nan, np.inf, -np.inf
    path = tmp_path / "x.nii.gz"
    nibabel.save(nibabel.Nifti1Image(data, AFFINE), path)
    with recording() as reading:
        image = read(path)
    assert reading.replaced[path] == 3
    assert image.voxels[0, 0, 0, 0] == image.voxels[0, 1, 1, 1] == 0
    nibabel.save(nibabel.Nifti1Image(np.full((3, 3, 3), np.nan, np.float32), AFFINE), path)
    with pytest.raises(DataError, match="no voxel"):
        read(path)


def test_the_recorded_digest_is_that_of_the_bytes_that_were_decoded(nifti):
    with recording() as reading:
        read(nifti)
    assert reading.digests == {nifti: hashlib.sha256(nifti.read_bytes()).hexdigest()}


@pytest.mark.parametrize(
    "name", ["secret.nii", "secret.nii.gz", "secret.npy", "secret.png", "secret.img", "secret.nii.zip"]
)
@pytest.mark.parametrize(
    "content", [b"", b"<html>404</html>", b"\x93NUMPY\x01\x00", b"\x1f\x8b\x08", struct.pack("<i", 348)]
)
def test_nonsense_ends_in_one_reason_that_names_nothing(tmp_path, name, content):
    with pytest.raises(DataError) as caught:
        read(rewritten(tmp_path / name, content))
    assert "secret" not in str(caught.value)
    assert str(tmp_path) not in str(caught.value)


def test_a_missing_file_is_a_reason_too(tmp_path):
    with pytest.raises(DataError, match="cannot be read") as caught:
        read(tmp_path / "secret.nii.gz")
    assert "secret" not in str(caught.value)


def test_p21_a_pickle_in_an_array_file_is_never_opened(tmp_path):
    path = tmp_path / "x.npy"
    np.save(path, np.array([{"a": 1}, None], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match="plain numbers"):
        read(path)


def test_arrays_and_pictures_are_read(tmp_path):
    np.save(tmp_path / "a.npy", VOXELS)
    assert np.array_equal(read(tmp_path / "a.npy").voxels[0], VOXELS)
    grey = (VOXELS[0] % 256).astype(np.uint8)
    Picture.fromarray(grey).save(tmp_path / "g.png")
    assert np.array_equal(read(tmp_path / "g.png").voxels[0], grey)
    deep = (VOXELS[0] * 60).astype(np.uint16)
    Picture.fromarray(deep).save(tmp_path / "d.png")
    assert np.array_equal(read(tmp_path / "d.png").voxels[0], deep)
    colour = np.stack([grey, grey // 2, grey // 3], axis=-1)
    Picture.fromarray(colour).save(tmp_path / "c.png")
    assert np.array_equal(read(tmp_path / "c.png").voxels, np.moveaxis(colour, -1, 0))


def test_a_picture_that_claims_to_be_huge_is_refused(tmp_path):
    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 5000, 5000, 8, 0, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress(b"\0" * 5001 * 5000)) + chunk(b"IEND", b"")
    with pytest.raises(DataError, match="header says"):
        read(rewritten(tmp_path / "x.png", b"\x89PNG\r\n\x1a\n" + head + body))


def test_a_mask_must_lie_on_the_images_grid(nifti, tmp_path):
    mask = tmp_path / "mask.nii.gz"
    nibabel.save(nibabel.Nifti1Image((VOXELS > 400).astype(np.uint8), AFFINE), mask)
    assert np.array_equal(load(nifti, mask).mask, VOXELS > 400)
    moved = AFFINE.copy()
    moved[0, 3] += 2
    nibabel.save(nibabel.Nifti1Image((VOXELS > 400).astype(np.uint8), moved), mask)
    with pytest.raises(DataError, match="another grid"):
        load(nifti, mask)
    nibabel.save(nibabel.Nifti1Image(np.ones((6, 7, 9), np.uint8), AFFINE), mask)
    with pytest.raises(DataError, match="shape"):
        load(nifti, mask)


def test_a_file_above_the_limit_is_refused(nifti):
    with pytest.raises(DataError, match="larger than 100 bytes"):
        images.read(nifti, limit_bytes=100)
