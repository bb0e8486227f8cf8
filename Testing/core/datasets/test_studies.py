"""DICOM studies become cases that name no patient."""

import numpy as np
import pytest
from dicom_builder import SUV_TAGS, injection, stored_pixels, write_series

from medsynth_core import MedSynthError, Progress, read_volume, write_dicom
from medsynth_core.datasets.studies import cases_from_dicom
from medsynth_core.io.sidecar import read_sidecar

ROLES = {"ct": "CT", "pet": "PT"}
PET_TAGS = {**SUV_TAGS, **injection()}


def study(root, patient, uid, modalities=("CT", "PT"), slices=3, **tags):
    for number, modality in enumerate(modalities):
        write_series(
            root / patient / uid / f"{number}{modality}",
            positions=[(-10, -20, 3 * k) for k in range(slices + number)],
            pixels=stored_pixels(slices + number) + 7 * number,
            modality=modality,
            PatientID=patient,
            StudyInstanceUID=uid,
            SeriesInstanceUID=f"{uid}.{number}",
            **{**(PET_TAGS if modality == "PT" else {}), **tags},
        )


def test_each_study_with_all_images_is_a_case_with_their_values_and_units(tmp_path):
    study(tmp_path / "in", "STS_008", "1.2.1")
    study(tmp_path / "in", "STS_008", "1.2.2")
    study(tmp_path / "in", "secret", "1.2.3")
    cases = cases_from_dicom(tmp_path / "in", ROLES, tmp_path / "out")
    assert [(case.name, case.patient) for case in cases[:2]] == [("STS_008-1", "STS_008"), ("STS_008-2", "STS_008")]
    for role, name, unit in (("ct", "0CT", "HU"), ("pet", "1PT", "SUVbw")):
        written = read_volume(cases[0].files[role])
        source = read_volume(tmp_path / "in" / "STS_008" / "1.2.1" / name)
        assert np.array_equal(written.voxels, source.voxels) and written.same_grid(source)
        assert (written.modality, written.unit) == (source.modality, unit)


def test_no_patient_is_named_in_clear(tmp_path):
    names = {
        "secret": "Doe^Jane",
        "JANE1970": "Doe^Jane",
        "a code that is far too long 1": "Doe^Jane",
        "X7": "Doe^Jane",
    }
    for number, (patient, name) in enumerate(names.items()):
        study(tmp_path / "in", patient, f"1.2.{number}", PatientName=name)
    cases = cases_from_dicom(tmp_path / "in", ROLES, tmp_path / "out")
    assert len({case.patient for case in cases}) == 4 and "X7" in {case.patient for case in cases}
    written = "".join(str(path.relative_to(tmp_path)) for path in (tmp_path / "out").rglob("*"))
    written += "".join(path.read_text() for path in (tmp_path / "out").rglob("*.json"))
    assert not any(word in written.lower() for word in ("secret", "jane", "doe", "too long", "1.2.3"))
    assert set(read_sidecar(cases[0].files["ct"])) == {"modality", "unit", "medsynth_version", "source"}


def test_of_several_series_the_one_with_most_slices_is_taken_and_that_is_told(tmp_path):
    study(tmp_path / "in", "P1", "1.2.1", ("CT", "CT", "PT"), slices=3)
    told = []
    (case,) = cases_from_dicom(tmp_path / "in", ROLES, tmp_path / "out", Progress(log=told.append))
    assert read_volume(case.files["ct"]).shape[0] == 4
    assert len(told) == 1 and "most slices" in told[0] and "P1" in told[0]


def test_images_of_several_studies_of_a_patient_make_a_case_where_no_study_has_them_all(tmp_path):
    study(tmp_path / "in", "P1", "1.2.1", ("CT",))
    study(tmp_path / "in", "P1", "1.2.2", ("MR",))
    (case,) = cases_from_dicom(tmp_path / "in", {"ct": "CT", "mr": "MR"}, tmp_path / "out")
    assert case.name == "P1" and read_volume(case.files["mr"]).modality == "MR"


def test_studies_that_cannot_be_used_are_left_out_and_that_is_told(tmp_path):
    study(tmp_path / "in", "P1", "1.2.1")
    study(tmp_path / "in", "P2", "1.2.2", ("CT",))
    write_series(
        tmp_path / "in" / "P3",
        positions=[(0, 0, 0), (0, 0, 3), (0, 0, 9)],
        PatientID="P3",
        StudyInstanceUID="1.2.3",
        SeriesInstanceUID="1.2.3.1",
    )
    write_series(
        tmp_path / "in" / "P3pet", modality="PT", PatientID="P3", StudyInstanceUID="1.2.3", SeriesInstanceUID="1.2.3.2"
    )
    told = []
    cases = cases_from_dicom(tmp_path / "in", ROLES, tmp_path / "out", Progress(log=told.append))
    assert [case.name for case in cases] == ["P1"]
    assert len(told) == 2 and "P2 is left out: it has no PT" in told[0]
    assert "P3 is left out" in told[1] and "missing" in told[1]


def test_a_pet_that_cannot_be_suv_is_left_out_with_the_reason_for_a_set_has_one_unit(tmp_path):
    study(tmp_path / "in", "P1", "1.2.1")
    study(tmp_path / "in", "P2", "1.2.2", PatientWeight=None)
    told = []
    cases = cases_from_dicom(tmp_path / "in", ROLES, tmp_path / "out", Progress(log=told.append))
    assert [(case.name, read_volume(case.files["pet"]).unit) for case in cases] == [("P1", "SUVbw")]
    (why,) = told
    assert why.startswith("P2 is left out: ") and "Patient's Weight (0010,1030) is missing or 0" in why
    assert not (tmp_path / "out" / "P2").exists()


def test_a_synthetic_series_is_no_data_to_train_with_and_that_is_told(tmp_path):
    study(tmp_path / "in", "P1", "1.2.1")
    study(tmp_path / "in", "P2", "1.2.2", ("CT",))
    for patient, uid in (("P1", "1.2.1"), ("P2", "1.2.2")):
        ct = read_volume(tmp_path / "in" / patient / uid / "0CT")
        pet = ct.replace(voxels=np.full((3, 4, 5), 7.0), modality="PT", unit="SUVbw", metadata={"model": "tiny"})
        write_dicom(pet, tmp_path / "in" / patient / uid / "made", tmp_path / "in" / patient / uid / "0CT")
    told = []
    (case,) = cases_from_dicom(tmp_path / "in", ROLES, tmp_path / "out", Progress(log=told.append))
    assert case.name == "P1" and read_volume(case.files["pet"]).shape[0] == 4
    mark = "the PT series 'SYNTHETIC - not for diagnosis: PT (tiny)' is left out, because it is synthetic."
    assert told == [f"P1: {mark}", f"P2: {mark}", "P2 is left out: it has no PT images."]


@pytest.mark.parametrize(
    ("roles", "words"),
    [
        ({"ct": "CT", "mr": "MR"}, "no DICOM study with CT and MR"),
        ({"ct": "NM"}, "modality 'NM'"),
        ({"t1": "MR", "t2": "MR"}, "Several roles have the modality MR"),
    ],
)
def test_roles_that_cannot_be_found_are_refused(tmp_path, roles, words):
    study(tmp_path / "in", "P1", "1.2.1")
    with pytest.raises(MedSynthError, match=words):
        cases_from_dicom(tmp_path / "in", roles, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_real_study_becomes_a_case(shared_data, tmp_path):
    import zipfile

    with zipfile.ZipFile(shared_data / "sts-dicom" / "STS_008.zip") as archive:
        archive.extractall(tmp_path / "in")
    (case,) = cases_from_dicom(tmp_path / "in", {**ROLES, "mr": "MR"}, tmp_path / "out")
    ct, reference = (
        read_volume(case.files["ct"]),
        read_volume(shared_data / "sts" / "STS_008" / "ct.nii.gz", "CT", "HU"),
    )
    assert read_volume(case.files["pet"]).unit == "SUVbw" and ct.unit == "HU"
    assert abs(ct.spacing[2] - reference.spacing[2]) < 1e-3
