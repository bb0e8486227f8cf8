"""PET folders read as volumes: in SUV, in activity, or refused with a reason."""

from __future__ import annotations

import json

import numpy as np
import pytest
from dicom_builder import stored_pixels, write_pet, write_series
from pydicom import dcmread
from pydicom.uid import ImplicitVRLittleEndian

from medsynth_core.errors import MedSynthError
from medsynth_core.io.identifiers import digest
from medsynth_core.io.reading import read_volume

FACTOR = 70000 / (368.08e6 * 2 ** (-3600 / 6586.2))
NO_WEIGHT = {"PatientWeight": None}


def test_suv_is_read_where_no_unit_is_asked_for(tmp_path):
    write_pet(tmp_path)
    volume = read_volume(tmp_path)
    assert (volume.modality, volume.unit, volume.voxels.dtype) == ("PT", "SUVbw", np.float32)
    assert np.allclose(volume.voxels, stored_pixels(3) * 2.5 * FACTOR, rtol=1e-6)


def test_activity_is_read_where_it_is_asked_for(tmp_path):
    write_pet(tmp_path)
    volume = read_volume(tmp_path, modality="PT", unit="Bq/mL")
    assert volume.unit == "Bq/mL" and "suv" not in volume.metadata and "suv_refused" not in volume.metadata
    assert np.allclose(volume.voxels, stored_pixels(3) * 2.5)


@pytest.mark.parametrize("unit", ["SUVlbm", "SUVlbm-james", "SUVlbm-janma", "SUVibw", "SUVbsa"])
def test_other_suvs_are_read_where_they_are_asked_for(tmp_path, unit):
    write_pet(tmp_path)
    volume, weight = read_volume(tmp_path, unit=unit), read_volume(tmp_path)
    assert volume.unit == unit
    ratio = volume.voxels[volume.voxels > 0] / weight.voxels[weight.voxels > 0]
    assert 0.2 < ratio.min() < 1 and np.allclose(ratio, ratio[0])


def test_without_weight_the_metadata_state_why_there_is_no_suv(tmp_path):
    write_pet(tmp_path, **NO_WEIGHT)
    volume = read_volume(tmp_path)
    assert volume.unit == "Bq/mL" and "suv" not in volume.metadata
    assert volume.metadata["suv_refused"].endswith(
        "cannot be converted to SUVbw: Patient's Weight (0010,1030) is missing or 0; enter the weight at the scan in "
        "kg."
    )
    with pytest.raises(MedSynthError, match=r"Patient's Weight \(0010,1030\) is missing"):
        read_volume(tmp_path, unit="SUVbw")


def test_counts_without_a_factor_are_never_activity(tmp_path):
    write_pet(tmp_path, Units="CNTS")
    for unit in ("", "SUVbw", "Bq/mL"):
        with pytest.raises(MedSynthError, match=r"the factor that converts them to activity is missing \(Dose Calib"):
            read_volume(tmp_path, unit=unit)


def test_counts_are_divided_by_the_volume_of_a_voxel(tmp_path):
    write_pet(tmp_path, Units="CPS", DoseCalibrationFactor=40)
    volume = read_volume(tmp_path, unit="Bq/mL")
    assert np.allclose(volume.voxels, stored_pixels(3) * 2.5 * 40 / (0.8 * 0.6 * 3 / 1000))


@pytest.mark.parametrize("unit", ["HU", "1", "SUV"])
def test_other_units_are_refused(tmp_path, unit):
    write_pet(tmp_path)
    with pytest.raises(MedSynthError, match=f"cannot be read in {unit}; use SUVbw, SUVlbm, "):
        read_volume(tmp_path, unit=unit)


def test_private_elements_survive_in_files_without_stated_types(tmp_path):
    for path in write_pet(tmp_path, Units="CNTS", private={(0x7053, 0x1000): ("DS", "0.0005")}, **NO_WEIGHT):
        dataset = dcmread(path)
        dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
        dataset.save_as(path, implicit_vr=True, little_endian=True)
    assert dcmread(path)[0x7053, 0x1000].VR == "UN"
    assert np.allclose(read_volume(tmp_path, unit="SUVbw").voxels, stored_pixels(3) * 2.5 * 0.0005)


def test_a_ct_given_as_pet_is_refused(tmp_path):
    write_series(tmp_path)
    with pytest.raises(MedSynthError, match=r"contains no PT images .* only 'test series' \(CT, 3 slices"):
        read_volume(tmp_path, modality="PT", unit="SUVbw")


def test_corrected_and_uncorrected_series_in_a_folder_are_listed(tmp_path):
    write_pet(tmp_path / "ac", SeriesInstanceUID="1.1", SeriesDescription="PET AC")
    write_pet(tmp_path / "nac", SeriesInstanceUID="1.2", SeriesDescription="PET NAC", CorrectedImage=["DECY"])
    with pytest.raises(MedSynthError, match=r"contains 2 series: 'PET AC' \(PT, .*'PET NAC' \(PT"):
        read_volume(tmp_path, modality="PT")


@pytest.mark.parametrize(
    ("heights", "words"),
    [
        ((0, 3, 9, 12), r"1 slice\(s\) .* are missing"),
        ((0, 3, 7.4, 10), "unevenly spaced"),
        ((0, 3, 6, 6), "1 of the 4 slices .* have the same position as another one"),
    ],
)
def test_slices_that_make_no_volume_are_refused(tmp_path, heights, words):
    write_pet(tmp_path, positions=[(0, 0, height) for height in heights])
    with pytest.raises(MedSynthError, match=words):
        read_volume(tmp_path)


@pytest.mark.parametrize(("kind", "called"), [("DYNAMIC", "time frames"), ("GATED", "gates")])
def test_dynamic_and_gated_series_are_refused_with_their_number_of_frames(tmp_path, kind, called):
    heights = (0, 3, 6) * 4
    write_pet(tmp_path, positions=[(0, 0, height) for height in heights], SeriesType=[kind, "IMAGE"])
    with pytest.raises(MedSynthError, match=rf"is {kind.lower()} and has 4 {called} at one position; export one"):
        read_volume(tmp_path)


def test_a_single_frame_of_a_dynamic_series_is_read(tmp_path):
    late = {"AcquisitionTime": "112000", "FrameReferenceTime": 1349605}
    write_pet(tmp_path, SeriesType=["DYNAMIC", "IMAGE"], NumberOfTimeSlices=45, **late)
    assert np.allclose(read_volume(tmp_path).voxels, stored_pixels(3) * 2.5 * FACTOR, rtol=1e-6)


def test_negative_values_stay(tmp_path):
    pixels = stored_pixels(3, dtype="int16") - 30
    write_pet(tmp_path, pixels=pixels)
    volume = read_volume(tmp_path)
    assert volume.voxels.min() < 0 and np.allclose(volume.voxels, pixels * 2.5 * FACTOR, rtol=1e-6)


def test_a_volume_without_counts_is_no_suv(tmp_path):
    write_pet(tmp_path, pixels=np.zeros((3, 4, 5), np.uint16))
    for unit in ("", "SUVbw"):
        with pytest.raises(MedSynthError, match="All values of the series .* are zero, so it shows no uptake"):
            read_volume(tmp_path, unit=unit)


@pytest.mark.parametrize("slope", [None, "0", "nan"])
def test_a_slice_without_a_slope_is_refused(tmp_path, slope):
    write_pet(tmp_path, per_slice=[{}, {"RescaleSlope": slope}, {}])
    with pytest.raises(MedSynthError, match=r"slice001\.dcm has no (valid )?Rescale Slope \(0028,1053\)"):
        read_volume(tmp_path)


def test_an_intercept_is_refused(tmp_path):
    write_pet(tmp_path, RescaleIntercept=-7)
    for unit in ("", "Bq/mL"):
        with pytest.raises(MedSynthError, match=r"Rescale Intercept \(0028,1052\) -7, which must be 0 in a PET"):
            read_volume(tmp_path, unit=unit)


def test_an_invalid_number_is_refused(tmp_path):
    for path in write_pet(tmp_path):
        content = path.read_bytes()
        at = content.index(b"\x10\x00\x30\x10DS") + 8
        path.write_bytes(content[:at] + b"7O" + content[at + 2 :])
    with pytest.raises(MedSynthError, match=r"Patient's Weight \(0010,1030\) .*(not a number|no valid value)"):
        read_volume(tmp_path, unit="SUVbw")


def test_metadata_says_how_the_suv_came_about_and_names_no_patient(tmp_path):
    write_pet(tmp_path)
    metadata = read_volume(tmp_path).metadata
    assert metadata["series_digest"] == digest("1.2.3.4") and metadata["suv"]["dose_bq"] == 368.08e6
    written = json.dumps(metadata)
    assert not any(secret in written for secret in ("Doe", "secret-17", "20250101", "100000", "1.2.3", "test series"))
