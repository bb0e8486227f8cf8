"""The two statements of a NIfTI header on the position of its voxels, and what rounding makes of them."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from medsynth_core.errors import MedSynthError
from medsynth_core.io.nifti_geometry import read_geometry
from medsynth_core.io.nifti_header import parse_header

SHAPE = (300, 512, 512)  # k, j, i: the larger an image, the further apart are its corners


def read(matrix: np.ndarray, sform: np.ndarray, codes: tuple[int, int] = (1, 1)) -> np.ndarray:
    """Return what is read of a header whose qform nibabel makes of one matrix and whose sform is another."""
    header = nib.Nifti1Header()
    header.set_data_shape(SHAPE[::-1])
    header.set_qform(matrix, codes[0])
    header.set_sform(sform, codes[1])
    header["magic"] = b"n+1"
    return read_geometry(parse_header(header.binaryblock + bytes(200), "v.nii"), SHAPE, "v.nii")[0]


def nearly(signs: tuple[int, int, int], degrees: float, rng: np.random.Generator) -> np.ndarray:
    """Return the matrix of an image that is turned a little from axes of these signs."""
    matrix = np.eye(4)
    turn = Rotation.from_rotvec(np.radians(degrees) * rng.normal(size=3)).as_matrix()
    matrix[:3, :3] = turn @ np.diag(signs) * [0.9, 0.9, 2.5]
    matrix[:3, 3] = rng.uniform(-300, 300, 3)
    return matrix


SIDES = [(-1, -1, 1), (-1, 1, 1), (1, -1, -1), (1, 1, 1), (1, -1, 1), (-1, 1, -1)]


@pytest.mark.parametrize("signs", SIDES)
@pytest.mark.parametrize("degrees", [0, 0.001, 0.01, 0.03, 0.1, 1, 10])
def test_a_matrix_that_is_stated_twice_is_read_whatever_rounding_makes_of_its_quaternion(signs, degrees):
    rng = np.random.default_rng(int(1000 * degrees))
    for codes in 10 * [(1, 1), (1, 2), (2, 1), (1, 4)]:
        matrix = nearly(signs, degrees, rng)
        assert np.array_equal(read(matrix, matrix, codes)[:3], matrix[:3].astype(np.float32))


@pytest.mark.parametrize("codes", [(1, 2), (1, 4)])  # of which ITK takes the first, nibabel the second
@pytest.mark.parametrize("signs", SIDES)
@pytest.mark.parametrize(
    "change",
    [
        {"shift": 0.1},  # of a voxel
        {"shift": 0.02},
        {"turn": 0.05},  # degrees
        {"turn": 1},
        {"spacing": 1.001},
        {"shear": 0.001},
    ],
    ids=str,
)
def test_matrices_that_differ_by_more_than_rounding_are_refused(signs, change, codes):
    matrix = nearly(signs, 0.03, np.random.default_rng(3))
    sform = matrix.copy()
    sform[0, 3] += 0.9 * change.get("shift", 0)
    axis = np.radians(change.get("turn", 0)) * np.array([0.6, 0, 0.8])
    sform[:3, :3] = Rotation.from_rotvec(axis).as_matrix() @ sform[:3, :3]
    sform[:3, 0] *= change.get("spacing", 1)
    sform[:3, 1] += change.get("shear", 0) * sform[:3, 0]
    with pytest.raises(MedSynthError, match="contradicts itself about the position"):
        read(matrix, sform, codes)


@pytest.mark.parametrize("signs", [(-1, -1, 1), (1, -1, -1), (1, 1, 1)])
@pytest.mark.parametrize("axis", range(3))
def test_another_handedness_is_refused(signs, axis):
    matrix = nearly(signs, 0.001, np.random.default_rng(3))
    sform = matrix.copy()
    sform[:3, axis] *= -1
    with pytest.raises(MedSynthError, match="contradicts itself about the position"):
        read(matrix, sform, (1, 2))
