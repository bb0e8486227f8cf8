"""Readers of public data sets, on small trees with the names of the originals and on the real ones at hand."""

from collections import Counter

import pytest

from medsynth_core.datasets.known_sets import cases_of_known_set
from medsynth_core.datasets.layouts.data_sets.registry import DATA_SETS
from medsynth_core.datasets.manifest import read_manifest, shared_patients, write_manifest
from medsynth_core.datasets.splitting import split_manifest

MR = ("mr_t1", "mr_t1c", "mr_t2", "mr_flair", "lesion")


def build(root, *files, paired=True):
    """Return the cases in a tree of empty files: case, patient, split, class, and the files by role."""
    for name in files:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    cases = cases_of_known_set(root, root / "out", paired=paired)
    return [
        (case.name, case.patient, case.split, case.label)
        + tuple(f"{role}={file.relative_to(root).as_posix()}" for role, file in case.files.items())
        for case in cases
    ]


def brats2015(place, number, label="VSD.Brain_3more.XX.O.OT"):
    kinds = [*(f"VSD.Brain.XX.O.{kind}" for kind in ("MR_T1", "MR_T1c", "MR_T2", "MR_Flair")), label]
    names = [f"{kind}.{number + at}" for at, kind in enumerate(kinds)]
    return [f"{place}/{name}/{name}.mha" for name in names]


def brats(place, mark, kinds, ending):
    case = place.rsplit("/", maxsplit=1)[-1]
    return [f"{place}/{case}{mark}{kind}{ending}" for kind in kinds]


OLD, NEW = ("t1", "t1ce", "t2", "flair", "seg"), ("t1n", "t1c", "t2w", "t2f", "seg")
TRAINING, TESTING = "BRATS2015_Training/HGG", "BRATS2015_Testing/HGG_LGG"
YEARS = {
    "MICCAI_BraTS_2018_Data_Training/HGG/Brats18_CBICA_AAB_1": ("Brats18_CBICA_AAB", "hgg"),
    "MICCAI_BraTS_2018_Data_Training/HGG/Brats18_TCIA01_131_1": ("Brats18_TCIA01_131", "hgg"),
    "MICCAI_BraTS_2018_Data_Training/LGG/Brats18_2013_10_1": ("Brats18_2013_10", "lgg"),
    "MICCAI_BraTS_2019_Data_Training/LGG/BraTS19_TMC_30014_1": ("BraTS19_TMC_30014", "lgg"),
    "MICCAI_BraTS2020_TrainingData/BraTS20_Training_001": ("BraTS20_Training_001", ""),
    "BraTS2021_00000": ("BraTS2021_00000", ""),
    "ASNR-MICCAI-BraTS2023-GLI-Challenge-TrainingData/BraTS-GLI-00000-000": ("BraTS-GLI-00000", ""),
    "training_data1_v2/BraTS-MEN-00004-000": ("BraTS-MEN-00004", ""),
}


@pytest.mark.parametrize("place", YEARS)
@pytest.mark.parametrize("ending", [".nii.gz", ".nii"])
def test_brats_of_each_year(tmp_path, place, ending):
    patient, grade = YEARS[place]
    since_2023 = "BraTS-" in place.rsplit("/", maxsplit=1)[-1]
    files = brats(place, "-" if since_2023 else "_", NEW if since_2023 else OLD, ending)
    expected = tuple(f"{role}={file}" for role, file in zip(MR, files, strict=True))
    assert build(tmp_path, *files) == [(place.rsplit("/", maxsplit=1)[-1], patient, "", grade, *expected)]


def test_visits_of_brats_are_of_one_patient_but_numbers_of_later_years_are_not(tmp_path):
    visits = [f"training/BraTS-GLI-00005-{visit}" for visit in (100, 101)]
    files = [file for place in (*visits, "training/BraTS-GLI-00006-100") for file in brats(place, "-", NEW, ".nii.gz")]
    assert [case[1] for case in build(tmp_path, *files)] == ["BraTS-GLI-00005", "BraTS-GLI-00005", "BraTS-GLI-00006"]


def test_the_misnamed_segmentation_of_2020_belongs_to_its_folder(tmp_path):
    place = "MICCAI_BraTS2020_TrainingData/BraTS20_Training_355"
    files = [*brats(place, "_", OLD[:4], ".nii"), f"{place}/W39_1998.09.19_Segm.nii"]
    assert build(tmp_path, *files)[0][-1] == f"lesion={files[-1]}"


@pytest.mark.parametrize("label", ["VSD.Brain_3more.XX.O.OT", "VSD.Brain.XX.O.OT"])
def test_brats_2015(tmp_path, label):
    visits = [f"{TRAINING}/brats_tcia_pat153_{visit}" for visit in ("0109", "0181")]
    places = [f"{TRAINING}/brats_2013_pat0001_1", *visits, "BRATS2015_Training/LGG/brats_tcia_pat103_1"]
    files = [brats2015(place, 54512 + 5 * at, label) for at, place in enumerate(places)]
    found = build(tmp_path, *(file for several in files for file in several))
    assert [case[:4] for case in found] == [
        ("brats_2013_pat0001_1", "brats_2013_pat0001", "", "hgg"),
        ("brats_tcia_pat103_1", "brats_tcia_pat103", "", "lgg"),
        ("brats_tcia_pat153_0109", "brats_tcia_pat153", "", "hgg"),
        ("brats_tcia_pat153_0181", "brats_tcia_pat153", "", "hgg"),
    ]
    assert found[0][4:] == tuple(f"{role}={file}" for role, file in zip(MR, files[0], strict=True))


def test_test_sets_without_labels_are_left_out_or_listed_with_empty_cells(tmp_path):
    files = [*brats2015(f"{TRAINING}/brats_2013_pat0001_1", 1), *brats2015(f"{TESTING}/brats_2013_pat0103_1", 11)[:4]]
    assert [case[0] for case in build(tmp_path, *files)] == ["brats_2013_pat0001_1"]
    trained, tested = build(tmp_path, paired=False)
    assert trained[:3] == ("brats_2013_pat0001_1", "brats_2013_pat0001", "") and len(trained) == 4 + 5
    assert tested[:4] == ("brats_2013_pat0103_1", "brats_2013_pat0103", "test", "") and len(tested) == 4 + 4


def test_validation_sets_of_brats_are_held_out(tmp_path):
    files = brats("BraTS2020_TrainingData/BraTS20_Training_001", "_", OLD, ".nii")
    held_out = brats("BraTS2020_ValidationData/BraTS20_Validation_001", "_", OLD[:4], ".nii")
    splits = {case[0]: case[2] for case in build(tmp_path, *files, *held_out, paired=False)}
    assert splits == {"BraTS20_Training_001": "", "BraTS20_Validation_001": "test"}


TABLE = {
    "chest X-rays (Kermany 2018)": {
        "chest_xray/train/NORMAL/IM-0115-0001.jpeg": ("IM-0115", "train", "normal"),
        "chest_xray/train/NORMAL/IM-0429-0001-0002.jpeg": ("IM-0429", "train", "normal"),
        "chest_xray/val/NORMAL/NORMAL2-IM-1427-0001.jpeg": ("IM-1427", "val", "normal"),
        "chest_xray/train/PNEUMONIA/person1000_bacteria_2931.jpeg": ("person1000", "train", "bacterial"),
        "chest_xray/train/PNEUMONIA/person1000_virus_1681.jpeg": ("person1000", "train", "viral"),
        "chest_xray/test/NORMAL/IM-0001-0001.jpeg": ("test-IM-0001", "test", "normal"),
        "chest_xray/test/PNEUMONIA/person1_virus_6.jpeg": ("test-person1", "test", "viral"),
        "chest_xray/train/PNEUMONIA/person1_bacteria_1.jpeg": ("person1", "train", "bacterial"),
    },
    "the same with other names": {
        "ChestXRay/train/NORMAL/NORMAL-1003233-0001.jpeg": ("1003233", "", "normal"),
        "ChestXRay/train/PNEUMONIA/BACTERIA-1008087-0001.jpeg": ("1008087", "", "bacterial"),
        "ChestXRay/test/PNEUMONIA/VIRUS-1008087-0001.JPEG": ("test-1008087", "test", "viral"),
    },
    "FIRE": {
        "FIRE/Images/A01_1.jpg": ("A01", "", ""),
        "FIRE/Images/A01_2.jpg": ("A01", "", ""),
        "FIRE/Images/P37_1.jpg": ("P37", "", ""),
    },
}


@pytest.mark.parametrize("name", TABLE)
def test_pictures_that_are_cases_by_themselves(tmp_path, name):
    for number, path in enumerate(TABLE[name]):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(bytes([number]))
    role = "fundus" if name == "FIRE" else "xray"
    expected = {
        (file.rsplit("/", maxsplit=1)[-1].rsplit(".", maxsplit=1)[0], *said, f"{role}={file}")
        for file, said in TABLE[name].items()
    }
    assert set(build(tmp_path)) == expected and len(expected) == len(TABLE[name])


def test_pairs_of_fire_that_share_a_photograph_are_of_one_patient(tmp_path):
    shared = {"S01_1": b"a", "S01_2": b"b", "S02_1": b"b", "S02_2": b"c", "P01_1": b"c", "P01_2": b"d", "A01_1": b"e"}
    (tmp_path / "Images").mkdir()
    for name, content in shared.items():
        (tmp_path / f"Images/{name}.jpg").write_bytes(content)
    assert {case[0]: case[1] for case in build(tmp_path)} == {
        name: "A01" if name == "A01_1" else "P01" for name in shared
    }


def test_drive_has_vessels_and_the_field_of_view(tmp_path):
    files = [
        "DRIVE/training/images/21_training.tif",
        "DRIVE/training/1st_manual/21_manual1.gif",
        "DRIVE/training/mask/21_training_mask.gif",
    ]
    roles = ("fundus", "vessels", "field_of_view", "vessels_second")
    trained = ("21_training", "21_training", "", "", *(f"{r}={f}" for r, f in zip(roles, files, strict=False)))
    tested = [
        "DRIVE/test/images/01_test.tif",
        "DRIVE/test/1st_manual/01_manual1.gif",
        "DRIVE/test/mask/01_test_mask.gif",
        "DRIVE/test/2nd_manual/01_manual2.gif",
    ]
    # As it is published today, the test set has no vessels.
    assert build(tmp_path, *files, tested[0], tested[2]) == [trained]
    expected = ("01_test", "01_test", "test", "", *(f"{r}={f}" for r, f in zip(roles, tested, strict=True)))
    assert build(tmp_path, *tested) == [expected, trained]


def test_both_eyes_of_a_child_are_of_one_patient(tmp_path):
    files = [f"Image_01{eye}{end}" for eye in "LR" for end in (".jpg", "_1stHO.png", "_2ndHO.png")]
    roles = ("fundus", "vessels", "vessels_second")
    assert build(tmp_path, *files) == [
        (f"Image_01{eye}", "child-01", "", "", *(f"{r}={f}" for r, f in zip(roles, several, strict=True)))
        for eye, several in (("L", files[:3]), ("R", files[3:]))
    ]


def test_slices_and_volumes_of_kaggles_lung_ct_are_not_mixed(tmp_path):
    slices = ("2d_images/ID_0000_Z_0142.tif", "2d_masks/ID_0000_Z_0142.tif")
    volumes = ("3d_images/IMG_0002.nii.gz", "3d_images/MASK_0002.nii.gz")
    expected = ("ID_0000_Z_0142", "ID_0000_Z_0142", "", "", f"ct={slices[0]}", f"lung={slices[1]}")
    assert build(tmp_path, *slices, *volumes) == [expected]
    assert build(tmp_path / "3d_images") == [
        ("IMG_0002", "IMG_0002", "", "", "ct=IMG_0002.nii.gz", "lung=MASK_0002.nii.gz")
    ]


def test_every_data_set_has_roles_that_can_be_columns_and_a_name_of_its_own():
    assert len({reader.name for reader in DATA_SETS}) == len(DATA_SETS)
    for reader in DATA_SETS:
        assert len(set(reader.roles)) == len(reader.roles) and reader.images


def test_the_chest_x_rays_at_hand(shared_data, tmp_path):
    root = shared_data / "chest-xray"
    cases = cases_of_known_set(root, tmp_path)
    # The counts of its NOTICE.md.
    assert Counter((case.split, case.label) for case in cases) == {
        ("", "normal"): 500,
        ("", "bacterial"): 400,
        ("", "viral"): 400,
        ("test", "normal"): 234,
        ("test", "bacterial"): 242,
        ("test", "viral"): 148,
    }
    write_manifest(cases, tmp_path / "all.csv")
    divided = split_manifest(tmp_path / "all.csv", keep=True, shares=(0.85, 0.15, 0.0))
    assert Counter(case.split for case in divided)["test"] == 624 and shared_patients(divided) == {}
    before = {case.name for case in cases if case.split == "test"}
    assert {case.name for case in divided if case.split == "test"} == before
    persons = {split: len({case.person for case in divided if case.split == split}) for split in ("train", "val")}
    assert persons["val"] == pytest.approx(0.15 * sum(persons.values()), abs=1)
    read = read_manifest(tmp_path / "all.csv", ("xray",))
    assert [case.label for case in read] == [case.label for case in cases]


def test_the_fundus_photographs_at_hand(shared_data, tmp_path):
    cases = cases_of_known_set(shared_data / "fundus-chase", tmp_path)
    assert len(cases) == 28 and len({case.person for case in cases}) == 14
    assert all(list(case.files) == ["fundus", "vessels", "vessels_second"] for case in cases)
    assert all(file.is_file() for case in cases for file in case.files.values())


def test_the_sarcomas_at_hand_have_a_table(shared_data, tmp_path):
    cases = cases_of_known_set(shared_data / "sts", tmp_path)
    assert len(cases) == 41 and all(list(case.files) == ["ct", "pet", "mr_t1", "lesion"] for case in cases)
    assert set(Counter(case.split for case in cases)) == {"train", "val", "test"}
