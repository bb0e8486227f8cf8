"""Series of a study are chosen for all roles together: each voxel value tells which one became the image."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dicom_builder import SUV_TAGS, injection, write_series

from medsynth_core import MedSynthError, Progress, read_volume
from medsynth_core.datasets.dicom_studies import cases_from_dicom

ROLES = {"ct": "CT", "pet": "PT"}
BASE = {"CT": {}, "MR": {}, "PT": {**SUV_TAGS, **injection(), "Units": "GML", "RescaleSlope": 1}}
OTHER_FRAME = {"FrameOfReferenceUID": "1.2.9"}


def add(root: Path, modality: str, value: int, slices: int = 6, start: float = 0.0, **tags: Any) -> None:
    """Write a series all of whose stored values are ``value``, from ``start`` mm along the patient."""
    step = tags.pop("step", 3.0)
    study = {"PatientID": "P1", "StudyInstanceUID": "1.2.1", "SeriesInstanceUID": f"1.2.1.{modality}.{value}"}
    study["SeriesInstanceUID"] = f"1.2.1.{['CT', 'MR', 'PT'].index(modality)}.{value}"
    write_series(
        root / f"{tags.get('StudyInstanceUID', '1.2.1')}-{modality}{value}",
        positions=[(-10, -20, start + step * number) for number in range(slices)],
        pixels=np.full((slices, 4, 5), value, np.uint16),
        modality=modality,
        **{"SliceThickness": step, **BASE[modality], **study, **tags},
    )


def build(root: Path, roles: dict[str, str] | None = None) -> tuple[dict[str, float], list[str]]:
    """Return the stored value of each image of the only case, and the log."""
    told: list[str] = []
    (case,) = cases_from_dicom(root / "in", roles or ROLES, root / "out", Progress(log=told.append))
    values = {role: float(read_volume(file).voxels.max()) for role, file in case.files.items()}
    return {role: value + 1024 if role == "ct" else value for role, value in values.items()}, told


@pytest.mark.parametrize(
    ("other", "why"),
    [
        ({"slices": 12, **OTHER_FRAME}, "it has the frame of reference of the other images"),
        ({"slices": 12, "start": 1000.0, **OTHER_FRAME}, "it has the frame of reference of the other images"),
        ({"slices": 12, "FrameOfReferenceUID": ""}, "it has the frame of reference of the other images"),
        ({"slices": 20, "step": 0.5}, "it covers best what the other images show"),
        ({"slices": 12, "start": 90.0}, "it covers best what the other images show"),
        ({"slices": 12, "step": 1.5, "ImageType": ["DERIVED", "PRIMARY", "MPR"]}, "it is neither derived nor"),
    ],
)
def test_the_ct_of_the_pet_is_used_though_another_has_more_slices(tmp_path, other, why):
    add(tmp_path / "in", "CT", 100)
    add(tmp_path / "in", "CT", 300, **other)
    add(tmp_path / "in", "PT", 5)
    values, told = build(tmp_path)
    assert values == {"ct": 100, "pet": 5}
    assert f"because {why}" in told[0] and len(told) == 2


def test_of_series_in_the_same_place_the_one_with_the_most_slices_is_used(tmp_path):
    add(tmp_path / "in", "CT", 100)
    add(tmp_path / "in", "CT", 300, slices=12, step=1.5)
    add(tmp_path / "in", "PT", 5)
    values, told = build(tmp_path)
    assert values["ct"] == 300 and "with 12 slices is used, because it has the most slices; not" in told[0]


@pytest.mark.parametrize(
    "tags",
    [
        {"SeriesType": ["GATED", "IMAGE"]},
        {"SeriesType": ["DYNAMIC", "IMAGE"]},
        {"ImageType": ["DERIVED", "SECONDARY", "MIP"]},
        {"SeriesDescription": "PET_MIP_Coronal"},
        {"SeriesDescription": "Fused PET/CT"},
    ],
)
def test_gates_and_projections_come_last(tmp_path, tags):
    add(tmp_path / "in", "CT", 100, slices=12)
    add(tmp_path / "in", "PT", 5)
    add(tmp_path / "in", "PT", 9, slices=12, **tags)
    values, told = build(tmp_path)
    assert values["pet"] == 5 and "the others are projections, or parts of a gated or dynamic series" in told[0]


def test_a_pet_that_contradicts_itself_comes_after_a_consistent_one(tmp_path):
    add(tmp_path / "in", "CT", 100)
    add(tmp_path / "in", "PT", 5)
    add(tmp_path / "in", "PT", 9, slices=8, CorrectedImage=["DECY"], AttenuationCorrectionMethod="CTAC")
    values, told = build(tmp_path)
    assert values["pet"] == 5 and "because it is the attenuation-corrected one" in told[0]


def test_the_pet_with_a_ct_in_its_frame_is_used(tmp_path):
    add(tmp_path / "in", "CT", 100)
    add(tmp_path / "in", "PT", 5)
    add(tmp_path / "in", "PT", 9, slices=12, **OTHER_FRAME)
    assert build(tmp_path)[0] == {"ct": 100, "pet": 5}


def test_series_that_nothing_tells_apart_are_said_to_be_so(tmp_path):
    add(tmp_path / "in", "CT", 100)
    add(tmp_path / "in", "PT", 5)
    add(tmp_path / "in", "PT", 6, SeriesDescription="PSF")
    values, told = build(tmp_path)
    assert values["pet"] == 5 and "because nothing tells them apart, and it comes first by its UID" in told[0]


@pytest.mark.parametrize(
    ("tags", "doubt"),
    [
        (OTHER_FRAME, "CT and PT have different frames of reference, so they may not be aligned; register them."),
        ({"start": 500.0}, "CT and PT do not overlap, so they do not show the same part of the patient."),
        ({"step": 1.0}, "the CT covers only 33% of the length of the PET."),
        ({"AcquisitionDate": "20150101"}, "the images were acquired 3653 days apart."),
    ],
)
def test_images_that_may_not_belong_together_are_doubted(tmp_path, tags, doubt):
    add(tmp_path / "in", "CT", 100, **tags)
    add(tmp_path / "in", "PT", 5)
    _, told = build(tmp_path)
    assert told[0] == f"001 (in .): {doubt}" and len(told) == 2


def mr_of_two_patients(root: Path) -> None:
    for patient, slices in (("A", (6, 8)), ("B", (8, 6))):
        where = {"PatientID": patient, "StudyInstanceUID": f"1.2.{ord(patient)}"}
        add(root, "CT", 100, slices=8, SeriesInstanceUID=f"1.3.{ord(patient)}.1", **where)
        for number, (name, count) in enumerate(zip(("T1 MPRAGE", "T2 FLAIR"), slices, strict=True)):
            tags = {"SeriesDescription": name, "SeriesInstanceUID": f"1.3.{ord(patient)}.{number + 2}", **where}
            add(root, "MR", 500 + number, slices=count, **tags)


def test_different_contrasts_of_mr_in_one_data_set_are_doubted(tmp_path):
    mr_of_two_patients(tmp_path / "in")
    told: list[str] = []
    cases_from_dicom(tmp_path / "in", {"ct": "CT", "mr": "MR"}, tmp_path / "out", Progress(log=told.append))
    assert "'mr' may have different contrasts: 'T2 FLAIR' in 001; 'T1 MPRAGE' in 002. Name the one" in told[2]


def test_the_contrast_can_be_named(tmp_path):
    mr_of_two_patients(tmp_path / "in")
    told: list[str] = []
    roles = {"t1": "MR:*t1*", "flair": "MR:*flair*", "ct": "CT"}
    cases = cases_from_dicom(tmp_path / "in", roles, tmp_path / "out", Progress(log=told.append))
    assert [read_volume(case.files["t1"]).voxels.max() for case in cases] == [500, 500]
    assert [read_volume(case.files["flair"]).voxels.max() for case in cases] == [501, 501]
    assert len(told) == 1
    with pytest.raises(MedSynthError, match=r"with MR \('\*dwi\*'\) images"):
        cases_from_dicom(tmp_path / "in", {"mr": "MR:*dwi*"}, tmp_path / "out2")


def test_the_same_contrast_under_several_names_is_not_doubted(tmp_path):
    for number, name in enumerate(("AX T1", "t1_tse_tra", "T1 SE 3mm")):
        where = {"PatientID": name, "StudyInstanceUID": f"1.2.{number}", "SeriesInstanceUID": f"1.3.{number}"}
        add(tmp_path / "in", "MR", 500, SeriesDescription=name, **where)
    told: list[str] = []
    cases_from_dicom(tmp_path / "in", {"mr": "MR"}, tmp_path / "out", Progress(log=told.append))
    assert len(told) == 1
