"""The tags of a derived series on patient, origin and synthesis."""

from __future__ import annotations

import numpy as np
import pytest
from derived_helpers import GRID, PATIENT, ct_reference, headers, pet_reference, synthetic
from dicom_builder import item
from pydicom import dcmread

from medsynth_core.io.dicom.derived.series_writing import write_dicom
from medsynth_core.io.dicom.synthetic_mark import MARK_TAGS, is_synthetic
from medsynth_core.io.reading import read_volume


@pytest.fixture
def pet(tmp_path):
    return pet_reference(tmp_path / "pet")


@pytest.fixture
def ct(tmp_path):
    return ct_reference(tmp_path / "ct")


def test_a_derived_series_shares_patient_study_and_frame_of_reference_with_its_reference(pet, tmp_path):
    written = headers(write_dicom(synthetic(), tmp_path / "out", pet))
    source = headers(pet)[0]
    shared = ("StudyInstanceUID", "FrameOfReferenceUID", "PatientName", "PatientID", "PatientBirthDate", "PatientSex")
    for keyword in (*shared, "PatientWeight", "PatientSize", "StudyDate", "StudyTime", "AccessionNumber", "StudyID"):
        assert {header[keyword].value for header in written} == {source[keyword].value}
    assert len({header.SeriesInstanceUID for header in written} | {source.SeriesInstanceUID}) == 2
    assert len({header.SOPInstanceUID for header in written + headers(pet)}) == 6
    assert [header.InstanceNumber for header in written] == [1, 2, 3]


@pytest.mark.parametrize(("modality", "unit"), [("PT", "SUVbw"), ("CT", "HU"), ("MR", "T1 (fat = 1000)")])
def test_the_series_is_marked_as_synthetic_in_several_tags(ct, tmp_path, modality, unit):
    for header in headers(write_dicom(synthetic(modality, unit), tmp_path / "out", ct)):
        assert header.Modality == modality
        assert list(header.ImageType[:2]) == ["DERIVED", "PRIMARY" if modality == "PT" else "SECONDARY"]
        assert header.SeriesDescription == f"SYNTHETIC - not for diagnosis: {modality} (tiny 1.2.0)"
        assert header[0x0008001C].value == "YES"
        assert "MedSynth" in header.DerivationDescription and "c0ffee" in header.DerivationDescription
        assert header.ImageComments == "SYNTHETIC - not for diagnosis. No."
        assert header.BurnedInAnnotation == "NO"
        assert (header.Manufacturer, header.ManufacturerModelName) == ("MedSynth", "tiny 1.2.0")
        scanner, synthesizer = header.ContributingEquipmentSequence
        assert (scanner.Manufacturer, scanner.ManufacturerModelName) == ("Scanner Works", "Ring 3")
        assert synthesizer.PurposeOfReferenceCodeSequence[0].CodeMeaning == "Synthesizing Equipment"


def test_synthetic_objects_are_distinguished_from_others(pet, tmp_path):
    file = write_dicom(synthetic(), tmp_path / "out", pet) / "0001.dcm"
    header = dcmread(file, stop_before_pixels=True, specific_tags=list(MARK_TAGS))
    assert is_synthetic(header)
    equipment = header.pop("ContributingEquipmentSequence")
    assert is_synthetic(header)
    del header[0x0008001C]
    assert is_synthetic(header)  # by its description
    description = header.pop("SeriesDescription")
    assert not is_synthetic(header)
    header["SeriesDescription"] = description
    header["ContributingEquipmentSequence"] = equipment
    assert is_synthetic(header)
    assert not any(is_synthetic(source) for source in headers(pet))
    header = headers(pet)[0]
    header.add_new(0x0008001C, "UN", b"YES ")  # as some archives hand on what they do not know
    assert is_synthetic(header)


def test_what_is_read_again_is_known_as_synthetic(ct, pet, tmp_path):
    for reference in (ct, pet):
        back = read_volume(write_dicom(synthetic(), tmp_path / f"of-{reference.name}", reference))
        assert back.metadata["synthetic"] is True and back.is_synthetic
        source = read_volume(reference)
        assert "synthetic" not in source.metadata and not source.is_synthetic


def test_a_pet_from_an_uncorrected_pet_is_warned_about_but_one_from_a_ct_is_not(ct, tmp_path):
    uncorrected = pet_reference(tmp_path / "nac", CorrectedImage=["DECY"])
    of_ct, of_pet = (
        read_volume(write_dicom(synthetic(), tmp_path / f"of-{reference.name}", reference)).metadata["suv"]["warnings"]
        for reference in (ct, uncorrected)
    )
    assert of_ct == [] and len(of_pet) == 1 and "does not list ATTN" in of_pet[0]


def test_a_long_description_never_displaces_the_mark(pet, tmp_path):
    write_dicom(synthetic(), tmp_path / "out", pet, series_description="Ganzkörper\\PET " * 9)
    description = headers(tmp_path / "out")[0].SeriesDescription
    assert description == "SYNTHETIC - not for diagnosis: Ganzk?rper/PET Ganzk?rper/PET Gan"
    assert len(description) == 64


def test_each_slice_refers_to_the_slices_that_it_lies_in(ct, tmp_path):
    sources = headers(ct)
    for k, header in enumerate(headers(write_dicom(synthetic(), tmp_path / "out", ct))):
        (source,) = header.SourceImageSequence
        assert source.ReferencedSOPInstanceUID == sources[k].SOPInstanceUID
        assert source.PurposeOfReferenceCodeSequence[0].CodeValue == "121322"
        (series,) = header.RelatedSeriesSequence
        assert series.SeriesInstanceUID == "1.2.3.40"
        assert series.PurposeOfReferenceCodeSequence[0].CodeValue == "121323"


def test_a_coronal_slice_refers_to_every_axial_one(ct, tmp_path):
    coronal = synthetic(shape=(4, 3, 5), ijk_to_ras=GRID[:, [0, 2, 1, 3]])
    sources = {header.SOPInstanceUID for header in headers(ct)}
    for header in headers(write_dicom(coronal, tmp_path / "out", ct)):
        assert {item.ReferencedSOPInstanceUID for item in header.SourceImageSequence} == sources


def test_another_series_of_the_same_space_is_no_source(ct, pet, tmp_path):
    # Slicer knows the UIDs of the source, files of results do not.
    uids = {"StudyInstanceUID": "1.2.3", "SeriesInstanceUID": "1.2.3.40"}
    made_of = {**synthetic().metadata, "source": {**read_volume(ct).metadata, **uids}}
    write_dicom(synthetic(metadata=made_of), tmp_path / "out", pet)
    header = headers(tmp_path / "out")[0]
    assert "SourceImageSequence" not in header and "from the series" not in header.DerivationDescription
    assert header.ReferencedImageSequence[0].ReferencedSOPInstanceUID == headers(pet)[0].SOPInstanceUID
    related = {one.SeriesInstanceUID: one.PurposeOfReferenceCodeSequence[0] for one in header.RelatedSeriesSequence}
    assert {uid: purpose.CodeMeaning for uid, purpose in related.items()} == {
        "1.2.3.41": "Same Anatomy",
        "1.2.3.40": "Source series for image processing operation",
    }


def test_a_source_that_is_only_known_by_its_digest_is_not_taken_for_another_series(ct, pet, tmp_path):
    made_of = {**synthetic().metadata, "source": read_volume(ct).metadata}
    write_dicom(synthetic(metadata=made_of), tmp_path / "out", pet)
    header = headers(tmp_path / "out")[0]
    assert "SourceImageSequence" not in header
    assert [one.SeriesInstanceUID for one in header.RelatedSeriesSequence] == ["1.2.3.41"]


def test_the_source_series_is_found_in_the_folder_of_a_study(ct, pet, tmp_path):
    made_of = {**synthetic().metadata, "source": read_volume(ct).metadata}
    write_dicom(synthetic(metadata=made_of), tmp_path.parent / f"{tmp_path.name}-out", tmp_path)
    header = headers(tmp_path.parent / f"{tmp_path.name}-out")[0]
    assert header.RelatedSeriesSequence[0].SeriesInstanceUID == "1.2.3.40"


def test_the_series_number_is_not_used_by_another_series(tmp_path):
    ct_reference(tmp_path / "study" / "ct", SeriesNumber=4, SeriesInstanceUID="1.9.1")
    pet_reference(tmp_path / "study" / "pet", SeriesNumber=401)
    made_of = {"source": {"SeriesInstanceUID": "1.9.1"}}
    write_dicom(synthetic(metadata=made_of), tmp_path / "out", tmp_path / "study")
    assert headers(tmp_path / "out")[0].SeriesNumber == 402


@pytest.mark.parametrize("number", [None, 2**31 - 1])
def test_a_series_number_is_generated_if_the_reference_has_none(tmp_path, number):
    write_dicom(synthetic(), tmp_path / "out", ct_reference(tmp_path / "ct", SeriesNumber=number))
    assert headers(tmp_path / "out")[0].SeriesNumber == 9001


def test_a_pet_keeps_tracer_corrections_and_the_times_of_each_slice(pet, tmp_path):
    written, sources = headers(write_dicom(synthetic(), tmp_path / "out", pet)), headers(pet)
    for header, source in zip(written, sources, strict=True):
        assert (header.Units, header.SUVType) == ("GML", "BW")
        for keyword in ("RadiopharmaceuticalInformationSequence", "CorrectedImage", "DecayCorrection", "SeriesTime"):
            assert header[keyword].value == source[keyword].value
        for keyword in ("AcquisitionTime", "FrameReferenceTime", "DecayFactor", "ActualFrameDuration"):
            assert header[keyword].value == source[keyword].value
    assert [header.ImageIndex for header in written] == [1, 2, 3]
    assert {header.NumberOfSlices for header in written} == {3}


def test_a_pet_made_from_a_ct_states_no_tracer_but_the_patient_position(ct, tmp_path):
    header = headers(write_dicom(synthetic(), tmp_path / "out", ct))[0]
    assert len(header.RadiopharmaceuticalInformationSequence) == 0
    assert header.DecayCorrection == "NONE" and "DecayFactor" not in header
    lying = header.PatientOrientationCodeSequence[0]
    assert lying.CodeMeaning == "recumbent"
    assert lying.PatientOrientationModifierCodeSequence[0].CodeMeaning == "supine"
    assert header.PatientGantryRelationshipCodeSequence[0].CodeMeaning == "headfirst"
    assert "PatientPosition" not in header


def test_a_synthetic_mr_claims_no_pulse_sequence(ct, tmp_path):
    header = headers(write_dicom(synthetic("MR", ""), tmp_path / "out", ct))[0]
    assert (header.ScanningSequence, header.SequenceVariant) == ("RM", "NONE")
    assert header.EchoTime is None and header.RepetitionTime is None
    assert header.PatientPosition == "HFS"


def test_private_tags_stay_behind_also_within_sequences(pet, tmp_path):
    for path in pet.iterdir():
        dataset = dcmread(path)
        dataset.private_block(0x0009, "GEMS_PETD_01", create=True).add_new(0x0D, "DT", "20200304093000")
        tracer = dataset.RadiopharmaceuticalInformationSequence[0]
        tracer.private_block(0x0011, "SOMEBODY", create=True).add_new(0x01, "LO", "secret")
        dataset.save_as(path)
    for header in headers(write_dicom(synthetic(), tmp_path / "out", pet)):
        assert not [element for element in header.iterall() if element.tag.is_private]
        assert header.RadiopharmaceuticalInformationSequence[0].Radiopharmaceutical == "FDG"


def test_a_reference_with_only_required_tags_is_accepted(tmp_path):
    gone = ("PatientName", "PatientID", "FrameOfReferenceUID", "SeriesDescription", "ImageType", *PATIENT)
    reference = ct_reference(tmp_path / "ct")
    for path in reference.iterdir():
        dataset = dcmread(path)
        for keyword in gone:
            del dataset[keyword]
        dataset.save_as(path)
    header = headers(write_dicom(synthetic(), tmp_path / "out", reference))[0]
    for keyword in ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "AccessionNumber", "StudyDate"):
        assert keyword in header and not header[keyword].value
    assert header.FrameOfReferenceUID and header.SeriesDate and header.SeriesTime
    assert len(header.ContributingEquipmentSequence) == 1  # nobody knows the scanner's maker
    assert len(header.PatientOrientationCodeSequence) == 0


@pytest.mark.parametrize(
    ("characters", "name"),
    [("ISO_IR 192", "Łódź^Zoë"), (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎"), ("ISO_IR 100", "Müller^Jörg")],
)
def test_names_keep_their_characters(tmp_path, characters, name):
    reference = ct_reference(tmp_path / "ct", SpecificCharacterSet=characters, PatientName=name)
    for header in headers(write_dicom(synthetic(), tmp_path / "out", reference)):
        assert header.PatientName == headers(reference)[0].PatientName == name
        assert header.PatientName.ideographic == headers(reference)[0].PatientName.ideographic


def test_an_odd_value_of_the_reference_counts_as_missing(tmp_path):
    reference = ct_reference(tmp_path / "ct", SeriesNumber=17, PatientAge="050Y")
    for path in reference.iterdir():
        spoilt = (
            path.read_bytes().replace(b"IS\x02\x0017", b"IS\x02\x00x7").replace(b"AS\x04\x00050Y", b"AS\x04\x0050Y ")
        )
        path.write_bytes(spoilt)
    header = headers(write_dicom(synthetic(), tmp_path / "out", reference))[0]
    assert header.SeriesNumber == 9001 and "PatientAge" not in header


def test_once_lossy_always_lossy(tmp_path):
    lossy = {"LossyImageCompression": "01", "LossyImageCompressionRatio": "8.5"}
    write_dicom(synthetic(), tmp_path / "out", ct_reference(tmp_path / "ct", **lossy))
    write_dicom(synthetic(), tmp_path / "out2", ct_reference(tmp_path / "ct2"))
    header = headers(tmp_path / "out")[0]
    assert (header.LossyImageCompression, header.LossyImageCompressionRatio) == ("01", 8.5)
    assert headers(tmp_path / "out2")[0].LossyImageCompression == "00"


def test_a_study_id_is_cut_to_what_is_valid(tmp_path):
    write_dicom(synthetic(), tmp_path / "out", ct_reference(tmp_path / "ct", StudyID="a study of more letters"))
    assert headers(tmp_path / "out")[0].StudyID == "a study of more"


def test_a_finer_grid_takes_the_times_of_the_nearest_slice(pet, tmp_path):
    matrix = GRID @ np.diag([1, 1, 0.5, 1])
    written = headers(write_dicom(synthetic(shape=(5, 4, 5), ijk_to_ras=matrix), tmp_path / "out", pet))
    assert [str(header.AcquisitionTime) for header in written[::2]] == ["103000", "103001", "103002"]
    assert {header.SliceThickness for header in written} == {1.5}


def test_of_earlier_programs_no_persons_places_or_serial_numbers_are_kept(tmp_path):
    purpose = item(CodeValue="109103", CodingSchemeDesignator="DCM", CodeMeaning="Modifying Equipment")
    program = item(PurposeOfReferenceCodeSequence=[purpose], Manufacturer="Anonymizer", SoftwareVersions="3")
    known = {"InstitutionName": "SECRET", "InstitutionAddress": "SECRET", "DeviceSerialNumber": "SECRET"}
    for keyword, text in {**known, "StationName": "SECRET", "ContributionDescription": "SECRET"}.items():
        setattr(program, keyword, text)
    program.OperatorsName = "SECRET"
    unnamed = item(PurposeOfReferenceCodeSequence=[purpose], InstitutionName="SECRET")
    reference = ct_reference(tmp_path / "ct", ContributingEquipmentSequence=[program, unnamed])
    for path in write_dicom(synthetic(), tmp_path / "out", reference).iterdir():
        assert b"SECRET" not in path.read_bytes()
        earlier, scanner, _ = dcmread(path).ContributingEquipmentSequence
        assert (earlier.Manufacturer, earlier.SoftwareVersions) == ("Anonymizer", "3")
        assert earlier.PurposeOfReferenceCodeSequence[0].CodeMeaning == "Modifying Equipment"
        assert scanner.Manufacturer == "Scanner Works"


def test_control_characters_of_a_card_do_not_reach_the_file(pet, tmp_path):
    hostile = "a\x1b[2J\x07\x00\x7f\u202eb"
    made = synthetic()
    facts = {**made.metadata, "model": hostile, "limits": [hostile], "model_version": hostile}
    for path in write_dicom(made.replace(metadata=facts), tmp_path / "out", pet, series_description=hostile).iterdir():
        header = dcmread(path)
        for keyword in ("SeriesDescription", "ImageComments", "DerivationDescription", "ManufacturerModelName"):
            assert header[keyword].value.isprintable() and "[2J" in header[keyword].value
        assert not [sign for sign in (b"\x1b", b"\x07", b"\x7f") if sign in bytes(header.ImageComments, "ascii")]
