"""Orientations and codes of headers, read without nibabel, against nibabel."""

from itertools import permutations, product

import nibabel
import numpy as np
import pytest

from tlimb.cohorts.scan import scan


@pytest.mark.parametrize("form", ["sform", "qform"])
@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
def test_orientations_and_codes_are_those_that_nibabel_reads(tmp_path, form, kind):
    random = np.random.default_rng(0)
    for number, (order, signs) in enumerate(product(permutations(range(3)), product((-1, 1), repeat=3))):
        matrix = np.zeros((3, 3))
        matrix[list(order), range(3)] = signs
        # A head is never quite straight: up to some 15 degrees about each axis.
        angles = random.uniform(-0.25, 0.25, 3)
        affine = np.eye(4)
        affine[:3, :3] = nibabel.eulerangles.euler2mat(*angles) @ matrix @ np.diag([1.0, 1.5, 2.0])
        made = kind(np.zeros((2, 3, 4), np.uint8), None)
        made.header.set_sform(affine if form == "sform" else None, code=4 if form == "sform" else 0)
        made.header.set_qform(affine, code=1)
        path = tmp_path / f"{number}.nii"
        nibabel.save(made, path)
        found = scan(path)
        assert found.orientation == "".join(nibabel.aff2axcodes(nibabel.load(path).affine))
        assert found.codes == (4 if form == "sform" else 0, 1)
