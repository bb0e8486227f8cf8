from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from scipy.spatial.transform import Rotation

from medsynth_core.errors import MedSynthError
from medsynth_core.volume import Volume


def voxels(shape: tuple[int, ...] = (3, 4, 5)) -> np.ndarray:
    return np.arange(np.prod(shape)).reshape(shape).astype(np.int16)


def oblique(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.random(random_state=seed).as_matrix() * rng.uniform(0.3, 6, 3)
    matrix[:3, 3] = rng.normal(size=3) * 300
    return matrix


def test_shape_is_in_slices_rows_columns_and_spacing_in_i_j_k():
    volume = Volume(voxels(), np.diag([0.5, 0.6, 3, 1]))
    assert volume.shape == (3, 4, 5)
    assert volume.spacing == (0.5, 0.6, 3.0)


def test_the_geometry_cannot_be_changed_from_outside():
    matrix = np.eye(4)
    volume = Volume(voxels(), matrix)
    matrix[0, 3] = 100
    assert volume.ijk_to_ras[0, 3] == 0
    with pytest.raises(ValueError, match="read-only"):
        volume.ijk_to_ras[0, 3] = 100
    with pytest.raises(AttributeError):
        volume.ijk_to_ras = np.eye(4)


@pytest.mark.parametrize(
    ("metadata", "synthetic"),
    [
        ({}, False),
        ({"synthetic": True, "source": {}}, True),
        ({"synthetic": True, "simulation": {}, "source": {"SeriesDescription": "PET"}}, False),
        ({"synthetic": True, "simulation": {}, "source": {"synthetic": True, "model": "ct-to-pet"}}, True),
        ({"synthetic": True, "simulation": {}, "source": {"simulation": {}, "source": {}}}, False),
        ({"synthetic": True, "model": "low-dose-pet", "source": {"synthetic": True, "simulation": {}}}, True),
        ({"simulation": {}, "source": "DICOM"}, False),
    ],
)
def test_model_outputs_are_synthetic_and_simulations_from_real_scans_are_not(metadata, synthetic):
    assert Volume(voxels(), np.eye(4), metadata=metadata).is_synthetic is synthetic


def test_replace_keeps_everything_else():
    volume = Volume(voxels(), oblique(1), "CT", "HU", {"SeriesDescription": "head"})
    other = volume.replace(voxels=volume.voxels * 2, modality="PT")
    assert np.array_equal(other.ijk_to_ras, volume.ijk_to_ras)
    assert (other.modality, other.unit, other.metadata) == ("PT", "HU", {"SeriesDescription": "head"})


@pytest.mark.parametrize("shape", [(4, 5), (2, 3, 4, 5), (7,)])
def test_other_than_three_dimensions_are_refused(shape):
    with pytest.raises(MedSynthError, match=f"this array has {len(shape)}"):
        Volume(voxels(shape), np.eye(4))


@pytest.mark.parametrize("matrix", [np.eye(3), np.full((4, 4), np.nan), np.ones((4, 4)), np.diag([1, 1, np.inf, 1])])
def test_a_matrix_that_is_not_affine_is_refused(matrix):
    with pytest.raises(MedSynthError, match="not a 4×4 affine matrix"):
        Volume(voxels(), matrix)


@pytest.mark.parametrize("columns", [[(1, 0, 0), (1, 0, 0), (0, 0, 1)], [(1, 0, 0), (0, 1, 0), (0, 0, 0)]])
def test_a_singular_matrix_is_refused(columns):
    matrix = np.eye(4)
    matrix[:3, :3] = np.transpose(columns)
    with pytest.raises(MedSynthError, match="singular"):
        Volume(voxels(), matrix)


@pytest.mark.parametrize("seed", range(30))
def test_the_matrix_survives_simpleitk_bit_by_bit(seed):
    matrix = oblique(seed)
    if seed % 2:
        matrix[:3, 0] *= -1
    volume = Volume(voxels(), matrix)
    image = volume.to_sitk()
    assert np.array_equal(Volume.from_sitk(image).ijk_to_ras, matrix)
    assert np.array_equal(Volume.from_sitk(image).voxels, volume.voxels)
    assert np.allclose(image.GetSpacing(), volume.spacing, rtol=1e-12)


def test_voxel_positions_agree_with_simpleitk():
    volume = Volume(voxels(), oblique(5))
    left, posterior, superior = volume.to_sitk().TransformIndexToPhysicalPoint((4, 3, 2))
    assert np.allclose([-left, -posterior, superior], (volume.ijk_to_ras @ [4, 3, 2, 1])[:3])
    assert volume.to_sitk()[4, 3, 2] == volume.voxels[2, 3, 4]


def test_plain_spacings_stay_plain_in_simpleitk():
    image = Volume(voxels(), np.diag([0.7, 0.9765625, 3.27, 1])).to_sitk()
    assert image.GetSpacing() == (0.7, 0.9765625, 3.27)
    assert image.GetDirection() == (-1, 0, 0, 0, -1, 0, 0, 0, 1)


def test_masks_become_bytes_in_simpleitk():
    image = Volume(voxels() > 10, np.eye(4)).to_sitk()
    assert image.GetPixelID() == sitk.sitkUInt8


def test_sheared_axes_are_supported_but_not_by_simpleitk():
    matrix = np.eye(4)
    matrix[1, 2] = 0.25
    volume = Volume(voxels(), matrix)
    assert np.array_equal(volume.ijk_to_ras, matrix)
    with pytest.raises(MedSynthError, match="not perpendicular"):
        volume.to_sitk()


def test_colours_and_frames_are_refused_from_simpleitk():
    with pytest.raises(MedSynthError, match="3 values per voxel"):
        Volume.from_sitk(sitk.GetImageFromArray(np.zeros((3, 4, 5, 3), np.uint8), isVector=True))
    with pytest.raises(MedSynthError, match="2 dimensions"):
        Volume.from_sitk(sitk.GetImageFromArray(np.zeros((4, 5), np.uint8)))


def test_same_grid_compares_the_corners_in_millimetres():
    volume = Volume(voxels((10, 10, 10)), np.eye(4))
    stretched = np.diag([1, 1, 1.001, 1])
    assert volume.same_grid(Volume(voxels((10, 10, 10)), stretched), tolerance=0.01)
    assert not volume.same_grid(Volume(voxels((10, 10, 10)), stretched), tolerance=0.005)
    assert not volume.same_grid(Volume(voxels((10, 10, 9)), np.eye(4)))
