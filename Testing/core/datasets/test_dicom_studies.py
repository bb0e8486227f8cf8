"""Cases from DICOM studies, without identifying the patient."""

import os
import stat

import numpy as np
import pytest
from dicom_builder import SUV_TAGS, injection, stored_pixels, write_series
from pydicom import dcmread

from medsynth_core import MedSynthError, Progress, read_volume, write_dicom
from medsynth_core.datasets import dicom_studies, identities
from medsynth_core.datasets.dicom_studies import cases_from_dicom
from medsynth_core.datasets.identities import FILE, Identities
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
    assert [(case.name, case.patient) for case in cases[:2]] == [("001", "001"), ("001-2", "001")]
    for role, name, unit in (("ct", "0CT", "HU"), ("pet", "1PT", "SUVbw")):
        written = read_volume(cases[0].files[role])
        source = read_volume(tmp_path / "in" / "STS_008" / "1.2.1" / name)
        assert np.array_equal(written.voxels, source.voxels) and written.same_grid(source)
        assert (written.modality, written.unit) == (source.modality, unit)


def test_no_patient_name_is_written(tmp_path):
    names = {
        "secret": "Doe^Jane",
        "JANE1970": "Doe^Jane",
        "a code that is far too long 1": "Doe^Jane",
        "X7": "Doe^Jane",
    }
    for number, (patient, name) in enumerate(names.items()):
        study(tmp_path / "in", patient, f"1.2.{number}", PatientName=name)
    cases = cases_from_dicom(tmp_path / "in", ROLES, tmp_path / "out")
    assert [case.patient for case in cases] == ["001", "002", "003", "004"]
    written = "".join(str(path.relative_to(tmp_path)) for path in (tmp_path / "out").rglob("*"))
    written += "".join(path.read_text() for path in (tmp_path / "out").rglob("*.json"))
    assert not any(word in written.lower() for word in ("secret", "jane", "doe", "too long", "x7", "1.2.3", "test"))
    assert set(read_sidecar(cases[0].files["ct"])) == {"modality", "unit", "medsynth_version", "source"}


def test_a_case_is_built_from_several_studies_if_none_has_all_images(tmp_path):
    study(tmp_path / "in", "P1", "1.2.1", ("CT",))
    study(tmp_path / "in", "P1", "1.2.2", ("MR",))
    (case,) = cases_from_dicom(tmp_path / "in", {"ct": "CT", "mr": "MR"}, tmp_path / "out")
    assert case.name == "001" and read_volume(case.files["mr"]).modality == "MR"


def test_unusable_studies_are_skipped_and_reported(tmp_path):
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
    assert [case.name for case in cases] == ["001"]
    assert "P2/1.2.2/0CT is skipped: it has no PT" in told[0]
    assert "is skipped: " in told[1] and "missing" in told[1]


def test_a_pet_that_cannot_be_converted_to_suv_is_skipped_with_the_reason(tmp_path):
    study(tmp_path / "in", "P1", "1.2.1")
    study(tmp_path / "in", "P2", "1.2.2", PatientWeight=None)
    told = []
    cases = cases_from_dicom(tmp_path / "in", ROLES, tmp_path / "out", Progress(log=told.append))
    assert [(case.name, read_volume(case.files["pet"]).unit) for case in cases] == [("001", "SUVbw")]
    why = told[0]
    assert why.startswith("002 (in P2/1.2.2) is skipped: ") and "Patient's Weight (0010,1030) is missing or 0" in why
    assert not (tmp_path / "out" / "002").exists()


def test_a_synthetic_series_is_skipped_and_reported(tmp_path):
    study(tmp_path / "in", "P1", "1.2.1")
    study(tmp_path / "in", "P2", "1.2.2", ("CT",))
    for patient, uid in (("P1", "1.2.1"), ("P2", "1.2.2")):
        ct = read_volume(tmp_path / "in" / patient / uid / "0CT")
        pet = ct.replace(voxels=np.full((3, 4, 5), 7.0), modality="PT", unit="SUVbw", metadata={"model": "tiny"})
        write_dicom(pet, tmp_path / "in" / patient / uid / "made", tmp_path / "in" / patient / uid / "0CT")
    told = []
    (case,) = cases_from_dicom(tmp_path / "in", ROLES, tmp_path / "out", Progress(log=told.append))
    assert case.name == "001" and read_volume(case.files["pet"]).shape[0] == 4
    mark = "the PT series 'SYNTHETIC - not for diagnosis: PT (tiny)' is skipped because it is synthetic."
    assert told[:2] == [f"P1/1.2.1/made: {mark}", f"P2/1.2.2/made: {mark}"]
    assert told[2] == "P2/1.2.2/0CT is skipped: it has no PT images."


NAC = {"CorrectedImage": ["NORM", "DTIM", "RAN", "DECY"]}
AC = {"CorrectedImage": SUV_TAGS["CorrectedImage"]}
NOT_STATED = {"CorrectedImage": None}


def pet_study(root, series, order=1):
    """A CT and PET series of SUV 1, 2, …: tags and number of slices of each; ``order`` -1 reverses files and UIDs."""
    study(root, "P1", "1.2.1", ("CT",))
    for number, (tags, slices) in enumerate(series):
        place = number if order > 0 else len(series) - number
        write_series(
            root / "P1" / f"{place}",
            positions=[(-10, -20, 3 * k) for k in range(slices)],
            pixels=np.full((slices, 4, 5), 1000 * (number + 1), np.uint16),
            modality="PT",
            PatientID="P1",
            StudyInstanceUID="1.2.1",
            SeriesInstanceUID=f"1.2.1.9.{place}",
            **{**PET_TAGS, "Units": "GML", "RescaleSlope": "0.001", **tags},
        )


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("slices", [(6, 6), (6, 7), (7, 6)])
@pytest.mark.parametrize(
    ("good", "bad"),
    [
        (AC, NAC),
        (AC, {**NAC, "Units": "PROPCNTS"}),
        (AC, {"SeriesDescription": "WB_NAC"}),
        ({**NOT_STATED, "SeriesDescription": "PET AC"}, {**NOT_STATED, "SeriesDescription": "PET NAC"}),
        ({**NOT_STATED, "SeriesDescription": "AC"}, {**NOT_STATED, "SeriesDescription": "PET WB Uncorrected"}),
        (
            {**NOT_STATED, "AttenuationCorrectionMethod": "measured,AC_CT"},
            {**NOT_STATED, "AttenuationCorrectionMethod": "NONE, 0.096 cm-1"},
        ),
        ({"AttenuationCorrected": "YES", **NOT_STATED}, {"AttenuationCorrected": "NO", **NOT_STATED}),
        (AC, {**NOT_STATED, "SeriesDescription": "PET 3D"}),
        (AC, {"ImageType": ["DERIVED", "SECONDARY", "MIP"]}),
    ],
)
def test_the_attenuation_corrected_series_is_used_in_every_order(tmp_path, good, bad, slices, order):
    pet_study(tmp_path / "in", [(good, slices[0]), (bad, slices[1])], order)
    told = []
    (case,) = cases_from_dicom(tmp_path / "in", ROLES, tmp_path / "out", Progress(log=told.append))
    assert np.allclose(read_volume(case.files["pet"]).voxels, 1.0)
    assert "of 2 PT series" in told[0] and "is used, because " in told[0]


def test_a_study_whose_only_pet_is_not_corrected_is_skipped(tmp_path):
    pet_study(tmp_path / "in", [({**NAC, "SeriesDescription": "PET NAC"}, 6)])
    told = []
    with pytest.raises(MedSynthError, match="no usable DICOM study"):
        cases_from_dicom(tmp_path / "in", ROLES, tmp_path / "out", Progress(log=told.append))
    assert "its PT series 'PET NAC' is not attenuation-corrected" in told[0]
    assert not (tmp_path / "out").exists()


def test_another_corrected_series_is_used_if_the_best_one_cannot_be_converted(tmp_path):
    pet_study(tmp_path / "in", [({**AC, "Units": "PROPCNTS"}, 7), (AC, 6), (NAC, 8)])
    told = []
    (case,) = cases_from_dicom(tmp_path / "in", ROLES, tmp_path / "out", Progress(log=told.append))
    assert np.allclose(read_volume(case.files["pet"]).voxels, 2.0)
    assert "the next series is tried" in told[0] and "PROPCNTS" in told[0]


def test_what_the_reader_doubts_is_logged_and_kept(tmp_path):
    pet_study(tmp_path / "in", [({**NOT_STATED, "SeriesDescription": "PET"}, 6)])
    told = []
    (case,) = cases_from_dicom(tmp_path / "in", ROLES, tmp_path / "out", Progress(log=told.append))
    (doubt,) = read_sidecar(case.files["pet"])["suv"]["warnings"]
    assert "does not list ATTN" in doubt and told[0] == f"001 (in P1): warning: {doubt}"


def test_numbers_stay_when_a_folder_is_extended(tmp_path):
    study(tmp_path / "in", "B", "1.2.2")
    study(tmp_path / "in", "C", "1.2.3")
    first = cases_from_dicom(tmp_path / "in", ROLES, tmp_path / "out")
    study(tmp_path / "in", "A", "1.2.1")
    study(tmp_path / "in", "B", "1.2.4")
    second = cases_from_dicom(tmp_path / "in", ROLES, tmp_path / "out")
    assert [case.name for case in first] == ["001", "002"]
    assert [case.name for case in second] == ["003", "001", "001-2", "002"]
    assert [case.patient for case in second] == ["003", "001", "001", "002"]
    table = (tmp_path / "out" / FILE).read_text().splitlines()
    assert table[0] == "case,patient,patient_id,study" and "001-2,001,B,1.2.4" in table
    assert os.name != "posix" or (tmp_path / "out" / FILE).stat().st_mode & 0o077 == 0


def test_patients_of_earlier_conversions_keep_their_numbers(tmp_path):
    study(tmp_path / "a", "B", "1.2.2")
    study(tmp_path / "b", "A", "1.2.1")
    study(tmp_path / "b", "B", "1.2.3")
    cases_from_dicom(tmp_path / "a", ROLES, tmp_path / "first")
    cases = cases_from_dicom(tmp_path / "b", ROLES, tmp_path / "second", known=[tmp_path / "first"])
    assert [(case.name, case.patient) for case in cases] == [("002", "002"), ("001-2", "001")]


@pytest.mark.parametrize("content", ["some,other\n1,2\n", "case,patient,patient_id,study\n../x,001,B,1.2.2\n"])
def test_a_damaged_table_of_numbers_is_not_overwritten(tmp_path, content):
    study(tmp_path / "in", "B", "1.2.2")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / FILE).write_text(content)
    with pytest.raises(MedSynthError, match="identities.csv.* cannot be read"):
        cases_from_dicom(tmp_path / "in", ROLES, tmp_path / "out")
    assert (tmp_path / "out" / FILE).read_text() == content


def test_without_a_patient_id_the_name_tells_the_patient(tmp_path):
    for number, name in enumerate(("Doe^Jane", "Doe^Jane", "Roe^Mary")):
        study(tmp_path / "in", f"{number}", f"1.2.{number}", PatientName=name)
    for path in (tmp_path / "in").rglob("*.dcm"):
        dataset = dcmread(path)
        dataset.PatientID = ""
        dataset.save_as(path)
    cases = cases_from_dicom(tmp_path / "in", ROLES, tmp_path / "out")
    assert [(case.name, case.patient) for case in cases] == [("001", "001"), ("001-2", "001"), ("002", "002")]


@pytest.mark.parametrize(
    ("roles", "words"),
    [
        ({"ct": "CT", "mr": "MR"}, "no usable DICOM study with CT and MR"),
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


@pytest.mark.parametrize("patient_id", ["-A12", "=1+1", "@x", "'quoted", "+7"])
def test_a_patient_keeps_the_number_whatever_the_id_begins_with(tmp_path, patient_id):
    first = Identities.read([], tmp_path)
    number = first.number(patient_id, "1.2.3")
    first.write(tmp_path)
    again = Identities.read([], tmp_path)
    assert again.number(patient_id, "1.2.3") == number
    assert again.number(patient_id, "1.2.4").patient == number.patient


def test_tables_that_give_a_number_to_two_patients_are_not_joined(tmp_path):
    for name in ("Ann", "Bob"):
        (tmp_path / name).mkdir()
        table = Identities([])
        table.number(name, "1.2.3")
        table.write(tmp_path / name)
    with pytest.raises(MedSynthError, match="give the number 001 to different patients"):
        Identities.read([tmp_path / "Ann"], tmp_path / "Bob")


@pytest.mark.parametrize("own", ["001", "001-2", "001.nii.gz"])
def test_what_is_not_listed_as_a_case_is_never_replaced(tmp_path, own):
    study(tmp_path / "in", "P1", "1.2.1")
    study(tmp_path / "more", "P1", "1.2.2")
    mine = tmp_path / "out" / own / "ct.nii.gz"
    mine.parent.mkdir(parents=True)
    mine.write_text("of the user")
    first = [case.name for case in cases_from_dicom(tmp_path / "in", ROLES, tmp_path / "out")]
    again = [case.name for case in cases_from_dicom(tmp_path / "in", ROLES, tmp_path / "out")]
    more = [case.name for case in cases_from_dicom(tmp_path / "more", ROLES, tmp_path / "out")]
    assert (first, again, more) == (["002"], ["002"], ["002-2"])
    assert mine.read_text() == "of the user"


def test_a_number_of_another_folder_does_not_replace_what_has_that_name_here(tmp_path):
    study(tmp_path / "in", "P1", "1.2.1")
    cases_from_dicom(tmp_path / "in", ROLES, tmp_path / "first")
    mine = tmp_path / "out" / "001" / "ct.nii.gz"
    mine.parent.mkdir(parents=True)
    mine.write_text("of the user")
    with pytest.raises(MedSynthError, match="The case 001 cannot be written, because its folder has something"):
        cases_from_dicom(tmp_path / "in", ROLES, tmp_path / "out", known=[tmp_path / "first"])
    assert mine.read_text() == "of the user"


def test_a_second_study_skips_a_name_that_is_taken(tmp_path):
    study(tmp_path / "in", "P1", "1.2.1")
    study(tmp_path / "more", "P1", "1.2.2")
    cases_from_dicom(tmp_path / "in", ROLES, tmp_path / "out")
    (tmp_path / "out" / "001-2").mkdir()
    (case,) = cases_from_dicom(tmp_path / "more", ROLES, tmp_path / "out")
    assert case.name == "001-3" and not list((tmp_path / "out" / "001-2").iterdir())


@pytest.mark.parametrize("stop", [KeyboardInterrupt, OSError(28, "No space left on device")])
def test_a_case_that_is_stopped_half_way_leaves_nothing(tmp_path, monkeypatch, stop):
    study(tmp_path / "in", "P1", "1.2.1")
    really = dicom_studies.write_labelled

    def second_fails(volume, path):
        if path.name.startswith("pet"):
            raise stop
        return really(volume, path)

    monkeypatch.setattr(dicom_studies, "write_labelled", second_fails)
    with pytest.raises((KeyboardInterrupt, MedSynthError)):
        cases_from_dicom(tmp_path / "in", ROLES, tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.skipif(os.name == "nt", reason="Windows has other permissions")
def test_the_table_of_patients_is_never_readable_by_others(tmp_path, monkeypatch):
    table = Identities([])
    table.number("P1", "1.2.3")
    seen = []
    really = identities.write_rows

    def look(rows, path):
        seen.append(stat.S_IMODE(path.stat().st_mode))
        really(rows, path)
        seen.append(stat.S_IMODE(path.stat().st_mode))

    monkeypatch.setattr(identities, "write_rows", look)
    table.write(tmp_path)
    assert seen == [0o600, 0o600]
