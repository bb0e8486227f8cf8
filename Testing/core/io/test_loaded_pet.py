"""A PET that a viewer has loaded becomes SUVbw by its series, or is refused where it cannot."""

from __future__ import annotations

import re

import numpy as np
import pytest
from dicom_builder import write_pet

from medsynth_core import MedSynthError, read_volume
from medsynth_core.io.dicom.loaded_pet import convert_loaded_pet, read_pet_in_suv

PIXELS = np.random.default_rng(0).integers(1, 30_000, (3, 8, 9)).astype(np.uint16)


@pytest.fixture
def files(tmp_path):
    return write_pet(tmp_path / "pet", pixels=PIXELS)


@pytest.fixture
def series(files):
    return read_pet_in_suv(files)


@pytest.fixture
def loaded(files, tmp_path):
    return read_volume(tmp_path / "pet", unit="Bq/mL")


def test_a_volume_that_equals_its_series_gets_the_values_of_the_files(loaded, series):
    rounded = loaded.replace(voxels=np.rint(loaded.voxels).astype(np.int32))
    moved = loaded.replace(ijk_to_ras=loaded.ijk_to_ras + 7 * np.eye(4, k=3))
    for volume in (loaded, rounded, moved):
        converted = convert_loaded_pet(volume, series)
        assert converted.from_files and np.array_equal(converted.voxels, series.voxels)
    assert converted.unit == "SUVbw" and converted.metadata["suv"]["weight_kg"] == 70


def test_a_cropped_or_masked_volume_is_multiplied_by_the_factor(loaded, series):
    matrix = loaded.ijk_to_ras.copy()
    matrix[:3, 3] += matrix[:3, :3] @ (2, 1, 1)
    cropped = loaded.replace(voxels=loaded.voxels[1:, 1:, 2:], ijk_to_ras=matrix)
    masked = loaded.replace(voxels=np.where(loaded.voxels > np.median(loaded.voxels), loaded.voxels, 0))
    for volume, expected in (
        (cropped, series.voxels[1:, 1:, 2:]),
        (masked, np.where(masked.voxels, series.voxels, 0)),
    ):
        converted = convert_loaded_pet(volume, series)
        assert not converted.from_files and converted.voxels.dtype == np.float32
        assert np.allclose(converted.voxels, expected, rtol=1e-5)


@pytest.mark.parametrize("scale", [1e-3, 1e3])
def test_values_in_another_unit_are_refused(loaded, series, scale):
    other = loaded.replace(voxels=loaded.voxels * np.float32(scale))
    with pytest.raises(MedSynthError, match=re.escape(f"about {scale:.2g} times those of its DICOM series")):
        convert_loaded_pet(other, series)
    with pytest.raises(MedSynthError, match=r"already SUV \(SUVlbm\)"):
        convert_loaded_pet(loaded.replace(unit="SUVlbm"), series)


def test_a_part_of_slices_with_different_factors_is_refused(tmp_path):
    times = [{"AcquisitionTime": f"11{minute:02}00"} for minute in range(3)]
    files = write_pet(tmp_path / "pet", pixels=PIXELS, per_slice=times, DecayCorrection="NONE", CorrectedImage=["ATTN"])
    series, loaded = read_pet_in_suv(files), read_volume(tmp_path / "pet", unit="Bq/mL")
    assert convert_loaded_pet(loaded, series).from_files
    with pytest.raises(MedSynthError, match="convert the whole series, then crop it"):
        convert_loaded_pet(loaded.replace(voxels=loaded.voxels[1:]), series)


def test_files_that_are_gone_are_named(files):
    files[1].unlink()
    with pytest.raises(MedSynthError, match=rf"{files[1].name} cannot be read: .*; import the series again"):
        read_pet_in_suv(files)
