"""A derived series keeps values and position of the volume when read by MedSynth, ITK and Slicer."""

from __future__ import annotations

import numpy as np
import pytest
from derived_helpers import GRID, ct_reference, headers, pet_reference, read_with_itk, read_with_slicer, synthetic
from io_helpers import oblique_matrix

from medsynth_core.io.dicom.derived.series_writing import write_dicom
from medsynth_core.io.identifiers import FRAME_OF_REFERENCE, SERIES, digest
from medsynth_core.io.reading import read_volume
from medsynth_core.volume import Volume

READERS = [read_volume, read_with_itk, read_with_slicer]


@pytest.fixture
def ct(tmp_path):
    return ct_reference(tmp_path / "ct")


def relative_error(read: np.ndarray, true: np.ndarray, of_greatest: float) -> float:
    """Return the greatest relative error among voxels of at least a part of the greatest one in their slice."""
    size = np.abs(true.astype(np.float64))
    counted = size >= of_greatest * size.max(axis=(1, 2), keepdims=True)
    return float((np.abs(read.astype(np.float64) - true)[counted] / size[counted]).max())


def hot_and_cold_slices(negative: bool = False) -> Volume:
    """Return a PET with a slice of 0.01, one of 1 and one with a bladder of 200 SUV in it."""
    voxels = np.random.default_rng(0).uniform(-0.1 if negative else 0, 1, (3, 40, 50)) * [[[0.01]], [[1]], [[1]]]
    voxels[2, :4, :4] = 200
    return synthetic(voxels=voxels.astype(np.float32))


@pytest.mark.slow
@pytest.mark.parametrize("read", READERS)
def test_suv_is_read_back_to_a_thousandth_above_one_percent_of_the_maximum(tmp_path, read):
    pet = hot_and_cold_slices()
    back = read(write_dicom(pet, tmp_path / "out", pet_reference(tmp_path / "pet")))
    assert relative_error(back.voxels, pet.voxels, of_greatest=0.01) <= 1e-3
    greatest = pet.voxels.max(axis=(1, 2), keepdims=True)
    assert (np.abs(back.voxels.astype(np.float64) - pet.voxels) <= greatest / 130_000).all()
    assert back.same_grid(pet, tolerance=1e-6)


@pytest.mark.parametrize("read", READERS)
def test_negative_values_keep_their_sign_at_half_the_precision(tmp_path, ct, read):
    pet = hot_and_cold_slices(negative=True)
    back = read(write_dicom(pet, tmp_path / "out", ct))
    assert relative_error(back.voxels, pet.voxels, of_greatest=0.02) <= 1e-3
    clear = pet.voxels < -0.02 * pet.voxels.max(axis=(1, 2), keepdims=True)
    assert clear.any() and (back.voxels[clear] < 0).all()


def test_modality_unit_and_series_are_read_back(tmp_path, ct):
    for modality, unit in (("PT", "SUVbw"), ("CT", "HU"), ("MR", "")):
        back = read_volume(write_dicom(synthetic(modality, unit), tmp_path / modality, ct))
        assert (back.modality, back.unit) == (modality, unit)
        assert back.metadata[FRAME_OF_REFERENCE] == digest("1.2.3.5") and back.metadata[SERIES] != digest("1.2.3.40")


def test_every_slice_of_a_pet_has_its_own_slope_and_no_intercept(tmp_path, ct):
    written = headers(write_dicom(hot_and_cold_slices(), tmp_path / "out", ct))
    assert len({header.RescaleSlope for header in written}) == 3
    assert {header.RescaleIntercept for header in written} == {0}


def test_a_slice_without_uptake_is_stored_too(tmp_path, ct):
    pet = synthetic()
    pet.voxels[1] = 0
    assert not read_volume(write_dicom(pet, tmp_path / "out", ct)).voxels[1].any()


@pytest.mark.parametrize("read", READERS)
def test_a_ct_is_rounded_to_whole_hounsfield_units(tmp_path, ct, read):
    voxels = np.random.default_rng(0).uniform(-1024, 3071, (3, 4, 5)).astype(np.float32)
    back = read(write_dicom(synthetic("CT", "HU", voxels=voxels), tmp_path / "out", ct))
    assert back.voxels.dtype == np.int16
    assert np.array_equal(back.voxels, np.rint(voxels))


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize(
    ("greatest", "dtype", "precision"),
    [(1800, "float32", 0.5), (1.0, "float32", 1e-5), (90_000, "float32", 0.7), (250, "uint8", 0), (40_000, "int32", 0)],
)
def test_an_mr_keeps_its_values_whatever_their_range(tmp_path, ct, read, greatest, dtype, precision):
    voxels = (np.random.default_rng(0).uniform(0, greatest, (3, 4, 5))).astype(dtype)
    voxels[0, 0, 0] = greatest
    back = read(write_dicom(synthetic("MR", "", voxels=voxels), tmp_path / "out", ct))
    assert np.abs(back.voxels.astype(np.float64) - voxels).max() <= precision


def test_an_mr_of_whole_numbers_is_written_without_rescale_tags(tmp_path, ct):
    written = headers(write_dicom(synthetic("MR", "", voxels=np.full((3, 4, 5), 700)), tmp_path / "out", ct))
    assert "RescaleSlope" not in written[0]


@pytest.mark.parametrize("left_handed", [False, True])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_any_straight_grid_stays_where_it_is(tmp_path, ct, seed, left_handed):
    matrix = oblique_matrix(seed, left_handed)
    matrix[:3, 3] = GRID[:3, 3]  # at the reference, so that they overlap
    ct_like = synthetic("CT", "HU", voxels=np.arange(60).reshape(3, 4, 5), ijk_to_ras=matrix)
    folder = write_dicom(ct_like, tmp_path / "out", ct)
    # Slices are stacked along their normal, which only a right-handed volume's are already.
    expected = ct_like
    if left_handed:
        flip = np.diag([1.0, 1, -1, 1])
        flip[2, 3] = 2
        expected = ct_like.replace(voxels=ct_like.voxels[::-1], ijk_to_ras=matrix @ flip)
    for read in READERS:
        back = read(folder)
        assert back.same_grid(expected, tolerance=1e-5)
        assert np.array_equal(back.voxels, expected.voxels)
    assert [header.InstanceNumber for header in headers(folder)] == [1, 2, 3]


def test_a_single_slice_keeps_its_thickness(tmp_path, ct):
    one = synthetic(shape=(1, 4, 5))
    back = read_volume(write_dicom(one, tmp_path / "out", ct))
    assert back.same_grid(one) and back.spacing == pytest.approx(one.spacing)
