"""Cases from a folder tree; missing and ambiguous files are reported."""

import pytest

from medsynth_core import MedSynthError, Progress
from medsynth_core.datasets.folders import cases_from_folders
from medsynth_core.datasets.manifest import read_manifest, write_manifest
from medsynth_core.datasets.splitting import split_manifest

ROLES = {"ct": "*ct*.nii*", "pet": "*pet*.nii*"}


def tree(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")
    return root


def test_each_folder_with_images_is_a_case_and_the_top_level_folder_is_the_patient(tmp_path):
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
        (("P1/ct.nii.gz", "P2/ct.nii.gz", "P2/pet.nii.gz"), r"P1 has no file matching '\*pet\*.nii\*' for 'pet'"),
        (
            ("P1/ct.nii.gz", "P1/ct2.nii.gz", "P1/pet.nii.gz"),
            r"P1 has 2 files .* for 'ct' \(P1/ct.nii.gz, P1/ct2.nii.gz\)",
        ),
        (("P1/pet_ct.nii.gz",), "P1.pet_ct.nii.gz matches both 'ct' and 'pet'"),
        (("ct.nii.gz", "pet.nii.gz"), "is directly in"),
        (("P1/mr.nii.gz",), "No folder below"),
    ],
)
def test_missing_or_ambiguous_files_are_reported(tmp_path, names, words):
    with pytest.raises(MedSynthError, match=words):
        cases_from_folders(tree(tmp_path, *names), ROLES)


def test_unpaired_folders_may_lack_a_role_but_not_all_the_same_one(tmp_path):
    root = tree(tmp_path, "P1/ct.nii.gz", "P2/pet.nii.gz", "P3/ct.nii.gz", "P3/pet.nii.gz")
    cases = cases_from_folders(root, ROLES, paired=False)
    assert [(case.name, sorted(case.files)) for case in cases] == [
        ("P1", ["ct"]),
        ("P2", ["pet"]),
        ("P3", ["ct", "pet"]),
    ]
    with pytest.raises(MedSynthError, match=r"No folder below .* has a file matching 'mr\*' for 'mr'"):
        cases_from_folders(root, {**ROLES, "mr": "mr*"}, paired=False)
    with pytest.raises(MedSynthError, match="matches both 'ct' and 'pet'"):
        cases_from_folders(tree(tmp_path, "P4/pet_ct.nii.gz"), ROLES, paired=False)


def test_a_missing_folder_is_reported(tmp_path):
    with pytest.raises(MedSynthError, match="nowhere"):
        cases_from_folders(tmp_path / "nowhere", ROLES)


def found(cases):
    return [(case.name, case.patient) for case in cases]


def test_a_bids_session_is_a_case_and_the_subject_is_the_patient(tmp_path):
    names = [
        f"sub-{subject}/ses-{session}/{kind}/sub-{subject}_ses-{session}_{suffix}.nii.gz"
        for subject in ("01", "02")
        for session in ("1", "2")
        for kind, suffix in (("anat", "T1w"), ("ct", "ct"))
    ]
    told = []
    roles = {"ct": "*_ct.nii.gz", "mr": "*_T1w.nii.gz"}
    root = tree(tmp_path, *names, "dataset_description.json")
    cases = cases_from_folders(root, roles, progress=Progress(log=told.append))
    assert found(cases) == [(f"sub-{a}-ses-{b}", f"sub-{a}") for a in ("01", "02") for b in ("1", "2")]
    assert cases[0].files["mr"] == root / "sub-01/ses-1/anat/sub-01_ses-1_T1w.nii.gz"
    assert told == [
        "4 cases of 2 patients (sub-01, sub-02). Layout: BIDS. Patients are told apart by: the subject, sub-…."
    ]


@pytest.mark.parametrize(
    ("names", "roles"),
    [
        # Derivatives beside raw data, without sessions.
        (
            ("sub-01/anat/sub-01_T1w.nii.gz", "derivatives/reg/sub-01/ct/sub-01_space-T1w_ct.nii.gz"),
            {"mr": "*_T1w.nii.gz", "ct": "*_ct.nii.gz"},
        ),
        # A derivative data set by itself.
        (("reg/sub-01/sub-01_ct.nii.gz", "reg/sub-01/sub-01_pet.nii.gz"), {"ct": "*_ct.nii*", "pet": "*_pet.nii*"}),
        # Several files match, and the folder in the pattern decides.
        (
            (
                "sub-01/anat/sub-01_T1w.nii.gz",
                "derivatives/reg/sub-01/anat/sub-01_T1w.nii.gz",
                "sub-01/ct/sub-01_ct.nii.gz",
            ),
            {"mr": "derivatives/*_T1w.nii.gz", "ct": "ct/*.nii.gz"},
        ),
    ],
)
def test_bids_derivatives(tmp_path, names, roles):
    (case,) = cases_from_folders(tree(tmp_path, *names), roles)
    assert (case.name, case.patient, set(case.files)) == ("sub-01", "sub-01", set(roles))


def test_ambiguous_files_of_a_bids_session_are_reported_with_their_folders(tmp_path):
    names = ("sub-01/anat/sub-01_T1w.nii.gz", "derivatives/a/sub-01/anat/sub-01_T1w.nii.gz", "sub-01/ct/sub-01_ct.nii")
    with pytest.raises(
        MedSynthError, match="sub-01 has 2 files .*derivatives/a/sub-01.* a narrower pattern, which may"
    ):
        cases_from_folders(tree(tmp_path, *names), {"mr": "*_T1w*", "ct": "*_ct*"})


def test_nnunet_images_and_labels_belong_together(tmp_path):
    names = [f"imagesTr/case_{n:03d}_{c:04d}.nii.gz" for n in range(3) for c in range(2)]
    names += [f"labelsTr/case_{n:03d}.nii.gz" for n in range(3)]
    roles = {"ct": "*_0000.nii.gz", "pet": "*_0001.nii.gz", "lesion": "labelsTr/*.nii.gz"}
    cases = cases_from_folders(tree(tmp_path, *names, "dataset.json"), roles)
    assert found(cases) == [(f"case_{n:03d}", f"case_{n:03d}") for n in range(3)]
    assert cases[2].files["pet"].name == "case_002_0001.nii.gz"


def test_nnunet_cases_of_one_patient_are_recognised_by_date_or_visit(tmp_path):
    ids = ("P01_2020-01-31", "P01_20210131", "P02_visit1", "P02_visit2", "sub-03_ses-1", "sub-03_ses-2", "P04")
    names = [f"Dataset7/{folder}/{one}{end}" for one in ids for folder, end in (
        ("imagesTr", "_0000.nii.gz"), ("targetsTr", ".nii.gz"))]  # fmt: skip
    cases = cases_from_folders(tree(tmp_path, *names), {"ct": "*_0000.nii.gz", "mr": "targetsTr/*"})
    assert sorted(case.patient for case in cases) == ["P01", "P01", "P02", "P02", "P04", "sub-03", "sub-03"]
    assert len({case.name for case in cases}) == 7


def test_the_challenge_autopet_keeps_the_studies_of_a_patient_together(tmp_path):
    ids = ("fdg_0011f3deaf_03-23-2003", "fdg_0011f3deaf_05-02-2004", "psma_95b833d65be26293_2018-04-16")
    names = [f"imagesTr/{one}_{channel:04d}.nii.gz" for one in ids for channel in range(2)]
    cases = cases_from_folders(tree(tmp_path / "a", *names), {"ct": "*_0000.nii.gz", "pet": "*_0001.nii.gz"})
    assert [case.patient for case in cases] == ["fdg_0011f3deaf", "fdg_0011f3deaf", "psma_95b833d65be26293"]
    dates = ("12-14-2003-NA-PET-CT Ganzkoerper-54925", "01-15-2005-NA-PET-CT Ganzkoerper-1")
    names = [f"PETCT_0143bab87a/{date}/{kind}.nii.gz" for date in dates for kind in ("CTres", "SUV")]
    cases = cases_from_folders(tree(tmp_path / "b", *names), {"ct": "CTres.nii.gz", "pet": "SUV.nii.gz"})
    assert [case.patient for case in cases] == ["PETCT_0143bab87a"] * 2


@pytest.mark.parametrize(
    "names",
    [
        ("Task1/brain/1BA001/{}.nii.gz", "Task1/pelvis/1PC093/{}.nii.gz"),
        ("1BA001/{}.nii.gz", "1PC093/{}.nii.gz"),
        ("Task1/HN/1HNA001/{}.mha", "Task1/AB/1ABB012/{}.mha"),
    ],
)
def test_synthrad_cases_are_their_folders(tmp_path, names):
    files = [name.format(kind) for name in names for kind in ("ct", "mr", "mask")]
    cases = cases_from_folders(tree(tmp_path, *files, "Task1/overview/1_all.png"), {"ct": "ct.*", "mr": "mr.*"})
    expected = sorted(name.split("/")[-2] for name in names)
    assert found(cases) == [(name, name) for name in expected]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (
            ("P1/2020-03-04/{}.nii", "P1/2021-03-04/{}.nii", "P2/2020-03-04/{}.nii"),
            [("P1-2020-03-04", "P1"), ("P1-2021-03-04", "P1"), ("P2-2020-03-04", "P2")],
        ),
        (
            ("P1_20200304/{}.nii", "P1_20210304/{}.nii", "P2_baseline/{}.nii", "P2_followup/{}.nii"),
            [("P1_20200304", "P1"), ("P1_20210304", "P1"), ("P2_baseline", "P2"), ("P2_followup", "P2")],
        ),
        (
            ("train/P1/{}.nii", "train/P2/{}.nii", "test/P3/{}.nii"),
            [("test-P3", "P3"), ("train-P1", "P1"), ("train-P2", "P2")],
        ),
        (
            ("train/P1/visit1/{}.nii", "test/P1/visit2/{}.nii"),
            [("test-P1-visit2", "P1"), ("train-P1-visit1", "P1")],
        ),
        (("2020-03-04/P1/{}.nii", "2021-03-04/P1/{}.nii"), [("2020-03-04-P1", "P1"), ("2021-03-04-P1", "P1")]),
        (("P1_03-23-2003/{}.nii", "P1_31.12.2004/{}.nii"), [("P1_03-23-2003", "P1"), ("P1_31.12.2004", "P1")]),
        (
            ("P1/20200304_{}.nii", "P1/20210304_{}.nii", "P2/{}_20200304.nii"),
            [("P1-20200304", "P1"), ("P1-20210304", "P1"), ("P2-20200304", "P2")],
        ),
        # Numbers of patients that look like years, scans or months stay apart.
        (
            ("1998/{}.nii", "2001/{}.nii", "scan_001/{}.nii", "scan_002/{}.nii"),
            [("1998", "1998"), ("2001", "2001"), ("scan_001", "scan_001"), ("scan_002", "scan_002")],
        ),
    ],
)
def test_a_folder_a_patient_with_dates_and_visits(tmp_path, names, expected):
    files = [name.format(kind) for name in names for kind in ("ct", "pet")]
    assert found(cases_from_folders(tree(tmp_path, *files), {"ct": "*ct*.nii", "pet": "*pet*.nii"})) == expected


@pytest.mark.parametrize(
    ("names", "roles"),
    [
        (("ct/{}.nii.gz", "pet/{}.nii.gz"), {"ct": "ct/*", "pet": "pet/*"}),
        (("CT/{}_ct.nii.gz", "PET/{}_pet.nii.gz"), {"ct": "*_ct.nii.gz", "pet": "*_pet.nii.gz"}),
        (("all/a/ct_{}.mha", "all/b/pet_{}.mha"), {"ct": "ct_*", "pet": "pet_*"}),
    ],
)
def test_a_folder_for_each_kind_of_image(tmp_path, names, roles):
    files = [name.format(patient) for name in names for patient in ("P1", "P2_visit1", "P2_visit2")]
    cases = cases_from_folders(tree(tmp_path, *files), roles)
    assert [case.patient for case in cases] == ["P1", "P2", "P2"]
    assert all(set(case.files) == {"ct", "pet"} for case in cases)


def test_a_folder_for_the_kind_of_image_below_the_patient(tmp_path):
    names = [
        f"P1/{visit}/{kind}/{kind.lower()}.nii" for visit in ("2020-01-01", "2021-01-01") for kind in ("CT", "PET")
    ]
    root = tree(tmp_path, *names, "P2/CT/ct.nii", "P2/PET/pet.nii")
    cases = cases_from_folders(root, {"ct": "ct.nii", "pet": "pet.nii"})
    assert found(cases) == [("P1-2020-01-01", "P1"), ("P1-2021-01-01", "P1"), ("P2", "P2")]


@pytest.mark.parametrize(
    "names",
    [
        ("P1/2020-01-01/ct.nii", "P1/2020-01-02/pet.nii"),
        ("P1/ct_20200101.nii", "P1/pet_20200102.nii"),
        ("P1_visit1/ct.nii", "P1_visit2/pet.nii"),
    ],
)
def test_images_of_a_patient_from_different_days_are_one_case(tmp_path, names):
    root = tree(tmp_path, *names, "P2/ct.nii", "P2/pet.nii")
    cases = cases_from_folders(root, {"ct": "ct*.nii", "pet": "pet*.nii"})
    assert found(cases) == [("P1", "P1"), ("P2", "P2")] and set(cases[0].files) == {"ct", "pet"}


def test_unpaired_folders_of_kinds_need_no_common_names(tmp_path):
    root = tree(tmp_path, "trainA/a1.nii", "trainA/a2.nii", "trainB/b1.nii", "trainB/b2.nii")
    cases = cases_from_folders(root, {"ct": "trainA/*", "pet": "trainB/*"}, paired=False)
    assert found(cases) == [(name, name) for name in ("a1", "a2", "b1", "b2")]


def test_sessions_of_a_patient_get_into_one_split(tmp_path):
    names = [
        f"P{patient}_{date}/{kind}.nii"
        for patient in range(6)
        for date in ("2020-01-01", "2021-01-01")
        for kind in ("ct", "pet")
    ]
    manifest = write_manifest(
        cases_from_folders(tree(tmp_path / "in", *names), {"ct": "ct.nii", "pet": "pet.nii"}), tmp_path / "m.csv"
    )
    split_manifest(manifest)
    splits = {}
    for case in read_manifest(manifest, ("ct", "pet")):
        splits.setdefault(case.patient, set()).add(case.split)
    assert len(splits) == 6 and all(len(several) == 1 for several in splits.values())


def test_files_beside_the_images_do_not_count(tmp_path):
    root = tree(tmp_path, "P1/ct.mhd", "P1/ct.raw", "P1/sub_pet.nii.gz", "P1/sub_pet.json")
    (case,) = cases_from_folders(root, {"ct": "ct.*", "pet": "*_pet*"})
    assert [file.name for file in case.files.values()] == ["ct.mhd", "sub_pet.nii.gz"]


def test_a_layout_that_is_not_known_is_refused_with_how_to_write_the_table(tmp_path):
    with pytest.raises(
        MedSynthError, match=r"a CSV with the columns case, patient, split, ct, pet and a line for each"
    ):
        cases_from_folders(tree(tmp_path, "ct.nii.gz", "pet.nii.gz"), ROLES)


def test_a_map_of_errors_is_no_image_of_a_case(tmp_path):
    root = tree(tmp_path, "P1/ct.nii.gz", "P1/pet.nii.gz")
    (root / "P1" / "pet.json").write_text('{"medsynth_version": "0.1", "description": "expected error of PT"}')
    with pytest.raises(MedSynthError, match="is a map of the errors of a synthetic image"):
        cases_from_folders(root, ROLES)


def test_patients_whose_names_begin_with_their_site_stay_apart(tmp_path):
    names = [
        f"{patient}/planning/{kind}.nii"
        for patient in ("site1_P07", "site1_P08", "site2_P01")
        for kind in ("ct", "pet")
    ]
    cases = cases_from_folders(tree(tmp_path, *names), ROLES)
    assert [case.patient for case in cases] == ["site1_P07", "site1_P08", "site2_P01"]
