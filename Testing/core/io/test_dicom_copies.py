"""Files of a series that state one SOP Instance UID: copies count once, contradictions are refused."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from derived_helpers import ct_reference, synthetic
from dicom_builder import stored_pixels, write_pet, write_series
from pydicom import dcmread
from pydicom.dataset import FileDataset
from pydicom.uid import ImplicitVRLittleEndian, RLELossless

from medsynth_core.errors import MedSynthError
from medsynth_core.io.dicom.derived.series_writing import write_dicom
from medsynth_core.io.reading import read_volume


def copy_of(path: Path, name: str, edit: Callable[[FileDataset], None], **save: bool) -> Path:
    """Write a copy beside a file, with the same SOP Instance UID, after ``edit``."""
    dataset = dcmread(path)
    edit(dataset)
    copy = path.with_name(name)
    dataset.save_as(copy, **save)
    return copy


def stating(**tags: Any) -> Callable[[FileDataset], None]:
    """Return an edit that sets tags."""

    def edit(dataset: FileDataset) -> None:
        for keyword, value in tags.items():
            setattr(dataset, keyword, value)

    return edit


def other_pixels(dataset: FileDataset) -> None:
    dataset.PixelData = np.full((4, 5), 7, "uint16").tobytes()


def refuse(place: Path, *files: Path) -> None:
    with pytest.raises(MedSynthError) as refused:
        read_volume(place)
    message = str(refused.value)
    assert "have the same SOP Instance UID (0008,0018), but different content" in message
    assert all(str(file) in message for file in files)


@pytest.mark.parametrize("name", ["a first.dcm", "z last.dcm"])
def test_other_pixels_are_refused_whichever_file_comes_first(tmp_path, name):
    paths = write_series(tmp_path)
    copy = copy_of(paths[1], name, other_pixels)
    for place in (tmp_path, paths[0], copy):
        refuse(place, paths[1], copy)


@pytest.mark.parametrize(
    "change",
    [
        {"RescaleSlope": 2},
        {"RescaleIntercept": 0},
        {"ImagePositionPatient": [-10, -20, 9]},
        {"PixelSpacing": [1, 1]},
        {"PatientID": "another"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_another_scale_place_or_patient_is_refused(tmp_path, change):
    paths = write_series(tmp_path)
    copy = copy_of(paths[1], "copy.dcm", stating(**change))
    refuse(tmp_path, paths[1], copy)


def test_a_third_file_is_compared_too(tmp_path):
    paths = write_series(tmp_path)
    shutil.copy(paths[1], tmp_path / "z copy.dcm")
    refuse(tmp_path, paths[1], copy_of(paths[1], "z third.dcm", other_pixels))


def test_another_dose_of_a_pet_is_refused(tmp_path):
    paths = write_pet(tmp_path)

    def other_dose(dataset: FileDataset) -> None:
        dataset.RadiopharmaceuticalInformationSequence[0].RadionuclideTotalDose = 1e8

    refuse(tmp_path, paths[0], copy_of(paths[0], "copy.dcm", other_dose))


def implicit(dataset: FileDataset) -> None:
    dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian


@pytest.mark.parametrize(
    ("edit", "save"),
    [
        (lambda dataset: None, {}),
        (implicit, {"little_endian": True, "implicit_vr": True}),
        (lambda dataset: dataset.compress(RLELossless, generate_instance_uid=False), {}),
        (stating(InstitutionName="elsewhere"), {}),
    ],
    ids=["same", "implicit", "compressed", "another tag"],
)
def test_a_copy_that_was_sent_in_another_form_counts_once(tmp_path, edit, save):
    for path in write_series(tmp_path):
        copy_of(path, f"copy of {path.name}", edit, **save)
    volume = read_volume(tmp_path)
    assert np.array_equal(volume.voxels, stored_pixels(3).astype(int) - 1024)


def test_instances_of_two_series_are_not_taken_for_each_other(tmp_path):
    paths = write_series(tmp_path)
    for path in paths:
        copy_of(path, f"other {path.name}", stating(SeriesInstanceUID="1.2.3.9"))
    with pytest.raises(MedSynthError, match=re.escape("contains 2 series")):
        read_volume(tmp_path)


def test_a_copy_that_belongs_to_another_series_refuses_only_that_one(tmp_path):
    write_series(tmp_path)
    others = write_series(tmp_path, modality="MR", prefix="mr", SeriesInstanceUID="1.2.3.9")
    copy_of(others[0], "copy.dcm", other_pixels)
    assert read_volume(tmp_path, "CT").shape == (3, 4, 5)
    with pytest.raises(MedSynthError, match="different content"):
        read_volume(tmp_path, "MR")


def test_a_reference_with_two_versions_of_a_slice_is_refused(tmp_path):
    folder = ct_reference(tmp_path / "ct")
    path = sorted(folder.glob("*.dcm"))[0]
    copy_of(path, "copy.dcm", stating(SliceThickness=1))
    with pytest.raises(MedSynthError, match="different content"):
        write_dicom(synthetic(), tmp_path / "out", folder)


def utf8(dataset: FileDataset) -> None:
    dataset.decode()
    dataset.SpecificCharacterSet = "ISO_IR 192"


@pytest.mark.parametrize(
    "edit",
    [utf8, stating(PatientName="Mueller^J"), stating(SeriesDescription="copy"), stating(OtherPatientIDs="")],
    ids=["encoding", "corrected name", "description", "empty instead of absent"],
)
def test_copies_may_differ_in_what_says_nothing_of_the_image(tmp_path, edit):
    paths = write_series(tmp_path)
    for path in paths:
        copy_of(path, path.name, stating(SpecificCharacterSet="ISO_IR 100", PatientName="Müller^J"))
    copy_of(paths[1], "copy.dcm", edit)
    assert read_volume(tmp_path).shape[0] == len(paths)


def test_copies_of_a_localizer_do_not_count_for_the_series(tmp_path):
    paths = write_series(tmp_path)
    localizer = stating(ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"], SOPInstanceUID="1.2.3")
    for number, name in enumerate(("l1.dcm", "l2.dcm")):
        made = copy_of(paths[0], name, localizer)
        copy_of(made, name, stating(RescaleSlope=str(number + 1)))
    assert read_volume(tmp_path).shape[0] == len(paths)
