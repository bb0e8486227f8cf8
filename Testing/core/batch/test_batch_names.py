"""Which studies a manifest or folder lists, and how they are called."""

from pathlib import Path

import pytest

from medsynth_core import MedSynthError, Progress, load_model
from medsynth_core.batches.settings import BatchSettings
from medsynth_core.batches.study_list import list_studies

CT = load_model("ct-to-pet").synthesis.contract
PET = load_model("low-dose-pet").synthesis.contract


def two_inputs():
    """Return a contract that needs a PET and a CT."""
    side = CT.input.model_copy(update={"optional": False})
    return PET.model_copy(update={"inputs": {"pet": PET.input, "ct": side}})


def tree(folder: Path, files: str) -> Path:
    for name in files.split():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")
    return folder


def listed(source: Path, contract=CT, **options) -> dict[str, dict[str, str]]:
    """Return name → role → file relative to the source."""
    base = source if source.is_dir() else source.parent
    return {
        study.name: {role: path.relative_to(base).as_posix() for role, path in study.files.items()}
        for study in list_studies(source, contract, **options)
    }


def test_each_image_file_of_a_folder_is_a_study(tmp_path):
    tree(tmp_path, "P1.nii.gz a/P2.nrrd a/b/P3.mha sub-1/sub-1_ct.nii readme.txt ct/x.hdr ct/x.img")
    assert listed(tmp_path) == {
        "P1": {"ct": "P1.nii.gz"},
        "a_P2": {"ct": "a/P2.nrrd"},
        "a_b_P3": {"ct": "a/b/P3.mha"},
        "ct_x": {"ct": "ct/x.hdr"},
        "sub-1_ct": {"ct": "sub-1/sub-1_ct.nii"},
    }


def test_results_are_no_studies(tmp_path):
    tree(tmp_path, "P1.nii.gz made.nii.gz out/P1/P1_pet.nii.gz")
    (tmp_path / "made.json").write_text('{"synthetic": true, "medsynth_version": "1", "image_file": "made.nii.gz"}')
    said: list[str] = []
    found = listed(tmp_path, left_out=tmp_path / "out", progress=Progress(log=said.append))
    assert list(found) == ["P1"] and "1 synthetic ones or parts of pairs are passed over" in said[0]


def test_bids_gives_the_images_of_the_models_modality(tmp_path):
    tree(tmp_path, "sub-1/ct/sub-1_ct.nii.gz sub-1/anat/sub-1_T1w.nii.gz sub-2/pet/sub-2_pet.nii.gz")
    tree(tmp_path, "sub-2/ct/sub-2_ct.nii.gz sub-1/pet/sub-1_pet.nii.gz")
    assert listed(tmp_path) == {
        "sub-1": {"ct": "sub-1/ct/sub-1_ct.nii.gz"},
        "sub-2": {"ct": "sub-2/ct/sub-2_ct.nii.gz"},
    }
    both = listed(tmp_path, two_inputs())
    assert both["sub-1"] == {"pet": "sub-1/pet/sub-1_pet.nii.gz", "ct": "sub-1/ct/sub-1_ct.nii.gz"}


def test_nnunet_gives_a_channel_to_each_input_in_order(tmp_path):
    tree(tmp_path, "imagesTr/A_0000.nii.gz imagesTr/A_0001.nii.gz labelsTr/A.nii.gz imagesTr/B_0000.nii.gz")
    found = list_studies(tmp_path, two_inputs())
    assert listed(tmp_path, two_inputs())["A"] == {"pet": "imagesTr/A_0000.nii.gz", "ct": "imagesTr/A_0001.nii.gz"}
    assert [study.problem for study in found] == ["", "The study B has no file for 'ct'; add it."]
    assert list(listed(tmp_path)["B"].values()) == ["imagesTr/B_0000.nii.gz"]


def test_patterns_choose_the_inputs(tmp_path):
    tree(tmp_path, "P1/ct.nii.gz P1/fdg.nii.gz P2/ct.nii.gz P2/fdg.nii.gz")
    found = listed(tmp_path, two_inputs(), patterns={"ct": "ct.nii.gz", "pet": "fdg*"})
    assert found["P2"] == {"pet": "P2/fdg.nii.gz", "ct": "P2/ct.nii.gz"}
    with pytest.raises(MedSynthError, match="give a pattern of the file name for each, such as pet="):
        list_studies(tmp_path, two_inputs())
    with pytest.raises(MedSynthError, match="has no input 'mr'; its inputs are ct"):
        list_studies(tmp_path, CT, patterns={"mr": "*"})


def manifest(folder: Path, text: str) -> Path:
    (folder / "cases.csv").write_text(text)
    return folder / "cases.csv"


def test_a_manifest_lists_studies_in_its_order(tmp_path):
    path = manifest(tmp_path, "case;CT;patient\nB;b.nii.gz;1\nA;a/a.nii.gz;1\nC;;2\n")
    found = list_studies(path, CT)
    assert [study.name for study in found] == ["B", "A", "C"]
    assert found[1].files == {"ct": tmp_path / "a" / "a.nii.gz"}
    assert [study.problem for study in found] == ["", "", "The study C has no file for 'ct'; add it."]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("case,pet\nA,a.nii\n", "no column 'ct'"),
        ("name,ct\nA,a.nii\n", "no column 'case'"),
        ("case,ct\n,a.nii\n", "Line 2 .* has no name"),
        ("case,ct\nA,a.nii\nA,b.nii\n", r"Two studies of .* have the name 'A' \(.*a.nii and .*b.nii\)"),
        ("case,ct\nA,a.nii\na,b.nii\n", "would have the same folder"),
        ("case,ct\n../A,a.nii\n", "cannot be used as a folder name"),
        ("case,ct\n", "lists no cases"),
    ],
)
def test_manifests_that_cannot_be_used_are_refused(tmp_path, text, words):
    with pytest.raises(MedSynthError, match=words):
        list_studies(manifest(tmp_path, text), CT)


def test_names_that_two_files_would_have_are_refused(tmp_path):
    with pytest.raises(MedSynthError, match="Two studies of .* have the name 'a_b'"):
        list_studies(tree(tmp_path, "a/b.nii a_b.nii"), CT)


def test_sources_that_are_not_there_or_empty_are_refused(tmp_path):
    with pytest.raises(MedSynthError, match="does not exist; give a manifest"):
        list_studies(tmp_path / "none", CT)
    with pytest.raises(MedSynthError, match="neither image files nor a DICOM study with CT images"):
        list_studies(tmp_path, CT)
    tree(tmp_path, "P1.nii")
    with pytest.raises(MedSynthError, match="A reference is a column of a manifest"):
        list_studies(tmp_path, CT, reference="pet")
    with pytest.raises(MedSynthError, match="Patterns are for folders"):
        list_studies(manifest(tmp_path, "case,ct\nA,a.nii\n"), CT, patterns={"ct": "*"})


@pytest.mark.parametrize("wrong", ["{role}", "{case}/{role}", "{case}{0}", "{case:>9}", "{case", "{patient}_{case}"])
def test_names_of_results_must_tell_cases_apart(wrong):
    with pytest.raises(MedSynthError, match="cannot be used; make them of"):
        BatchSettings(names=wrong)


def test_settings_are_checked():
    with pytest.raises(MedSynthError, match="cannot be written as '.png'"):
        BatchSettings(suffix=".png")
    with pytest.raises(MedSynthError, match="several results"):
        BatchSettings(names="{case}").check_roles(["pet", "mr"])
    BatchSettings(names="{case}").check_roles(["pet"])
    assert BatchSettings(names="{model}-{case}_{role}x").name("P1", "pet", "m") == "m-P1_petx"


def test_names_of_archives_become_names_of_folders(tmp_path):
    uid = "1.3.6.1.4.1.14519.5.2.1.6279.6001.298806137288633453246975630178"
    found = listed(tree(tmp_path, f"LIDC-0001/{uid}/{uid}/ct.nii.gz -P1.nii.gz .snapshot/P9.nii.gz CON/ct.nii.gz"))
    assert len(found) == 3 and all(len(name.encode()) <= 120 for name in found)
    assert next(iter(found)).startswith("P1_") and not any("P9" in name for name in found)
    assert list(found) == list(listed(tmp_path))


def test_image_files_and_dicom_in_one_folder_are_refused(tmp_path):
    from dicom_builder import write_series

    write_series(tmp_path / "P2")
    tree(tmp_path, "P1/mask.nii.gz")
    with pytest.raises(MedSynthError, match="has image files .P1/mask.nii.gz. and DICOM .P2/slice000.dcm."):
        list_studies(tmp_path, CT)


def test_results_inside_the_studies_do_not_disturb(tmp_path):
    tree(tmp_path, "sub-1/ct/sub-1_ct.nii.gz derivatives/sub-1/sub-1_ct.nii.gz")
    assert list(listed(tmp_path, left_out=tmp_path / "derivatives")) == ["sub-1"]


def test_lists_of_archives_are_taken_as_they_are(tmp_path):
    path = manifest(tmp_path, "case,ct,mrn\nA,a.nii,17\nB,b.nii,17\n,,\n")
    assert [study.name for study in list_studies(path, CT)] == ["A", "B"]


def test_a_channel_of_nnunet_that_is_not_there_is_not_asked_for(tmp_path):
    side = CT.input.model_copy(update={"optional": True})
    optional = PET.model_copy(update={"inputs": {"pet": PET.input, "ct": side}})
    tree(tmp_path, "imagesTr/A_0000.nii.gz")
    assert listed(tmp_path, optional) == {"A": {"pet": "imagesTr/A_0000.nii.gz"}}
