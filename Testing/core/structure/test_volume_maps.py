"""Structure maps of volumes lie on the grid of the volume, however it is stored."""

import numpy as np
import pytest
from builders import axial_matrix, phantom_ct

from medsynth_core import Volume
from medsynth_core.errors import MedSynthError
from medsynth_core.structure.maps import background_mask, structure_map
from medsynth_core.structure.settings import StructureSettings, preset
from medsynth_core.structure.volume_maps import structure_of_volume

SETTINGS = preset("extremity-ct")


@pytest.fixture
def ct():
    return phantom_ct((8, 40, 44))


def lesion_of(volume):
    voxels = np.zeros(volume.shape, np.uint8)
    voxels[3:5, 18:24, 20:26] = 1
    return volume.replace(voxels=voxels, modality="", unit="")


def sagittal(volume):
    """The same volume with the axes k, i, j in the order i, k, j, and j reversed."""
    matrix = volume.ijk_to_ras[:, [1, 2, 0, 3]].copy()
    matrix[:3, 3] += matrix[:3, 0] * (volume.shape[1] - 1)
    matrix[:3, 0] *= -1
    return volume.replace(voxels=volume.voxels.transpose(2, 0, 1)[:, :, ::-1], ijk_to_ras=matrix)


def test_both_maps_are_those_of_the_axial_slices_on_the_volumes_grid(ct):
    lines, background = structure_of_volume(ct, SETTINGS)
    assert lines.same_grid(ct) and np.array_equal(lines.ijk_to_ras, ct.ijk_to_ras)
    assert lines.voxels.dtype == background.voxels.dtype == np.uint8 and (lines.modality, lines.unit) == ("", "1")
    axial = ct.voxels  # stored from left to right, front to back and foot to head
    assert np.array_equal(lines.voxels != 0, structure_map(axial, SETTINGS)) and lines.voxels.any()
    assert np.array_equal(background.voxels != 0, background_mask(axial, SETTINGS))
    assert lines.metadata["structure"]["grow"] == 2 and "synthetic" not in lines.metadata


@pytest.mark.parametrize("solid", [False, True])
def test_the_order_of_the_voxels_changes_nothing(ct, solid):
    lesion = lesion_of(ct)
    wanted = structure_of_volume(ct, SETTINGS, lesion=lesion, solid=solid)
    found = structure_of_volume(sagittal(ct), SETTINGS, lesion=lesion, solid=solid)
    for one, other in zip(wanted, found, strict=True):
        assert other.same_grid(sagittal(ct)) and np.array_equal(sagittal(one).voxels, other.voxels)


def test_solid_edges_see_the_ends_of_a_body():
    voxels = np.full((12, 40, 44), -1000.0, np.float32)
    voxels[4:8, 10:30, 10:30] = 50
    block, settings = Volume(voxels, axial_matrix((2, 2, 2)), "CT", "HU"), SETTINGS.with_values(alpha=0.1)
    flat, _ = structure_of_volume(block, settings)
    solid, _ = structure_of_volume(block, settings, solid=True)
    assert not flat.voxels[4, 20, 20] and solid.voxels[4, 20, 20]


def test_a_map_of_a_synthetic_image_says_so(ct):
    lines, _ = structure_of_volume(ct.replace(metadata={"synthetic": True, "PatientName": "X"}), SETTINGS)
    assert lines.is_synthetic and "PatientName" not in lines.metadata


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (SETTINGS.with_values(gamma=1.0), r"No pixel belongs to the organ \(gamma: 1\)"),
        (SETTINGS.with_values(alpha=1.0, beta=0.9), r"empty \(alpha: 1, beta: 0.9, median: 3\)"),
        (StructureSettings(beta=1.0), r"empty \(alpha: automatic, beta: 1, median: 3\)"),
    ],
)
def test_an_empty_map_names_its_thresholds(ct, settings, words):
    with pytest.raises(MedSynthError, match=words):
        structure_of_volume(ct, settings)


def test_what_has_no_structure_of_the_patient_is_refused(ct):
    with pytest.raises(MedSynthError, match="lies outside the image"):
        structure_of_volume(ct, SETTINGS, lesion=lesion_of(ct).replace(voxels=np.zeros(ct.shape, np.uint8)))
    with pytest.raises(MedSynthError, match="errors of a synthetic image"):
        structure_of_volume(ct.replace(metadata={"error_map": True}), SETTINGS)


@pytest.mark.parametrize("slices", [1, 2])
def test_edges_in_three_dimensions_need_slices(slices):
    volume = Volume(np.zeros((slices, 30, 30), np.float32), np.eye(4), "CT", "HU")
    with pytest.raises(MedSynthError, match=f"need at least 3 slices, and this volume has {slices}"):
        structure_of_volume(volume, StructureSettings(), solid=True)
