"""A tree of folders becomes cases, and what is missing or ambiguous in it is named."""

import pytest

from medsynth_core import MedSynthError
from medsynth_core.datasets.folders import cases_from_folders

ROLES = {"ct": "*ct*.nii*", "pet": "*pet*.nii*"}


def tree(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")
    return root


def test_each_folder_with_images_is_a_case_of_the_patient_that_the_first_folder_names(tmp_path):
    names = ("P2/CT.nii.gz", "P2/pet.nii", "P1/2020/a_ct.nii.gz", "P1/2020/a_pet.nii.gz", "P1/2021/b_ct.nii.gz")
    root = tree(tmp_path, *names, "P1/2021/b_pet.nii.gz", "P1/2021/ct.json", "P1/2021/._ct.nii.gz", "notes/readme.txt")
    cases = cases_from_folders(root, ROLES)
    assert [(case.name, case.patient, case.split) for case in cases] == [
        ("P1-2020", "P1", ""),
        ("P1-2021", "P1", ""),
        ("P2", "P2", ""),
    ]
    assert cases[1].files == {"ct": root / "P1/2021/b_ct.nii.gz", "pet": root / "P1/2021/b_pet.nii.gz"}
    assert cases[2].files["ct"] == root / "P2/CT.nii.gz"


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (("P1/ct.nii.gz",), r"P1 has no file like '\*pet\*.nii\*' for 'pet'"),
        (("P1/ct.nii.gz", "P1/ct2.nii.gz", "P1/pet.nii.gz"), r"P1 has 2 files .* for 'ct' \(ct.nii.gz, ct2.nii.gz\)"),
        (("P1/pet_ct.nii.gz",), "P1.pet_ct.nii.gz would be both 'ct' and 'pet'"),
        (("ct.nii.gz", "pet.nii.gz"), "itself"),
        (("P1/mr.nii.gz",), "No folder below"),
    ],
)
def test_what_is_missing_or_ambiguous_is_named(tmp_path, names, words):
    with pytest.raises(MedSynthError, match=words):
        cases_from_folders(tree(tmp_path, *names), ROLES)


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(MedSynthError, match="nowhere"):
        cases_from_folders(tmp_path / "nowhere", ROLES)
