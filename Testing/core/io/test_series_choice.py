"""Which series of a folder is read, and what its tags say about modality and unit."""

from __future__ import annotations

import json

import pytest
from dicom_builder import CLASSES, write_series

from medsynth_core.errors import MedSynthError
from medsynth_core.io.identifiers import FRAME_OF_REFERENCE, SERIES, digest
from medsynth_core.io.reading import read_volume


def test_the_modality_chooses_among_series(tmp_path):
    write_series(tmp_path / "a", SeriesInstanceUID="1.1")
    write_series(tmp_path / "b", SeriesInstanceUID="1.2", modality="PT")
    write_series(tmp_path / "b" / "deeper", SeriesInstanceUID="1.3", modality="MR")
    read = {name: read_volume(tmp_path, modality=name) for name in ("CT", "PT", "MR")}
    assert {name: volume.metadata[SERIES] for name, volume in read.items()} == {
        "CT": digest("1.1"),
        "PT": digest("1.2"),
        "MR": digest("1.3"),
    }
    assert {name: volume.unit for name, volume in read.items()} == {"CT": "HU", "PT": "Bq/mL", "MR": ""}


def test_series_of_several_modalities_are_listed_and_none_is_guessed(tmp_path):
    write_series(tmp_path / "a", SeriesInstanceUID="1.1", SeriesDescription="thorax")
    write_series(tmp_path / "b", SeriesInstanceUID="1.2", SeriesDescription="FDG", modality="PT")
    with pytest.raises(MedSynthError) as refusal:
        read_volume(tmp_path)
    assert "contains 2 series: 'thorax' (CT, 3 slices, 1.1); 'FDG' (PT, 3 slices, 1.2)" in str(refusal.value)


def test_of_one_modality_the_only_plain_axial_volume_is_read(tmp_path):
    write_series(tmp_path / "plain", SeriesInstanceUID="1.1")
    write_series(tmp_path / "derived", SeriesInstanceUID="1.2", ImageType=["DERIVED", "SECONDARY", "MPR"])
    coronal = [1, 0, 0, 0, 0, -1]
    positions = [(0, 0, 0), (0, 2, 0)]
    write_series(tmp_path / "coronal", positions, SeriesInstanceUID="1.3", ImageOrientationPatient=coronal)
    write_series(tmp_path / "single", [(0, 0, 0)], SeriesInstanceUID="1.4")
    assert read_volume(tmp_path).metadata[SERIES] == digest("1.1")


def test_two_plain_volumes_are_listed(tmp_path):
    write_series(tmp_path / "a", SeriesInstanceUID="1.1", SeriesDescription="soft")
    write_series(tmp_path / "b", SeriesInstanceUID="1.2", SeriesDescription="lung")
    with pytest.raises(MedSynthError, match=r"'soft' \(CT, 3 slices, 1\.1\); 'lung' \(CT, 3 slices, 1\.2\)"):
        read_volume(tmp_path, modality="CT")


def test_one_file_means_its_series(tmp_path):
    write_series(tmp_path, SeriesInstanceUID="1.1", prefix="a")
    file = write_series(tmp_path, SeriesInstanceUID="1.2", prefix="b")[1]
    volume = read_volume(file)
    assert volume.metadata[SERIES] == digest("1.2")
    assert volume.shape == (3, 4, 5)


def test_a_file_needs_no_suffix_to_be_dicom(tmp_path):
    for number, path in enumerate(write_series(tmp_path)):
        path.rename(tmp_path / f"IM{number}")
    assert read_volume(tmp_path / "IM1").shape == (3, 4, 5)


def test_localizers_screenshots_and_other_files_are_passed_over(tmp_path):
    write_series(tmp_path, SeriesInstanceUID="1.1")
    scout = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
    write_series(tmp_path, [(0, 0, 0)], SeriesInstanceUID="1.2", prefix="scout", ImageType=scout)
    write_series(tmp_path, [(0, 0, 50)], SeriesInstanceUID="1.1", prefix="within", ImageType=scout)
    write_series(tmp_path, SeriesInstanceUID="1.3", prefix="screen", storage="screenshot")
    (tmp_path / "report.txt").write_text("no image")
    (tmp_path / "empty").write_bytes(b"")
    volume = read_volume(tmp_path)
    assert volume.metadata[SERIES] == digest("1.1")
    assert volume.metadata["NumberOfSlices"] == volume.shape[0] == 3


def test_a_folder_with_localizers_alone_is_refused(tmp_path):
    write_series(tmp_path, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"], SeriesDescription="scout")
    with pytest.raises(MedSynthError, match=r"no CT, PET or MR images other than localizers, only 'scout' \(CT"):
        read_volume(tmp_path)


def test_a_modality_that_contradicts_the_tags_is_refused(tmp_path):
    file = write_series(tmp_path, modality="MR")[0]
    for place in (tmp_path, file):
        with pytest.raises(MedSynthError, match=r"contains no CT images .* only 'test series' \(MR, 3 slices"):
            read_volume(place, modality="CT")


def test_a_unit_that_contradicts_the_tags_is_refused(tmp_path):
    write_series(tmp_path, modality="PT")
    with pytest.raises(MedSynthError, match="cannot be read in HU"):
        read_volume(tmp_path, unit="HU")
    assert read_volume(tmp_path, modality="PT", unit="Bq/mL").unit == "Bq/mL"
    write_series(tmp_path / "ct", SeriesInstanceUID="1.1")
    with pytest.raises(MedSynthError, match="are in HU according to its tags, not in SUVbw; use HU"):
        read_volume(tmp_path / "ct", unit="SUVbw")


def test_a_unit_that_the_tags_leave_open_may_be_stated(tmp_path):
    write_series(tmp_path / "mr", modality="MR")
    assert read_volume(tmp_path / "mr", unit="1").unit == "1"
    write_series(tmp_path / "ct", RescaleType="US")
    assert read_volume(tmp_path / "ct").unit == ""
    assert read_volume(tmp_path / "ct", unit="HU").unit == "HU"


@pytest.mark.parametrize(
    ("units", "kind", "unit"),
    [("GML", None, "SUVbw"), ("GML", "", "SUVbw"), ("GML", "BW", "SUVbw"), ("BQML", None, "Bq/mL")],
)
def test_pet_units_that_are_understood(tmp_path, units, kind, unit):
    write_series(tmp_path, modality="PT", Units=units, SUVType=kind)
    assert read_volume(tmp_path).unit == unit


@pytest.mark.parametrize(
    ("units", "kind", "words"),
    [
        ("PROPCNTS", None, "'PROPCNTS'"),
        ("GML", "BSA", "GML and SUV Type .* 'BSA'"),
        (None, None, "Units .* is missing"),
    ],
)
def test_pet_units_that_are_not_understood_are_refused(tmp_path, units, kind, words):
    write_series(tmp_path, modality="PT", Units=units, SUVType=kind)
    with pytest.raises(MedSynthError, match=words):
        read_volume(tmp_path)


def test_slices_in_different_units_are_refused(tmp_path):
    write_series(tmp_path, modality="PT", per_slice=[{}, {}, {"Units": "GML"}])
    with pytest.raises(MedSynthError, match=r"Units \(0054,1001\) differs between its slices \('BQML', 'GML'\)"):
        read_volume(tmp_path)


@pytest.mark.parametrize("tag", ["RescaleSlope", "RescaleIntercept"])
def test_a_ct_without_its_scale_is_not_in_hounsfield_units(tmp_path, tag):
    write_series(tmp_path, **{tag: None})
    with pytest.raises(MedSynthError, match="cannot be converted to Hounsfield units"):
        read_volume(tmp_path)


def test_a_ct_in_another_unit_is_refused(tmp_path):
    write_series(tmp_path, RescaleType="Z_EFF")
    with pytest.raises(MedSynthError, match=r"is in 'Z_EFF' \(Rescale Type\), not in Hounsfield units"):
        read_volume(tmp_path)


def test_metadata_tell_the_series_but_not_the_patient_or_study(tmp_path):
    write_series(tmp_path)
    metadata = read_volume(tmp_path).metadata
    assert metadata == {
        SERIES: digest("1.2.3.4"),
        FRAME_OF_REFERENCE: digest("1.2.3.5"),
        "NumberOfSlices": 3,
    }
    assert not any(word in json.dumps(metadata) for word in ("Doe", "secret", "test series", "1.2.3"))


def test_the_storage_class_decides_and_not_the_modality(tmp_path):
    write_series(tmp_path, modality="CT", storage="screenshot")
    assert CLASSES["screenshot"].endswith(".7")
    with pytest.raises(MedSynthError, match=r"'test series' \(other CT, 3 slices"):
        read_volume(tmp_path)
