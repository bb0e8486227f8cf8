"""Impossible values in a DICOM header end in one sentence that names file and tag."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from derived_helpers import enhanced_pet_reference, pet_reference, synthetic
from dicom_builder import enhanced, stored_pixels, write_pet, write_series
from pydicom import dcmread
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from medsynth_core.errors import MedSynthError
from medsynth_core.io.dicom.derived.series_writing import write_dicom
from medsynth_core.io.reading import read_volume

HEIGHTS = ((0, 0, 0), (0, 0, 2), (0, 0, 4))
NO_NUMBERS = ("1,5", "1\\2", "1\\2\\3\\4", "abc", "1\\abc", "inf", "nan", "1e999")
TAGS = {
    "RescaleSlope": "(0028,1053)",
    "RescaleIntercept": "(0028,1052)",
    "SliceThickness": "(0018,0050)",
    "PixelSpacing": "(0028,0030)",
    "ImagePositionPatient": "(0020,0032)",
    "ImageOrientationPatient": "(0020,0037)",
    "NumberOfFrames": "(0028,0008)",
}


def set_raw(dataset: Dataset, keyword: str, content: bytes, vr: str = "") -> None:
    """Put bytes into an element as a file holds them, which pydicom would not let a program write."""
    tag = Tag(tag_for_keyword(keyword))
    content += b" " * (len(content) % 2)
    dataset._dict[tag] = RawDataElement(tag, vr or dictionary_VR(tag), len(content), content, 0, False, True)


def spoil(path, keyword: str, text: str, **vr: str) -> None:
    dataset = dcmread(path)
    set_raw(dataset, keyword, text.encode(), **vr)
    dataset.save_as(path, enforce_file_format=True)


def refusal(place) -> str:
    with pytest.raises(MedSynthError) as refused:
        read_volume(place)
    assert "\n" not in refused.value.message and refused.value.message.endswith(".")
    return refused.value.message


@pytest.mark.parametrize(
    ("keyword", "text"), [pair for pair in product(TAGS, NO_NUMBERS) if pair != ("PixelSpacing", "1\\2")]
)
def test_what_is_no_number_is_refused_by_file_and_tag(tmp_path, keyword, text):
    spoil(write_pet(tmp_path)[1], keyword, text)
    message = refusal(tmp_path)
    assert "slice001.dcm" in message and TAGS[keyword] in message


@pytest.mark.parametrize("modality", ["CT", "MR"])
@pytest.mark.parametrize("keyword", TAGS)
def test_a_first_slice_of_any_modality_is_refused_alike(tmp_path, modality, keyword):
    spoil(write_series(tmp_path, modality=modality)[0], keyword, "1,5")
    message = refusal(tmp_path)
    assert "slice000.dcm" in message and TAGS[keyword] in message


@pytest.mark.parametrize("text", ["0\\0", "-0.8\\-0.6", "0.8\\0"])
def test_pixels_without_a_size_are_refused(tmp_path, text):
    for path in write_series(tmp_path):
        spoil(path, "PixelSpacing", text)
    assert "slice000.dcm has no valid Pixel Spacing (0028,0030)" in refusal(tmp_path)


@pytest.mark.parametrize("text", ["1\\0\\0\\1\\0\\0", "0\\0\\0\\0\\0\\0"])
def test_directions_that_span_no_plane_are_refused(tmp_path, text):
    for path in write_series(tmp_path):
        spoil(path, "ImageOrientationPatient", text)
    refusal(tmp_path)


def test_a_spacing_that_is_not_needed_may_be_anything(tmp_path):
    spoil(write_series(tmp_path)[1], "SpacingBetweenSlices", "1,5")
    assert read_volume(tmp_path).shape == (3, 4, 5)


def test_the_choice_among_series_names_the_file_too(tmp_path):
    write_series(tmp_path / "a", SeriesInstanceUID="1.1")
    spoil(write_series(tmp_path / "b", SeriesInstanceUID="1.2")[0], "ImageOrientationPatient", "1,5")
    message = refusal(tmp_path)
    assert "slice000.dcm" in message and TAGS["ImageOrientationPatient"] in message


@pytest.mark.parametrize("keyword", ["Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit", "NumberOfSlices"])
@pytest.mark.parametrize("content", ["1", "abcd"])
def test_numbers_of_a_wrong_length_are_refused(tmp_path, keyword, content):
    dataset = dcmread(path := write_pet(tmp_path)[1])
    tag = Tag(tag_for_keyword(keyword))
    dataset._dict[tag] = RawDataElement(tag, "US", len(content), content.encode(), 0, False, True)
    dataset.save_as(path, enforce_file_format=True)
    assert "slice001.dcm" in refusal(tmp_path)


def test_two_identifiers_in_one_do_not_stop_the_search(tmp_path):
    spoil(write_series(tmp_path)[1], "SOPInstanceUID", "1.2\\3.4")
    assert read_volume(tmp_path).shape == (3, 4, 5)


@pytest.mark.parametrize(
    ("sequence", "keyword"),
    [
        ("PixelMeasuresSequence", "PixelSpacing"),
        ("PixelMeasuresSequence", "SliceThickness"),
        ("PlaneOrientationSequence", "ImageOrientationPatient"),
        ("PixelValueTransformationSequence", "RescaleSlope"),
    ],
)
@pytest.mark.parametrize("text", ["1,5", "1\\2\\3"])
def test_frames_of_an_enhanced_instance_are_held_to_the_same(tmp_path, sequence, keyword, text):
    dataset = enhanced(stored_pixels(3), HEIGHTS)
    set_raw(dataset.SharedFunctionalGroupsSequence[0][sequence].value[0], keyword, text.encode())
    dataset.save_as(tmp_path / "e.dcm", enforce_file_format=True)
    message = refusal(tmp_path)
    assert "e.dcm" in message and TAGS[keyword] in message


def test_groups_that_are_no_sequence_are_damage(tmp_path):
    dataset = enhanced(stored_pixels(3), HEIGHTS)
    dataset.add_new("SharedFunctionalGroupsSequence", "LO", "none")
    dataset.save_as(tmp_path / "e.dcm", enforce_file_format=True)
    assert "e.dcm is damaged" in refusal(tmp_path)


def test_a_mapping_of_values_that_is_no_number_is_refused(tmp_path):
    folder = enhanced_pet_reference(tmp_path / "pet")
    dataset = dcmread(path := folder / "enhanced.dcm")
    (shared,) = dataset.SharedFunctionalGroupsSequence
    shared.RealWorldValueMappingSequence[0].RealWorldValueSlope = [1.0, 2.0]
    dataset.save_as(path, enforce_file_format=True)
    assert "enhanced.dcm has no valid Real World Value Slope (0040,9225)" in refusal(folder)


def test_a_reference_to_write_beside_may_have_two_series_numbers(tmp_path):
    reference = pet_reference(tmp_path / "pet")
    for path in reference.iterdir():
        spoil(path, "SeriesNumber", "1\\2")
    written = write_dicom(synthetic(), tmp_path / "out", reference)
    assert np.allclose(read_volume(written).voxels, synthetic().voxels, rtol=1e-2, atol=1e-2)


def test_a_reference_that_cannot_be_used_leaves_nothing_behind(tmp_path):
    reference = pet_reference(tmp_path / "pet")
    spoil(next(reference.iterdir()), "PixelSpacing", "1,5")
    with pytest.raises(MedSynthError, match=r"Pixel Spacing \(0028,0030\)"):
        write_dicom(synthetic(), tmp_path / "out", reference)
    assert not (tmp_path / "out").exists()


def test_an_intercept_beyond_all_integers_is_not_wrapped_around(tmp_path):
    write_series(tmp_path, RescaleIntercept="1e39")
    with pytest.raises(MedSynthError, match="not finite"):
        read_volume(tmp_path)


@pytest.mark.parametrize("element", [b"\x10\x00\x20\x00LO", b"\x02\x00\x02\x00UI"])  # Patient ID; storage class
def test_an_element_of_an_unknown_type_is_damage(tmp_path, element):
    path = write_series(tmp_path)[1]
    content = path.read_bytes()
    at = content.index(element)
    path.write_bytes(content[: at + 4] + b"\x4c\x2a" + content[at + 6 :])
    with pytest.raises(MedSynthError, match=rf"{path.name} is damaged"):
        read_volume(tmp_path)


@pytest.mark.parametrize("bit", [0, 8, 14])
def test_a_high_bit_that_contradicts_the_stored_bits_is_refused(tmp_path, bit):
    write_series(tmp_path, HighBit=bit)
    with pytest.raises(MedSynthError, match="has no valid High Bit"):
        read_volume(tmp_path)
