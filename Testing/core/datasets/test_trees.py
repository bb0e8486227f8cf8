"""Trees with folders for kinds of images and splits, and with images of two files."""

import pytest

from medsynth_core import MedSynthError, Progress
from medsynth_core.datasets.folders import cases_from_folders


def build(root, *files, roles, paired=True):
    for name in files:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")
    said = []
    cases = cases_from_folders(root, roles, paired=paired, progress=Progress(log=said.append))
    names = [(case.patient, *(file.relative_to(root).as_posix() for file in case.files.values())) for case in cases]
    return names, said[1:]


KINDS = {"ct": "ct/*", "pet": "pet/*"}


@pytest.mark.parametrize("name", ["patient_000{}", "P1_202{}", "liver_{}"])
def test_numbers_of_four_digits_are_kept_in_a_folder_for_each_kind(tmp_path, name):
    files = [f"{kind}/{name.format(n)}.nii.gz" for n in (1, 2) for kind in ("ct", "pet")]
    found, _ = build(tmp_path, *files, roles=KINDS)
    assert [files for _, *files in found] == [files[:2], files[2:]]


def test_a_channel_that_all_files_of_a_role_have_is_no_number(tmp_path):
    files = [f"all/{name}_{channel}.nii" for name in ("A", "B") for channel in ("0000", "0001")]
    found, _ = build(tmp_path, *files, roles={"ct": "*_0000.nii", "pet": "*_0001.nii"})
    assert found == [("A", *files[:2]), ("B", *files[2:])]


@pytest.mark.parametrize(
    ("images", "numbers"),
    [
        ("imagesTr/liver_{:04d}_0000.nii.gz", (1, 2)),
        ("imagesTr/liver_{:04d}.nii.gz", (1, 2)),
        ("imagesTr/liver_{:04d}_0000.nii.gz", (1,)),
    ],
)
def test_numbers_of_four_digits_are_kept_in_labels_of_nnunet(tmp_path, images, numbers):
    files = [form.format(n) for n in numbers for form in (images, "labelsTr/liver_{:04d}.nii.gz")]
    found, said = build(tmp_path, *files, roles={"ct": "imagesTr/*", "seg": "labelsTr/*"})
    assert found == [(f"liver_{n:04d}", *files[2 * at : 2 * at + 2]) for at, n in enumerate(numbers)] and said == []


def test_test_images_without_labels_are_left_out_and_said(tmp_path):
    files = ("imagesTr/P1_0000.nii.gz", "labelsTr/P1.nii.gz", "imagesTs/P2_0000.nii.gz")
    found, said = build(tmp_path, *files, roles={"ct": "*_0000.nii.gz", "seg": "labelsTr/*"})
    assert found == [("P1", *files[:2])]
    assert said == ["1 case of 'Ts' was left out, because all images of one role are missing there."]


SPLIT = "The split that the folders state ({}) is not used; divide the patients, or enter it in the manifest."


@pytest.mark.parametrize(
    ("forms", "roles", "split"),
    [
        (("{split}/ct/{}.nii", "{split}/pet/{}.nii"), KINDS, "train, test"),
        (("{split}A/{}.nii", "{split}B/{}.nii"), {"ct": "*A/*", "pet": "*B/*"}, "train, test"),
        (("{split}/ct/{}/x.nii", "{split}/pet/{}/x.nii"), {"ct": "ct/*/x.nii", "pet": "pet/*/x.nii"}, "train, test"),
        (("CT/{}/ct/x.nii", "PET/{}/pet/x.nii"), {"ct": "CT/*", "pet": "PET/*"}, ""),
        (("CT/{}/ct.nii", "PET/{}/pet.nii"), {"ct": "ct.nii", "pet": "pet.nii"}, ""),
        (("data/{}_ct.nii", "data/{}_pet.nii"), {"ct": "*ct*", "pet": "*pet*"}, ""),
        (("data/{}_ct/x.nii", "data/{}_pet/x.nii"), {"ct": "*_ct/*", "pet": "*_pet/*"}, ""),
        (("{}_CTres.nii", "{}_SUV.nii"), {"ct": "*_CTres.nii", "pet": "*_SUV.nii"}, ""),
    ],
)
@pytest.mark.parametrize("paired", [True, False])
def test_folders_and_files_of_kinds(tmp_path, forms, roles, split, paired):
    cases = [("train", "P1"), ("train", "P2"), ("test", "P3")]
    expected = [(patient, *(form.format(patient, split=of) for form in forms)) for of, patient in cases]
    files = [file for _, *several in expected for file in several]
    found, said = build(tmp_path, *files, roles=roles, paired=paired)
    assert sorted(found) == expected
    assert said == ([SPLIT.format(split)] if split else [])


@pytest.mark.parametrize(
    ("files", "pattern", "chosen"),
    [
        (("ct.hdr", "ct.img"), "ct.*", "ct.hdr"),
        (("ct.hdr", "ct.img.gz"), "ct.*", "ct.hdr"),
        (("ct.HDR", "ct.IMG"), "ct.*", "ct.HDR"),
        (("ct.hdr", "ct.img"), "*.img", "ct.img"),
        (("ct.hdr", "ct.img", "ct.nii.gz"), "ct.*", "ct.nii.gz"),
        (("ct.mhd", "ct.img"), "ct.*", "ct.mhd"),
    ],
)
def test_a_pair_of_header_and_voxels_is_one_image_also_beside_nifti(tmp_path, files, pattern, chosen):
    other = ("P1/pet.nii", "P2/ct.nii.gz" if pattern == "ct.*" else "P2/ct.img", "P2/ct.hdr", "P2/pet.nii")
    found, _ = build(tmp_path, *(f"P1/{file}" for file in files), *other, roles={"ct": pattern, "pet": "pet.nii"})
    assert found[0] == ("P1", f"P1/{chosen}", "P1/pet.nii")


def test_two_bids_data_sets_keep_their_subjects_apart_as_cases(tmp_path):
    files = [f"{place}/sub-01/{kind}/sub-01_{kind}.nii" for place in ("ds1", "ds2") for kind in ("ct", "pet")]
    found, said = build(tmp_path, *files, roles={"ct": "*_ct.nii", "pet": "*_pet.nii"})
    assert found == [("sub-01", *files[:2]), ("sub-01", *files[2:])]
    assert said[0].startswith("sub-01 in ds1 and in ds2 is taken for one patient")


def test_derivatives_belong_to_their_raw_data(tmp_path):
    files = ("a/rawdata/sub-01/ct/sub-01_ct.nii", "a/derivatives/x/sub-01/pet/sub-01_pet.nii")
    others = ("b/sub-02/ct/sub-02_ct.nii", "b/sub-02/pet/sub-02_pet.nii")
    found, said = build(tmp_path, *files, *others, roles={"ct": "*_ct.nii", "pet": "*_pet.nii"})
    assert found == [("sub-01", *files), ("sub-02", *others)] and said == []


DOSES = [
    ("DRF1", "DRF20"),
    ("NORMAL", "DRF20"),
    ("NORMAL", "D20"),
    ("normal", "low"),
    ("100pct", "5pct"),
    ("100", "5"),
    ("fulldose", "1-20"),
    ("Full_dose", "1-20 dose"),
    ("FD", "LD"),
    ("before", "after"),
]
SHAPES = [
    ("{}_{}.nii.gz", "*_{}.nii.gz"),
    ("{1}_{0}.nii.gz", "{}_*.nii.gz"),
    ("{}/pet_{}.nii.gz", "pet_{}.nii.gz"),
    ("{}/{}/pet.nii.gz", "{}/pet.nii.gz"),
    ("{}/{}/pet.nii.gz", "{}*/pet.nii.gz"),
    ("{1}/{0}.nii.gz", "{}/*.nii.gz"),
    ("{1}/{0}/pet.nii.gz", "{}/*/pet.nii.gz"),
    ("imagesTr/{}__{}.nii.gz", "*_{}.nii.gz"),
]


@pytest.mark.parametrize("doses", [*DOSES, ("CT", "PT")], ids="-".join)
@pytest.mark.parametrize(("file", "pattern"), SHAPES)
@pytest.mark.parametrize("patients", [("P01", "P02", "P03"), ("CHUM-001", "CHUM-002", "MDA-001"), ("1", "2", "3")])
def test_what_the_patterns_name_is_the_kind_of_image_and_not_the_case(tmp_path, patients, file, pattern, doses):
    expected = [(patient, *(file.format(patient, dose) for dose in doses)) for patient in patients]
    roles = {f"role{at}": pattern.format(dose) for at, dose in enumerate(doses)}
    found, said = build(tmp_path, *(name for _, *names in expected for name in names), roles=roles)
    assert sorted(found) == sorted(expected) and said == []


def test_the_words_of_a_name_are_kept_where_the_patterns_do_not_tell_the_roles_by_them(tmp_path):
    files = [f"{kind}/P{n}_scan.nii" for n in (1, 2) for kind in ("a", "b")]
    found, _ = build(tmp_path, *files, roles={"ct": "a/*_scan.nii", "pet": "b/*_scan.nii"})
    assert [names for _, *names in found] == [files[:2], files[2:]]


def test_a_patient_whom_a_pattern_names_is_not_the_kind_of_image(tmp_path):
    files = [f"P{n}/{name}.nii" for n in (1, 2) for name in ("a", "b")]
    with pytest.raises(MedSynthError, match="has no file matching"):
        build(tmp_path, *files, roles={"ct": "P1/*.nii", "pet": "P2/*.nii"})
