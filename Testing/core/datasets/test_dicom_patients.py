"""What tells patients apart where the Patient ID was removed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from dicom_builder import SUV_TAGS, injection, item, write_series

from medsynth_core import MedSynthError, Progress
from medsynth_core.datasets.dicom_studies import cases_from_dicom
from medsynth_core.datasets.manifest import write_manifest

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


@pytest.mark.parametrize(
    ("patients", "sentence"),
    [
        (
            ({"PatientID": "AB-12"}, {"PatientID": "ab12"}, {"PatientID": "AB13"}),
            "Patients 001 and 003 have IDs that differ only in letter case, signs or leading zeros; if they are one",
        ),
        (({"PatientID": "0012345"}, {"PatientID": "12345"}), "Patients 001 and 002 have IDs that differ only in"),
        (({"PatientID": "A 1"}, {"PatientID": "A1"}), "Patients 001 and 002 have IDs that differ only in"),
        (
            (
                {"PatientID": "X7", "PatientName": "Meier^Hans", **BORN},
                {"PatientID": "Q9", "PatientName": "MEIER, Hans", **BORN},
            ),
            "Patients 001 and 002 have the same name and birth date, but different IDs; if they are one person, give",
        ),
        (
            ({"PatientID": "X7", "PatientName": "Meier^Hans", **BORN}, {"PatientName": "Meier^Hans", **BORN}),
            "Patients 001 and 002 have the same name and birth date, but different IDs",
        ),
        (({"PatientID": "01-012"}, {"PatientID": "11-002"}), ""),
        (({"PatientID": "12-34"}, {"PatientID": "1234"}), "Patients 001 and 002 have IDs that differ only in"),
        (
            tuple({"PatientID": f"{'0' * count}7"} for count in range(7)),
            "Patients 001, 002, 003, 004, 005 and 2 others have IDs that differ only in letter case",
        ),
        (
            (
                {"PatientID": "X7", "PatientName": "NAME^NONE", **BORN},
                {"PatientID": "Q9", "PatientName": "De-identified^Patient", **BORN},
            ),
            "",
        ),
        (({"PatientID": "X7", "PatientName": "Meier^Hans"}, {"PatientID": "Q9", "PatientName": "Meier^Hans"}), ""),
        (
            (
                {"PatientID": "X7", "PatientName": "Anonymous", **BORN},
                {"PatientID": "Q9", "PatientName": "Anonymous", **BORN},
            ),
            "",
        ),
        (
            (
                {"PatientID": "X7", "PatientName": "Meier^Hans", **BORN},
                {"PatientID": "Q9", "PatientName": "Meier^Eva", **BORN},
            ),
            "",
        ),
    ],
)
def test_patients_who_may_be_one_person_are_doubted(tmp_path, patients, sentence):
    for number, tags in enumerate(patients):
        study(tmp_path / "in", number, **tags)
    told: list[str] = []
    cases = cases_from_dicom(tmp_path / "in", {"ct": "CT", "pet": "PT"}, tmp_path / "out", Progress(log=told.append))
    doubts = [line for line in told if line.startswith("Patients ")]
    assert [line.startswith(sentence) for line in doubts] == [True] * bool(sentence)
    manifest = write_manifest(cases, tmp_path / "out" / "m.csv")
    assert "patient" in manifest.read_text().splitlines()[0].split(","), "the column that the sentence names is there"
