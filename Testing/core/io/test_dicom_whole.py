"""A PET with missing slices at its ends is detected by its Number of Slices."""

from __future__ import annotations

import numpy as np
import pytest
from derived_helpers import ct_reference, headers, synthetic
from dicom_builder import enhanced, stored_pixels, write_pet, write_series
from pydicom import dcmread

from medsynth_core.errors import MedSynthError
from medsynth_core.io.dicom.derived.series_writing import write_dicom
from medsynth_core.io.dicom.series import series_of
from medsynth_core.io.dicom.series_reading import read_series
from medsynth_core.io.reading import read_volume

WHOLE = {"SeriesType": ["WHOLE BODY", "IMAGE"], "NumberOfSlices": 3}


@pytest.mark.parametrize("kind", [["STATIC", "IMAGE"], ["WHOLE BODY", "IMAGE"], "STATIC", None])
@pytest.mark.parametrize("unit", ["", "SUVbw", "Bq/mL"])
def test_a_series_without_its_ends_is_refused(tmp_path, kind, unit):
    write_pet(tmp_path, SeriesType=kind, NumberOfSlices=5)
    with pytest.raises(MedSynthError) as refused:
        read_volume(tmp_path, unit=unit)
    assert str(refused.value) == (
        "Only 3 of the 5 slices of the series 'test series' (PT, 3 slices, 1.2.3.4) exist, according to its Number of "
        "Slices (0054,0081); copy the complete series again."
    )


def test_a_series_that_lost_a_file_is_refused(tmp_path):
    paths = write_pet(tmp_path, **WHOLE)
    assert read_volume(tmp_path).shape == (3, 4, 5)
    paths[2].unlink()
    for place in (tmp_path, paths[0]):
        with pytest.raises(MedSynthError, match="Only 2 of the 3 slices"):
            read_volume(place)
    paths[1].unlink()
    with pytest.raises(MedSynthError, match="Only 1 of the 3 slices"):
        read_volume(tmp_path)


def test_one_file_without_others_is_read_as_a_slice(tmp_path):
    paths = write_pet(tmp_path, **WHOLE)
    for path in paths[1:]:
        path.unlink()
    assert read_volume(paths[0]).shape == (1, 4, 5)


def test_a_list_of_files_must_be_whole_too(tmp_path):
    paths = write_pet(tmp_path, **WHOLE)
    assert read_series(series_of(paths)).shape == (3, 4, 5)
    with pytest.raises(MedSynthError, match="Only 2 of the 3 slices"):
        read_series(series_of(paths[:2]))


@pytest.mark.parametrize("stated", [None, 0, 1, 2, 3])
def test_more_slices_than_stated_are_left_alone(tmp_path, stated):
    write_pet(tmp_path, NumberOfSlices=stated)
    assert read_volume(tmp_path).shape == (3, 4, 5)


def test_where_slices_differ_the_least_number_counts(tmp_path):
    write_pet(tmp_path, per_slice=[{"NumberOfSlices": 3}, {"NumberOfSlices": 4}, {}])
    assert read_volume(tmp_path).shape == (3, 4, 5)
    write_pet(tmp_path / "less", per_slice=[{"NumberOfSlices": 5}, {"NumberOfSlices": 4}, {}], SeriesInstanceUID="1.9")
    with pytest.raises(MedSynthError, match="Only 3 of the 4 slices"):
        read_volume(tmp_path / "less")


@pytest.mark.parametrize("kind", ["DYNAMIC", "GATED"])
def test_one_time_of_several_may_have_any_number(tmp_path, kind):
    write_pet(tmp_path, SeriesType=[kind, "IMAGE"], NumberOfSlices=12)
    assert read_volume(tmp_path).shape == (3, 4, 5)


@pytest.mark.parametrize("modality", ["CT", "MR"])
def test_other_modalities_have_no_such_number(tmp_path, modality):
    write_series(tmp_path, modality=modality, NumberOfSlices=12)
    assert read_volume(tmp_path).shape == (3, 4, 5)


def test_an_enhanced_instance_is_whole_by_itself(tmp_path):
    places = [(0, 0, height) for height in (0, 2, 4)]
    enhanced(stored_pixels(3), places, "PT", NumberOfSlices=12).save_as(tmp_path / "e.dcm", enforce_file_format=True)
    assert read_volume(tmp_path).shape == (3, 4, 5)


def test_written_files_are_read_back_only_if_complete(tmp_path):
    volume = synthetic()
    written = write_dicom(volume, tmp_path / "out", ct_reference(tmp_path / "ct"))
    assert {header.NumberOfSlices for header in headers(written)} == {3}
    assert np.allclose(read_volume(written).voxels, volume.voxels, rtol=1e-2, atol=1e-2)
    (written / "0003.dcm").unlink()
    with pytest.raises(MedSynthError, match="Only 2 of the 3 slices"):
        read_volume(written)


def test_a_slice_of_a_real_whole_body_scan_is_still_read(shared_data):
    single = shared_data / "dicom-edge" / "suyashkumar" / "1.dcm"
    assert dcmread(single, stop_before_pixels=True).NumberOfSlices == 324
    assert read_volume(single).shape[0] == 1
