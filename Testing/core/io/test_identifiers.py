"""Nothing that identifies a patient or a study, and no free text, is kept with an image."""

from __future__ import annotations

import json

import numpy as np
import pytest
from derived_helpers import PATIENT, headers, pet_reference, synthetic
from dicom_builder import write_pet
from io_helpers import noise_volume
from pydicom import dcmread

from medsynth_core.inference.synthesis_files import SynthesisFiles, synthesize_files
from medsynth_core.io.dicom.derived.series_writing import write_dicom
from medsynth_core.io.dicom.suv_file import write_suv
from medsynth_core.io.identifiers import FRAME_OF_REFERENCE, SERIES, digest, without_identifiers
from medsynth_core.io.reading import read_volume
from medsynth_core.io.sidecar import sidecar_path
from medsynth_core.io.writing import write_labelled, write_volume
from medsynth_core.models.library import load_model
from medsynth_core.text import quoted, without_quoted

SECRETS = ("Doe", "Jane", "secret-17", "1.2.3", "test series", "20250101", "MRN 4711", "Roe")


def assert_nothing_kept(folder):
    for path in folder.rglob("*"):
        if path.suffix in (".json", ".csv", ".txt", ".html", ".md"):
            found = [secret for secret in SECRETS if secret in path.read_text()]
            assert not found, (path, found)


def big_pet(folder, **tags):
    pixels = np.random.default_rng(0).integers(1, 9000, (12, 32, 32)).astype(np.uint16)
    place = {"PixelSpacing": [4, 4], "SliceThickness": 4, "SeriesDescription": "test series of MRN 4711"}
    write_pet(folder, pixels=pixels, positions=[(0, 0, 4 * k) for k in range(12)], **{**place, **tags})
    return folder


def test_suv_files_keep_numbers_and_digests(tmp_path):
    (tmp_path / "out").mkdir()
    write_suv(big_pet(tmp_path / "pet"), tmp_path / "out" / "pet.nii.gz")
    assert_nothing_kept(tmp_path / "out")
    facts = json.loads((tmp_path / "out" / "pet.json").read_text())
    assert facts[SERIES] == digest("1.2.3.4") and facts["suv"]["weight_kg"] == 70


@pytest.mark.parametrize(
    "wrong",
    [
        {"PatientWeight": None},
        {"SeriesTime": "noon 20250101"},
        {"per_slice": [{"SeriesDate": f"2025010{1 + k % 2}"} for k in range(12)]},
        {"AcquisitionTime": "20250101"},
    ],
)
def test_the_reason_why_there_is_no_suv_names_tags_only(tmp_path, wrong):
    volume = read_volume(big_pet(tmp_path / "pet", **wrong))
    assert volume.unit == "Bq/mL" and "(00" in volume.metadata["suv_refused"]
    written = json.dumps(volume.metadata)
    assert not any(secret in written for secret in (*SECRETS, "2025"))


@pytest.mark.slow
def test_results_and_reports_keep_none_either(tmp_path):
    (tmp_path / "out").mkdir()
    files = SynthesisFiles(
        input=big_pet(tmp_path / "pet"),
        output=tmp_path / "out" / "made.nii.gz",
        report=tmp_path / "out" / "report",
    )
    synthesize_files(files, load_model("low-dose-pet"), device="cpu")
    assert (tmp_path / "out" / "report").is_dir() and sidecar_path(files.output).is_file()
    assert_nothing_kept(tmp_path / "out")
    assert json.loads(sidecar_path(files.output).read_text())["source"][SERIES] == digest("1.2.3.4")


def test_what_earlier_versions_kept_is_dropped_when_it_is_read(tmp_path):
    volume = synthetic(metadata={"medsynth_version": "0.1", "synthetic": True})
    file = write_labelled(volume, tmp_path / "old.nii.gz")
    facts = json.loads(sidecar_path(file).read_text())
    uids = {"StudyInstanceUID": "1.2.3", "SeriesInstanceUID": "1.2.3.41", "FrameOfReferenceUID": "1.2.3.5"}
    facts["source"] = {**uids, "SeriesDescription": "test series", "PatientID": "secret-17"}
    sidecar_path(file).write_text(json.dumps(facts))
    read = read_volume(file)
    assert set(read.metadata["source"]) == {SERIES, FRAME_OF_REFERENCE}
    (tmp_path / "new").mkdir()
    write_labelled(read, tmp_path / "new" / "again.nii.gz")
    assert_nothing_kept(tmp_path / "new")
    # The result of an earlier version finds its series, and no other.
    source = pet_reference(tmp_path / "study" / "source")
    pet_reference(tmp_path / "study" / "other", **{**PATIENT, "SeriesInstanceUID": "1.2.3.99"})
    header = headers(write_dicom(read, tmp_path / "dicom", tmp_path / "study"))[0]
    assert header.SourceImageSequence[0].ReferencedSOPInstanceUID == headers(source)[0].SOPInstanceUID


@pytest.mark.parametrize(
    ("change", "kept"),
    [
        ({"Units": "Jane's"}, "states that the values are in '…'"),
        ({"PatientWeight": None}, "states the weight of '…'"),
        ({"InjectedRadioactivityUnits": "Jane"}, "InjectedRadioactivityUnits ('…')"),
        ({"TracerRadionuclide": "Jane 'Doe"}, "TracerRadionuclide ('…')"),
    ],
)
def test_a_json_that_allows_no_suv_is_explained_without_its_words_and_subjects(change, kept, tmp_path):
    facts = {"Modality": "PT", "Units": "Bq/mL", "TracerRadionuclide": "F18", "InjectedRadioactivityUnits": "MBq"}
    facts |= {"InjectedRadioactivity": 300, "PatientWeight": 70, "TimeZero": "10:00:00", "InjectionStart": 0}
    folder = tmp_path / "sub-JaneDoe" / "pet"
    folder.mkdir(parents=True)
    image = write_volume(noise_volume(), folder / "sub-JaneDoe_pet.nii.gz")
    (folder / "sub-JaneDoe_pet.json").write_text(json.dumps({**facts, **change}))
    volume = read_volume(image)
    assert volume.unit != "SUVbw" and "suv_refused" in volume.metadata
    (tmp_path / "out").mkdir()
    write_labelled(volume.replace(metadata={"medsynth_version": "1", **volume.metadata}), tmp_path / "out" / "a.nii.gz")
    assert_nothing_kept(tmp_path / "out")
    assert kept in json.loads((tmp_path / "out" / "a.json").read_text())["suv_refused"]


def test_a_tag_with_typed_text_is_named_without_it(tmp_path):
    volume = read_volume(big_pet(tmp_path / "pet", DecayCorrection="JANE'S"))
    (tmp_path / "out").mkdir()
    write_labelled(volume.replace(metadata={"medsynth_version": "1", **volume.metadata}), tmp_path / "out" / "a.nii.gz")
    content = (tmp_path / "out" / "a.json").read_text()
    assert "Decay Correction" in content and "JANE" not in content


@pytest.mark.parametrize(
    "tags",
    [
        {"per_slice": [{"DecayCorrection": f"JANE {k % 2}"} for k in range(12)]},
        {"per_slice": [{"PatientWeight": f"7{k % 2}.25"} for k in range(12)]},
        {"per_slice": [{"Units": "BQML", "SUVType": "x", "DecayCorrection": ["JANE", ""][k % 2]} for k in range(12)]},
    ],
)
def test_values_of_tags_are_not_kept_with_the_reason(tmp_path, tags):
    volume = read_volume(big_pet(tmp_path / "pet", **tags))
    (tmp_path / "out").mkdir()
    write_labelled(volume.replace(metadata={"medsynth_version": "1", **volume.metadata}), tmp_path / "out" / "a.nii.gz")
    reason = json.loads((tmp_path / "out" / "a.json").read_text())["suv_refused"]
    assert "(00" in reason and "JANE" not in reason and ".25" not in reason


def test_a_weight_that_is_no_number_is_not_kept(tmp_path):
    for path in big_pet(tmp_path / "pet").iterdir():
        dataset = dcmread(path)
        del dataset.PatientWeight
        dataset.add_new("PatientWeight", "LO", "7.25 JANE")
        dataset.save_as(path)
    reason = without_identifiers(read_volume(tmp_path / "pet").metadata)["suv_refused"]
    assert "Patient's Weight (0010,1030) is '…', which is not a number" in reason


def test_an_apostrophe_is_no_quotation_mark():
    message = f"Patient's Weight (0010,1030) is {quoted('Jane')} in GE's tag and {quoted(chr(39))} in another."
    assert without_quoted(message) == "Patient's Weight (0010,1030) is '…' in GE's tag and '…' in another."


def test_digests_are_short_and_differ():
    assert len(digest("1.2.3")) == 8 and digest("1.2.3") != digest("1.2.4") and digest("") == ""
    assert without_identifiers({"SeriesInstanceUID": "", "a": {"SeriesDescription": "x", "b": 1}}) == {"a": {"b": 1}}
