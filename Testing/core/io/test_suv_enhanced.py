"""Enhanced (multi-frame) PET: functional groups are read like the tags of classic slices."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from dicom_builder import INJECTION, enhanced, item, stored_pixels
from pydicom.dataset import Dataset, FileDataset
from pydicom.uid import ImplicitVRLittleEndian

from medsynth_core.errors import MedSynthError
from medsynth_core.io.reading import read_volume

HEIGHTS = ((0, 0, 4), (0, 0, 0), (0, 0, 2))
SORTED = [1, 2, 0]
FACTOR = 70000 / (368.08e6 * 2 ** (-3600 / 6586.2))


def mapping(code: str, slope: float, intercept: float = 0) -> Dataset:
    units = [item(CodeValue=code, CodingSchemeDesignator="UCUM", CodeMeaning=code)]
    return item(MeasurementUnitsCodeSequence=units, RealWorldValueSlope=slope, RealWorldValueIntercept=intercept)


def enhanced_pet(*mappings: Dataset, positions: Any = HEIGHTS, **tags: Any) -> FileDataset:
    """Return an enhanced PET that was scanned an hour after the injection, its dose in MBq as there it must be."""
    stated = {
        "Units": None,
        "PatientWeight": 70,
        "PatientSize": 1.75,
        "PatientSex": "O",
        "DecayCorrected": "YES",
        "DecayCorrectionDateTime": "20250101110000",
        "AttenuationCorrected": "YES",
        "SeriesDate": "20250101",
        "SeriesTime": "143000",
        "AcquisitionDateTime": "20250101110000",
        "RadiopharmaceuticalInformationSequence": [item(**{**INJECTION, "RadionuclideTotalDose": 368.08})],
    }
    dataset = enhanced(stored_pixels(len(positions)), positions, "PT", **{**stated, **tags})
    (shared,) = dataset.SharedFunctionalGroupsSequence
    if mappings:
        shared.RealWorldValueMappingSequence = list(mappings)
    for number, group in enumerate(dataset.PerFrameFunctionalGroupsSequence):
        began = f"202501011{1 + number // 2}{number % 2 * 30:02d}00.00"
        group.FrameContentSequence = [item(FrameAcquisitionDateTime=began, FrameAcquisitionDuration=300000.0)]
    return dataset


def read(folder, dataset: FileDataset, unit: str = ""):
    dataset.save_as(folder / "enhanced.dcm", enforce_file_format=True)
    return read_volume(folder, modality="PT", unit=unit)


def test_activity_becomes_suv_by_the_decay_correction_time(tmp_path):
    volume = read(tmp_path, enhanced_pet(mapping("Bq/ml", 2.5)))
    assert volume.unit == "SUVbw"
    assert np.allclose(volume.voxels, stored_pixels(3)[SORTED] * 2.5 * FACTOR, rtol=1e-6)
    told = volume.metadata["suv"]
    assert told["reference_time"] == "Decay Correction DateTime (0018,9701)"
    # MBq is what the standard asks for there.
    assert told["dose_bq"] == pytest.approx(368.08e6) and "taken as" not in str(told["warnings"])


def test_the_mapping_counts_and_not_the_rescaling(tmp_path):
    volume = read(tmp_path, enhanced_pet(mapping("Bq/ml", 2.5, intercept=100)), unit="Bq/mL")
    assert np.allclose(volume.voxels, stored_pixels(3)[SORTED] * 2.5 + 100)


@pytest.mark.parametrize("code", ["{SUVbw}g/ml", "g/ml{SUVbw}"])
def test_of_several_mappings_the_one_to_suv_is_taken(tmp_path, code):
    volume = read(tmp_path, enhanced_pet(mapping("Bq/ml", 2.5), mapping(code, 0.01), DecayCorrected=None))
    assert volume.unit == "SUVbw"
    assert np.allclose(volume.voxels, stored_pixels(3)[SORTED] * 0.01)


def test_a_mapping_to_another_suv_is_converted(tmp_path):
    volume = read(tmp_path, enhanced_pet(mapping("g/ml{SUVibw}", 0.01)))
    assert np.allclose(volume.voxels, stored_pixels(3)[SORTED] * 0.01 * 70 / 69.405)


def test_frames_that_are_not_corrected_each_have_their_time(tmp_path):
    volume = read(tmp_path, enhanced_pet(mapping("Bq/ml", 1.0), DecayCorrected="NO", DecayCorrectionDateTime=None))
    rate = np.log(2) / 6586.2
    mean = (1 - np.exp(-rate * 300)) / (rate * 300)
    left = mean * np.exp(-rate * np.array([5400, 7200, 3600]))  # by height: frames 1, 2, 0
    assert np.allclose(volume.voxels, stored_pixels(3)[SORTED] * (70000 / 368.08e6 / left[:, None, None]), rtol=1e-6)


@pytest.mark.parametrize(
    ("tags", "words"),
    [
        ({"DecayCorrectionDateTime": None}, r"Decay Correction DateTime \(0018,9701\) is missing"),
        ({"DecayCorrected": None}, r"Decay Correction \(0054,1102\) is missing"),
        ({"PatientWeight": None}, r"Patient's Weight \(0010,1030\) is missing"),
    ],
)
def test_missing_tags_are_named(tmp_path, tags, words):
    with pytest.raises(MedSynthError, match=words):
        read(tmp_path, enhanced_pet(mapping("Bq/ml", 2.5), **tags), unit="SUVbw")


def test_frames_without_a_unit_are_refused(tmp_path):
    with pytest.raises(MedSynthError, match=r"Units \(0054,1001\) is missing"):
        read(tmp_path, enhanced_pet())


@pytest.mark.parametrize("code", ["kBq/ml", "%ID/g"])
def test_a_mapping_to_another_unit_is_refused_by_its_name(tmp_path, code):
    with pytest.raises(MedSynthError, match=f"its values are in '{code}' according to Units"):
        read(tmp_path, enhanced_pet(mapping(code, 2.5)))


def test_a_lookup_table_is_refused_for_that_reason(tmp_path):
    table = mapping("Bq/ml", 0)
    del table.RealWorldValueSlope, table.RealWorldValueIntercept
    table.RealWorldValueLUTData = [float(number) for number in range(60)]
    with pytest.raises(MedSynthError, match=r"lookup table \(Real World Value LUT Data\) instead of slope"):
        read(tmp_path, enhanced_pet(table))


def ranged(code: str, slope: float, first: float, last: float, prefix: str = "") -> Dataset:
    """Return a mapping that is valid from one stored value to another."""
    made = mapping(code, slope)
    ends = {"First": first, "Last": last}
    for end, value in ends.items():
        setattr(made, f"{prefix}RealWorldValue{end}ValueMapped", float(value) if prefix else value)
    return made


# The stored values are 0 to 19, 20 to 39 and 40 to 59.
@pytest.mark.parametrize("prefix", ["", "DoubleFloat"])
def test_the_mapping_counts_whose_range_holds_the_values_of_the_frame(tmp_path, prefix):
    pieces = [("Bq/ml", 9.0, 60, 99), ("Bq/ml", 3.0, 0, 39), ("Bq/ml", 2.5, 40, 59)]
    volume = read(tmp_path, enhanced_pet(*(ranged(*piece, prefix) for piece in pieces)), unit="Bq/mL")
    slopes = np.array([3.0, 2.5, 3.0])[:, None, None]  # by height: frames 1, 2, 0
    assert np.allclose(volume.voxels, stored_pixels(3)[SORTED] * slopes)


def test_a_preferred_unit_that_is_not_valid_for_the_values_gives_way(tmp_path):
    other = [ranged("g/ml{SUVbw}", 0.01, 60, 99), ranged("Bq/ml", 2.5, 0, 59)]
    volume = read(tmp_path, enhanced_pet(*other))
    assert np.allclose(volume.voxels, stored_pixels(3)[SORTED] * 2.5 * FACTOR, rtol=1e-6)


@pytest.mark.parametrize("ranges", [[(0, 58)], [(1, 59)], [(100, 200)], [(0, 30), (31, 59)]])
def test_values_outside_every_range_are_refused(tmp_path, ranges):
    with pytest.raises(
        MedSynthError, match=r"Frame \d of .*Real World Value Mapping Sequence \(0040,9096\) defines a unit only for"
    ):
        read(tmp_path, enhanced_pet(*(ranged("Bq/ml", 2.5, *each) for each in ranges)))


def test_several_time_frames_are_refused(tmp_path):
    dynamic = {"ImageType": ["ORIGINAL", "PRIMARY", "DYNAMIC", "NONE"]}
    with pytest.raises(MedSynthError, match="is dynamic and has 2 time frames at one position"):
        read(tmp_path, enhanced_pet(mapping("Bq/ml", 2.5), positions=HEIGHTS * 2, **dynamic))


def test_a_converted_classic_series_keeps_its_tags_in_its_frames(tmp_path):
    plain = dict.fromkeys(("DecayCorrected", "DecayCorrectionDateTime", "AttenuationCorrected", "SeriesTime"))
    dataset = enhanced_pet(**plain, SOPClassUID="1.2.840.10008.5.1.4.1.1.128.1")
    (shared,) = dataset.SharedFunctionalGroupsSequence
    shared.PixelValueTransformationSequence = [item(RescaleSlope=2.5, RescaleIntercept=0, RescaleType="US")]
    classic = item(Units="BQML", DecayCorrection="START", CorrectedImage=["ATTN", "DECY"], SeriesTime="110000")
    shared.UnassignedSharedConvertedAttributesSequence = [classic]
    volume = read(tmp_path, dataset)
    assert volume.metadata["suv"]["reference_time"] == "Series Time (0008,0031)"
    assert np.allclose(volume.voxels, stored_pixels(3)[SORTED] * 2.5 * FACTOR, rtol=1e-6)


def test_a_range_of_signed_pixels_is_signed_also_where_the_file_states_no_types(tmp_path):
    scale = ranged("Bq/ml", 2.5, -32768, 32767)
    for tag in ("RealWorldValueFirstValueMapped", "RealWorldValueLastValueMapped"):
        scale[tag].VR = "SS"
    dataset = enhanced_pet(scale)
    dataset.PixelRepresentation = 1
    dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    dataset.save_as(tmp_path / "enhanced.dcm", implicit_vr=True, little_endian=True)
    volume = read_volume(tmp_path, unit="Bq/mL")
    assert np.allclose(volume.voxels, stored_pixels(3)[SORTED] * 2.5)
