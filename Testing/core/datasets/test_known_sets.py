"""What users do with public data sets: wrong folders, copies, downloads that are not whole, and tables of their own."""

import pytest

from medsynth_core import MedSynthError, Progress
from medsynth_core.datasets.boxes import read_boxes
from medsynth_core.datasets.folders import cases_from_folders
from medsynth_core.datasets.known_sets import cases_of_known_set
from medsynth_core.datasets.manifest import write_manifest

HEADER = "seriesuid,coordX,coordY,coordZ,diameterX,diameterY,diameterZ,label\n"
DRIVE = tuple(f"DRIVE/training/{name}" for name in ("images/21_training.tif", "1st_manual/21_manual1.gif"))
XRAYS = ("train/NORMAL/IM-0115-0001.jpeg", "train/PNEUMONIA/person5_virus_9.jpeg", "test/NORMAL/IM-0001-0001.jpeg")


def tree(root, *names, content=b"x"):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


def build(root, **options):
    said = []
    cases = cases_of_known_set(root, root / "out", progress=Progress(log=said.append), **options)
    return cases, said


def test_the_log_says_what_was_recognised(tmp_path):
    _, said = build(tree(tmp_path, *XRAYS, "train/NORMAL/more.png"))
    assert said == [
        "3 cases of 3 patients (IM-0115, person5, test-IM-0001). Layout: chest X-rays (Kermany 2018). Patients are "
        "told apart by: the number behind person or IM, apart for the test set.",
        "Splits of the data set: not assigned yet (2), test (1).",
        "Classes: normal (2), viral (1).",
        "Image files that belong to no case: 1, such as train/NORMAL/more.png.",
    ]


@pytest.mark.parametrize("above", ["", "deep/er/chest_xray"])
@pytest.mark.parametrize("folder", [".", "train", "train/NORMAL"])
def test_a_folder_too_high_or_too_low_gives_the_same_splits(tmp_path, above, folder):
    tree(tmp_path / above, *XRAYS, "val/NORMAL/NORMAL2-IM-1427-0001.jpeg")
    whole = {case.name: (case.split, case.label) for case in build(tmp_path)[0]}
    part = {case.name: case.label for case in build(tmp_path / above / folder)[0]}
    assert len(whole) == 4 and whole["IM-0115-0001"] == ("train", "normal")
    assert part.items() <= {name: category for name, (_, category) in whole.items()}.items() and "IM-0115-0001" in part


@pytest.mark.parametrize("change", [str.upper, str.lower])
def test_capital_and_small_letters_make_no_difference(tmp_path, change):
    brats = [f"BraTS-GLI-00005-100/BraTS-GLI-00005-100-{kind}.nii.gz" for kind in ("t1n", "t1c", "t2w", "t2f", "seg")]
    for names, count in ((DRIVE, 2), (XRAYS, 1), (brats, 5), (("Image_01L.jpg", "Image_01L_1stHO.png"), 2)):
        root = tmp_path / names[0].split("_")[0].replace("/", "-")
        tree(root, *map(change, names))
        cases, _ = build(root)
        assert [len(case.files) for case in cases] == [count] * (len(names) // count)
        assert sum(case.split == "test" for case in cases) == (names is XRAYS)


def test_the_folder_of_the_labels_or_images_alone_is_refused(tmp_path):
    tree(tmp_path, *DRIVE)
    with pytest.raises(MedSynthError, match=r"No case of DRIVE in .* has vessels; choose the folder above"):
        build(tmp_path / "DRIVE/training/images")
    with pytest.raises(MedSynthError, match=r"1 of 1 cases of DRIVE .* \(21_training lacks fundus\)"):
        build(tmp_path / "DRIVE/training/1st_manual")
    assert [list(case.files) for case in build(tmp_path / "DRIVE/training/images", paired=False)[0]] == [["fundus"]]


def test_a_second_copy_and_what_macos_adds_are_left_out(tmp_path):
    # Kaggle's archive of the chest X-rays has all of this.
    tree(tmp_path, *(f"chest_xray/{name}" for name in XRAYS), *(f"chest_xray/chest_xray/{name}" for name in XRAYS))
    tree(tmp_path, "chest_xray/__MACOSX/chest_xray/train/NORMAL/IM-0115-0001.jpeg", content=b"other")
    tree(tmp_path, "chest_xray/train/NORMAL/._IM-0115-0001.jpeg", "chest_xray/train/.DS_Store")
    cases, said = build(tmp_path)
    assert [case.files["xray"].relative_to(tmp_path).parts[1] for case in cases] == ["test", "train", "train"]
    assert "3 files were left out as copies, such as chest_xray/chest_xray/test/NORMAL/IM-0001-0001.jpeg." in said
    assert not any("belong to no case" in sentence for sentence in said)


@pytest.mark.parametrize("other", ["copy/train/NORMAL/IM-0115-0001.jpeg", "copy/test/NORMAL/IM-0115-0001.jpeg"])
def test_different_files_of_one_image_are_refused(tmp_path, other):
    tree(tmp_path, *XRAYS)
    tree(tmp_path, other, content=b"x" if "test" in other else b"longer")
    with pytest.raises(MedSynthError, match=r"'xray' of IM-0115-0001 twice, as .*, which differ; keep one"):
        build(tmp_path)


def test_a_download_that_is_not_whole_is_named(tmp_path):
    kinds = ("t1", "t1ce", "t2", "flair", "seg")
    whole = [f"BraTS2021_{n:05}/BraTS2021_{n:05}_{kind}.nii.gz" for n in range(6) for kind in kinds]
    missing = {whole[3], whole[7], *whole[10:14], whole[15], whole[20]}
    tree(tmp_path, *(name for name in whole if name not in missing))
    with pytest.raises(MedSynthError) as refused:
        build(tmp_path)
    assert (
        "5 of 6 cases of BraTS since 2017" in refused.value.message
        and "(BraTS2021_00000 lacks mr_flair; BraTS2021_00001 lacks mr_t2; "
        "BraTS2021_00002 lacks mr_t1, mr_t1c, mr_t2, mr_flair; …)"
        in refused.value.message
    )
    cases, _ = build(tmp_path, paired=False)
    assert [len(case.files) for case in cases] == [4, 4, 1, 4, 4, 5]
    write_manifest(cases, tmp_path / "all.csv")
    assert ",," in (tmp_path / "all.csv").read_text().splitlines()[1]


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (
            (*DRIVE, "CHASE/Image_01L.jpg"),
            r"several data sets: DRIVE \(DRIVE/.*\) and CHASE_DB1 \(CHASE/Image_01L.jpg\)",
        ),
        (
            ("a/BraTS2021_00000/BraTS2021_00000_t1.nii", "b/Brats18_CBICA_AAB_1/Brats18_CBICA_AAB_1_t1.nii"),
            r"several editions of BraTS since 2017: brats2021 \(a/.*\) and brats18 \(b/.*the same patients",
        ),
        (
            ("train/NORMAL/IM-0115-0001.jpeg", "train/NORMAL/NORMAL-1003233-0001.jpeg"),
            "several editions of chest X-rays",
        ),
        (("P1/ct.nii.gz",), "none of the data sets that are recognised without patterns .* choose another folder"),
        (("2d_images.zip", "lung_stats.csv"), "unpack 2d_images.zip first"),
        (("a/cases.csv", "b/cases.csv"), "several tables of cases, such as a/cases.csv and b/cases.csv"),
    ],
)
@pytest.mark.parametrize("paired", [True, False])
def test_what_is_ambiguous_or_unknown_is_refused(tmp_path, names, words, paired):
    with pytest.raises(MedSynthError, match=words) as refused:
        build(tree(tmp_path, *names), paired=paired)
    assert refused.value.message.endswith(".") and "\n" not in refused.value.message


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(MedSynthError, match="cannot be read"):
        build(tmp_path / "nowhere")


def test_a_patient_in_several_splits_gets_the_one_that_is_held_out(tmp_path):
    files = ("train/PNEUMONIA/person7_virus_1.jpeg", "val/PNEUMONIA/person7_bacteria_2.jpeg", *XRAYS)
    cases, said = build(tree(tmp_path, *files))
    assert {case.name: case.split for case in cases if "person7" in case.name} == {
        "person7_virus_1": "val",
        "person7_bacteria_2": "val",
    }
    assert {case.name: case.split for case in cases}["person5_virus_9"] == "train"
    assert [sentence for sentence in said if "in several splits" in sentence] == [
        "1 patient is in several splits of the data set, such as person7; all cases of a patient were put into the one "
        "that is held out (test before val before train)."
    ]


def test_images_of_a_child_are_in_one_split_of_copies_that_were_divided_anew(tmp_path):
    files = ("train/PNEUMONIA/person7_virus_1.jpeg", "test/PNEUMONIA/person7_virus_2.jpeg", *XRAYS)
    cases, said = build(tree(tmp_path, *files))
    assert {case.name: (case.patient, case.split) for case in cases if "person7" in case.name} == {
        "person7_virus_1": ("person7", "test"),
        "person7_virus_2": ("person7", "test"),
    }
    assert any("1 patient is in several splits" in sentence for sentence in said)
    # As published, a number of another kind is another child.
    files = ("train/PNEUMONIA/person7_virus_1.jpeg", "test/PNEUMONIA/person7_bacteria_2.jpeg", *XRAYS)
    cases, _ = build(tree(tmp_path / "published", *files))
    assert {case.patient for case in cases if "person7" in case.name} == {"person7", "test-person7"}


def test_names_tell_pneumonia_in_folders_with_other_names(tmp_path):
    files = ("train/opacity/person1_bacteria_1.jpeg", "train/VIRUS/VIRUS-1-0001.jpeg", "train/normal/IM-0115-0001.jpeg")
    cases, _ = build(tree(tmp_path / "kaggle", files[0], files[2]))
    assert {case.name: case.label for case in cases} == {"person1_bacteria_1": "bacterial", "IM-0115-0001": "normal"}
    cases, _ = build(tree(tmp_path / "other", files[1], "train/BACTERIA/BACTERIA-2-0001.jpeg"))
    assert {case.name: case.label for case in cases} == {"VIRUS-1-0001": "viral", "BACTERIA-2-0001": "bacterial"}


def test_files_of_one_size_and_other_content_are_no_copies(tmp_path):
    name = "BraTS20_Training_001/BraTS20_Training_001_t1.nii"
    tree(tmp_path, f"raw/{name}", content=b"one")
    tree(tmp_path, f"n4/{name}", content=b"two")
    with pytest.raises(MedSynthError, match="twice, as .* which differ; keep one of them"):
        build(tmp_path, paired=False)


def test_a_folder_above_does_not_make_training_cases_test_cases(tmp_path):
    cases, _ = build(
        tree(tmp_path / "brats-validation", "BraTS20_Training_001/BraTS20_Training_001_t1.nii"), paired=False
    )
    assert [case.split for case in cases] == [""]


def test_parts_of_brats_2023_are_one_data_set(tmp_path):
    files = ("BraTS-GLI-00001-000/BraTS-GLI-00001-000-t1n.nii.gz", "BraTS-MEN-00001-000/BraTS-MEN-00001-000-t1n.nii.gz")
    cases, _ = build(tree(tmp_path, *files), paired=False)
    assert len({case.patient for case in cases}) == 2


def test_labels_of_drive_may_be_in_another_format(tmp_path):
    cases, _ = build(tree(tmp_path, "training/images/21_training.tif", "training/1st_manual/21_manual1.png"))
    assert set(cases[0].files) == {"fundus", "vessels"}


def test_patterns_that_match_nothing_in_a_known_data_set_are_told_to_be_needless(tmp_path):
    with pytest.raises(MedSynthError, match="for 'ct'; give no pattern at all to read it as DRIVE"):
        cases_from_folders(tree(tmp_path, *DRIVE), {"ct": "*ct*.nii*"})
    with pytest.raises(MedSynthError, match="for 'ct'; choose another folder or pattern"):
        cases_from_folders(tree(tmp_path, "CHASE/Image_01L.jpg"), {"ct": "*ct*.nii*"})


def test_boxes_of_tianchi_are_written_in_the_patient_in_mm(tmp_path):
    tree(tmp_path, *(f"train_part1/{n}{end}" for n in (318818, 688588) for end in (".mhd", ".raw")))
    tree(tmp_path, "test/641414.mhd", "test/641414.raw")
    rows = "318818,-60.5,70,-120.25,10,11,5,1\n318818,1,2,3,4,5,6,31\n688588,0,0,0,1,1,1,32\n"
    (tmp_path / "chestCT_round1_annotation.csv").write_text(HEADER + rows)
    cases, said = build(tmp_path)
    assert [(case.name, case.split, list(case.files)) for case in cases] == [
        ("318818", "", ["ct", "boxes"]),
        ("688588", "", ["ct", "boxes"]),
    ]
    assert cases[0].files["boxes"] == tmp_path / "out/318818/boxes.csv"
    first, second = read_boxes(cases[0].files["boxes"])
    assert (first.centre, first.size, first.kind) == ((60.5, -70.0, -120.25), (10.0, 11.0, 5.0), "nodule")
    assert (second.centre, second.kind) == ((-1.0, -2.0, 3.0), "artery")
    assert said[1].startswith("1 case of 'test' was left out, because all lack boxes; to list them, accept cases that")
    # The table is beside the folder that was chosen.
    assert [case.name for case in build(tmp_path / "train_part1")[0]] == ["318818", "688588"]
    assert [case.split for case in build(tmp_path, paired=False)[0]] == ["", "test", ""]


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (HEADER, "no column 'seriesuid'"),
        (HEADER.replace("diameterZ", "depth") + "318818,1,2,3,4,5,6,1\n", "no column 'diameterZ'"),
        (HEADER + "318818,1,2,?,4,5,6,1\n", "Line 2 of the annotations"),
        (HEADER + "318818,1,2,3,4,5,0,1\n", "Line 2 of the annotations"),
        (HEADER + "318818,1,2,3,4,5,6,1\n", r"1 of 2 cases of Tianchi 2019 .*\(688588 lacks boxes\)"),
        ("\x00\xff", "cannot be read|no column"),
    ],
)
def test_annotations_that_cannot_be_used_are_refused(tmp_path, table, words):
    tree(tmp_path, *(f"train_part1/{n}{end}" for n in (318818, 688588) for end in (".mhd", ".raw")))
    (tmp_path / "chestCT_round1_annotation.csv").write_text(table)
    with pytest.raises(MedSynthError, match=words):
        build(tmp_path)
    assert not (tmp_path / "out").exists()


def test_a_header_without_voxels_is_no_image(tmp_path):
    tree(tmp_path, "train_part1/318818.mhd", "train_part1/688588.MHD", "train_part1/688588.raw")
    (tmp_path / "chestCT_round1_annotation.csv").write_text(
        HEADER + "318818,1,2,3,4,5,6,1\n688588,1,2,3,4,5,6,1\n", encoding="utf-8-sig"
    )
    with pytest.raises(MedSynthError, match=r"\(318818 lacks ct\)"):
        build(tmp_path)
    assert [case.name for case in build(tmp_path, paired=False)[0]] == ["688588"]


def test_a_table_of_cases_is_read_with_its_splits_classes_and_files(tmp_path):
    tree(tmp_path, *(f"set/{case}/{kind}.nii.gz" for case in ("A", "B") for kind in ("ct", "pet")))
    (tmp_path / "set/cases.csv").write_text(
        "case,split,ct,pet,weight_kg,class\nA,train,A/ct.nii.gz,A/pet.nii.gz,71.0,fat\nB,test,B/ct.nii.gz,B/pet.nii.gz,,\n"
    )
    cases, said = build(tmp_path)
    assert [(case.name, case.split, case.label, list(case.files)) for case in cases] == [
        ("A", "train", "fat", ["ct", "pet"]),
        ("B", "test", "", ["ct", "pet"]),
    ]
    assert cases[0].files["ct"].samefile(tmp_path / "set/A/ct.nii.gz") and "table cases.csv" in said[0]
    (tmp_path / "set/B/pet.nii.gz").unlink()
    with pytest.raises(MedSynthError, match="Line 3 .* missing file for 'pet'"):
        build(tmp_path)
    (tmp_path / "set/cases.csv").write_text("case,weight_kg\nA,71\n")
    with pytest.raises(MedSynthError, match="no column with image files"):
        build(tmp_path)
