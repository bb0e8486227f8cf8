"""What tells patients apart where the Patient ID was removed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from dicom_builder import SUV_TAGS, injection, item, write_series

from medsynth_core import MedSynthError, Progress
from medsynth_core.datasets.dicom_studies import cases_from_dicom

NOBODY = {"PatientID": "", "PatientName": ""}


def study(root: Path, number: int, place: str = "", modalities: tuple[str, ...] = ("CT", "PT"), **tags: Any) -> None:
    for modality in modalities:
        write_series(
            root / (place or f"s{number}") / modality,
            modality=modality,
            **{
                **({**SUV_TAGS, **injection()} if modality == "PT" else {}),
                "StudyInstanceUID": f"1.2.{number}",
                "SeriesInstanceUID": f"1.2.{number}.{len(modality) + ord(modality[0])}",
                **NOBODY,
                **tags,
            },
        )


def build(root: Path) -> tuple[list[str], str]:
    """Return the patient of each case, and the last line of the log."""
    told: list[str] = []
    cases = cases_from_dicom(root / "in", {"ct": "CT", "pet": "PT"}, root / "out", Progress(log=told.append))
    return [case.patient for case in cases], told[-1]


BORN = {"PatientBirthDate": "19500317", "PatientSex": "F"}


@pytest.mark.parametrize(
    ("tags", "evidence"),
    [
        ({"PatientName": "Doe^Jane"}, "name (2 studies)"),
        ({"OtherPatientIDs": ["17", "18"]}, "Other Patient IDs (2 studies)"),
        ({"OtherPatientIDsSequence": [item(PatientID="17")]}, "Other Patient IDs (2 studies)"),
        ({**BORN, "PatientID": "ANONYMOUS", "PatientName": "Anonymous"}, "birth date and sex (2 studies)"),
    ],
)
def test_other_evidence_gives_one_number(tmp_path, tags, evidence):
    for number in (1, 2):
        study(tmp_path / "in", number, **tags)
    patients, told = build(tmp_path)
    assert patients == ["001", "001"] and f"patients were told apart by {evidence}." in told


def test_a_folder_with_several_studies_beside_others_is_one_patient(tmp_path):
    for number, place in enumerate(("A/one", "A/two", "B/one"), start=1):
        study(tmp_path / "in", number, place)
    patients, told = build(tmp_path)
    assert patients == ["001", "002", "002"]
    assert "by folder (2 studies), nothing but the study (1 study). Studies without a Patient ID may be" in told


@pytest.mark.parametrize("tags", [{}, {"PatientBirthDate": "19000101", "PatientSex": "F"}, {"PatientID": "anonymous"}])
def test_studies_that_nothing_joins_are_patients_of_their_own_and_doubted(tmp_path, tags):
    for number in (1, 2):
        study(tmp_path / "in", number, **tags)
    patients, told = build(tmp_path)
    assert patients == ["001", "002"]
    assert "by nothing but the study (2 studies). Studies without a Patient ID may belong to one person" in told
    assert "correct the column patient of the manifest before it is split" in told


def test_a_series_without_an_id_has_that_of_its_study(tmp_path):
    study(tmp_path / "in", 1, modalities=("CT",), PatientID="P1")
    study(tmp_path / "in", 1, modalities=("PT",))
    patients, told = build(tmp_path)
    assert patients == ["001"] and "told apart by their Patient ID." in told


def test_studies_are_not_joined_to_one_case_by_a_birth_date_alone(tmp_path):
    study(tmp_path / "in", 1, modalities=("CT",), **BORN)
    study(tmp_path / "in", 2, modalities=("PT",), **BORN)
    with pytest.raises(MedSynthError, match="no usable DICOM study"):
        build(tmp_path)


def test_ids_that_differ_only_in_case_or_signs_are_doubted(tmp_path):
    for number, patient in enumerate(("AB-12", "ab12", "AB13")):
        study(tmp_path / "in", number, PatientID=patient)
    told: list[str] = []
    cases_from_dicom(tmp_path / "in", {"ct": "CT", "pet": "PT"}, tmp_path / "out", Progress(log=told.append))
    assert told[0].startswith("Patients 001 and 003 have IDs that differ only in letter case or signs")
    assert len(told) == 2
