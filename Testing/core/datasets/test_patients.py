"""The patient is recognised wherever a tree states it: visits of one are not two patients, nor two patients one."""

import pytest

from medsynth_core import MedSynthError, Progress
from medsynth_core.datasets.folders import cases_from_folders
from medsynth_core.datasets.manifest import read_manifest, write_manifest
from medsynth_core.datasets.splitting import split_manifest

ROLES = {"ct": "ct*", "pet": "pet*"}


def build(root, *files, roles=ROLES, paired=True):
    """Return the cases of files, and what was said of them behind the first sentence."""
    for name in files:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")
    said = []
    cases = cases_from_folders(root, roles, paired=paired, progress=Progress(log=said.append))
    return cases, said[1:]


def both(*folders):
    return [f"{folder}/{kind}.nii.gz" for folder in folders for kind in ("ct", "pet")]


VISITS = [
    ("{}_baseline", "{}_followup1", "{}_followup2"),
    ("{}-000", "{}-001"),
    ("{}_MR1", "{}_MR2"),
    ("{}_MR_d0129", "{}_MR_d0757"),
    ("{}_BL", "{}_FU1", "{}_FU_2"),
    ("{}_pre_treatment", "{}_post_treatment"),
    ("{}_preRT", "{}_postRT"),
    ("{}_before", "{}_after"),
    ("{}_day1", "{}_day100"),
    ("{}_d0", "{}_d7"),
    ("{}_tp001", "{}_tp002"),
    ("{}_m0", "{}_m120"),
    ("{}_wk1", "{}_mo3"),
    ("{}_6months", "{}_1st"),
    ("{}_visitA", "{}_visitB"),
    ("{}_rest", "{}_stress"),
    ("{}_test", "{}_retest"),
    ("{}_20200304", "{}_20200304_1", "{}_20200304_2"),
    ("{}_2020-03-04_12-00-00", "{}_2021-03-04_12.30"),
    ("{}_20200304T120000", "{}_20200305_120000.123"),
    ("{}_04Mar2020", "{}_05-Mar-2021", "{}_Mar2022"),
    ("{}_200304", "{}_210304"),
    ("{}_2019", "{}_2020"),
    ("{}_08-12-2005-NA-PET-CT Ganzkoerper-96698", "{}_05-01-2006-NA-PET-CT Ganzkoerper-12345"),
    ("{}ses01", "{}ses02"),
    ("{}_1", "{}_2"),
    ("{}a", "{}b"),
    ("{}_CT_visit1", "{}_visit2"),
    ("20200304_{}", "20210304_{}", "20210304_1_{}"),
    ("2020-03-04_12-00-00_{}", "2021-03-04-{}"),
    ("visit1_{}", "V2_{}", "baseline_{}", "1st_{}"),
    ("2019/{}", "2020/{}"),
    ("2019/03/{}", "2020/04/{}"),
    ("before/{}", "after/{}"),
    ("pre-RT/{}", "post-RT/{}"),
    ("pre_treatment/{}", "followup1/{}"),
    ("scanner1/{}", "scanner2/{}"),
    ("batch1/{}_20200101", "batch_2/{}_20210101"),
    ("{}/1", "{}/2"),
    ("{}/MR1", "{}/MR2"),
    ("{}/visit1", "{}/week-044"),
    ("MyStudy/{}/2019", "MyStudy/{}/2020"),
    ("{}/08-12-2005-NA-PET-CT Ganzkoerper-96698", "{}/05-01-2006-NA-PET-CT Ganzkoerper-12345"),
]


@pytest.mark.parametrize("visits", VISITS)
@pytest.mark.parametrize("ids", [("P1", "P2", "P3"), ("BraTS-GLI-00005", "BraTS-GLI-00006", "OAS30001")])
def test_visits_of_a_patient_are_of_one_patient_and_in_one_split(tmp_path, visits, ids):
    owners = {visit.format(patient): patient for patient in ids for visit in visits}
    cases, _ = build(tmp_path, *both(*owners))
    of = {case.name: owners[case.files["ct"].parent.relative_to(tmp_path).as_posix()] for case in cases}
    assert [case.patient for case in cases] == [of[case.name] for case in cases] and len(cases) == len(owners)
    manifest = write_manifest(cases, tmp_path / "m.csv")
    split_manifest(manifest)
    splits = {(of[case.name], case.split) for case in read_manifest(manifest, ("ct", "pet"))}
    assert len(splits) == 3


@pytest.mark.parametrize(
    "names",
    [
        [f"LUNG1-{n:03d}" for n in range(1, 9)],
        ["TCGA-02-0001", "TCGA-02-0003", "TCGA-02-2019", "TCGA-06-0001"],
        ["CHUM-001", "CHUM-002", "CHUS-001", "CHUS-002"],
        ["002_S_0413", "002_S_0729", "003_S_0907"],
        ["IXI002-Guys-0828", "IXI012-HH-1211"],
        ["BraTS2021_00000", "BraTS2021_00001"],
        ["LCTSC-Test-S1-101", "LCTSC-Test-S1-102", "LCTSC-Test-S2-101"],
        ["QIN-HEADNECK-01-0001", "QIN-HEADNECK-01-0002"],
        ["0522c0001", "0522c0002"],
        ["CC0001_philips_15_55_M", "CC0002_philips_15_56_M", "CC0003_philips_15_63_F"],
        ["100_HM10395", "101_HM10395"],
        ["liver_1", "liver_10", "liver_100"],
        ["R01-001", "R01-002", "AMC-001"],
        ["fold1_001", "fold1_002", "fold2_003"],
        ["sub-v01", "sub-v02", "sub-P02"],
        ["s0011", "s0012"],
        ["Smith", "Jones"],
        ["1998", "2001"],
        ["1", "2", "10"],
    ],
)
def test_patients_of_known_data_sets_stay_apart_without_a_doubt(tmp_path, names):
    cases, said = build(tmp_path, *both(*names))
    assert {case.name: case.patient for case in cases} == {name: name for name in names}
    assert said == []


@pytest.mark.parametrize(
    ("folders", "patients"),
    [
        (("AD/P1", "AD/P2", "MCI/P3", "NC/P4"), ["P1", "P2", "P3", "P4"]),
        (("MyStudy/P1", "MyStudy/P2"), ["P1", "P2"]),
        (("MyStudy/Smith", "MyStudy/Jones"), ["Jones", "Smith"]),
        (("Hospital A/P1", "Hospital A/P2", "Hospital B/P3"), ["P1", "P2", "P3"]),
        (
            ("FDG-PET-CT-Lesions/PETCT_0af7ffe12a/x", "FDG-PET-CT-Lesions/PETCT_0b11/x"),
            ["PETCT_0af7ffe12a", "PETCT_0b11"],
        ),
        (("Smith/planning", "Jones/planning"), ["Jones", "Smith"]),
    ],
)
def test_a_folder_above_or_below_the_patients_is_no_patient(tmp_path, folders, patients):
    cases, said = build(tmp_path, *both(*folders))
    assert sorted(case.patient for case in cases) == patients and said == []


@pytest.mark.parametrize(
    "files",
    [
        ("Hospital A/P1/ct.nii", "Hospital A/P2/pet.nii"),
        ("brain_scan_01/ct.nii", "brain_scan_02/pet.nii"),
        ("101-001/ct.nii", "101-002/pet.nii"),
        ("M12-001/ct.nii", "M13-001/pet.nii"),
        ("siteA/P1/ct.nii", "siteB/P1/pet.nii"),
        ("2019/P1/ct.nii", "2020/P1/pet.nii"),
        ("ct/patient_0001.nii", "pet/patient_0002.nii"),
        ("data/P1_ct.nii", "data/P2_pet.nii"),
        ("MyData/Smith_ct.nii", "MyData/Jones_pet.nii"),
        ("train/ct/V01.nii", "train/pet/V02.nii"),
        ("CT_P1/a.nii", "PET_P2/a.nii"),
        ("ds1/sub-01/ct/sub-01_ct.nii", "ds2/sub-01/pet/sub-01_pet.nii"),
        ("sub-01_a/ct/sub-01_ct.nii", "sub-01_b/pet/sub-01_pet.nii"),
    ],
)
def test_images_of_two_patients_are_never_one_case(tmp_path, files):
    with pytest.raises(MedSynthError, match=r"has no file matching .* a CSV with the columns case, patient"):
        build(
            tmp_path,
            *files,
            roles={"ct": "*ct*", "pet": "*pet*"} if "_ct" in files[0] else {"ct": files[0], "pet": files[1]},
        )


def test_images_from_different_visits_are_said_to_be(tmp_path):
    cases, said = build(tmp_path, "P1/2015-03-04/ct.nii", "P1/2021-03-05/pet.nii", *both("P2"))
    assert [case.name for case in cases] == ["P1", "P2"]
    assert said == [
        "1 case is made of images from different visits, such as P1 of P1-2015-03-04 and P1-2021-03-05; check that the "
        "images belong together."
    ]


@pytest.mark.parametrize(
    ("folders", "sentence"),
    [
        (("P1", "P1_x", "P2"), "P1 and P1_x are taken for different patients"),
        (("P1_abc", "P1_xyz", "P2"), "P1_abc and P1_xyz are taken for different patients"),
        (("Smith_1", "Smith_2", "Jones_1"), "Smith_1 and Smith_2 are taken for different patients"),
        (("brain_scan_01", "brain_scan_02"), "brain_scan_01 and brain_scan_02 look like dates or visits"),
        (
            ("A-00005-000", "A-00005-001", "A-00006-000"),
            "A-00005-000 and A-00005-001 are taken for visits of one patient",
        ),
        (("scanner1/P1", "scanner2/P1", "scanner2/P2"), "P1 in scanner1 and in scanner2 is taken for one patient"),
        (("P1_visit1", "P1_visit2"), "All cases are taken for one patient, P1, and cannot be divided"),
    ],
)
def test_what_may_be_otherwise_is_said(tmp_path, folders, sentence):
    _, said = build(tmp_path, *both(*folders))
    assert said == [f"{sentence}{said[0][len(sentence) :]}"] and said[0].endswith(
        "correct the column patient of the manifest."
    )


def test_a_file_named_after_another_patient_is_said(tmp_path):
    _, said = build(tmp_path, "P1/ct_P1.nii", "P1/pet_P2.nii", "P2/ct_P2.nii", "P2/pet_P2.nii")
    assert said == ["The file P1/pet_P2.nii is taken for an image of P1, not of P2; check it."]
