"""Manifests are read and written without loss; errors are reported in one sentence."""

from dataclasses import replace

import pytest

from medsynth_core import MedSynthError
from medsynth_core.datasets.manifest import (
    Case,
    check_roles,
    read_manifest,
    roles_in,
    split_of,
    write_manifest,
    write_splits,
)
from medsynth_core.datasets.splitting import split_cases


def table(folder, text, files=("ct.nii.gz", "pet.nii.gz")):
    for name in files:
        (folder / name).write_bytes(b"an image")
    path = folder / "manifest.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_patient_defaults_to_the_case_name(tmp_path):
    path = table(tmp_path, "case,split,patient,ct,pet\nA,train,,ct.nii.gz,pet.nii.gz\nB,val,Jo,ct.nii.gz,pet.nii.gz\n")
    cases = read_manifest(path, ("ct", "pet"))
    assert [(case.name, case.split, case.patient) for case in cases] == [("A", "train", "A"), ("B", "val", "Jo")]
    assert cases[0].files == {"ct": tmp_path / "ct.nii.gz", "pet": tmp_path / "pet.nii.gz"}


def test_a_written_manifest_can_be_read_after_its_folder_is_moved(tmp_path):
    first = tmp_path / "first"
    (first / "A").mkdir(parents=True)
    (first / "A" / "ct.nii.gz").write_bytes(b"")
    (tmp_path / "elsewhere.nii.gz").write_bytes(b"")
    files = {"ct": first / "A" / "ct.nii.gz", "pet": tmp_path / "elsewhere.nii.gz"}
    write_manifest([Case("A", "train", files, "Jo")], first / "manifest.csv")
    second = first.rename(tmp_path / "second")
    (case,) = read_manifest(second / "manifest.csv", ("ct", "pet"))
    assert case == Case("A", "train", {**files, "ct": second / "A" / "ct.nii.gz"}, "Jo")


def test_roles_are_the_columns_that_name_images(tmp_path):
    text = "case,split,ct,weight_kg,notes,lesion,mask\nA,train,gone.nii.gz,71.0,none,,marked\nB,val,b.mha,,,l.nrrd,\n"
    assert roles_in(table(tmp_path, text, files=("marked",))) == ("ct", "lesion", "mask")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "lists no case"),
        ("case,split,ct,pet\n", "lists no case"),
        ("case,ct,pet\nA,ct.nii.gz,pet.nii.gz\n", "no column 'split'"),
        ("case,split,ct\nA,train,ct.nii.gz\n", "no column 'pet'"),
        ("case,split,ct,pet\n,train,ct.nii.gz,pet.nii.gz\n", "Line 2 .* no name"),
        ("case,split,ct,pet\nA,train,ct.nii.gz,gone.nii.gz\n", "missing file for 'pet': .*gone.nii.gz"),
        ("case,split,ct,pet\nA,train,ct.nii.gz,\n", "lists no file for 'pet'"),
        ("case,split,ct,pet\nA,train,ct.nii.gz\n", "lists no file for 'pet'"),
        ("case,split,ct,pet\nA,dev,ct.nii.gz,pet.nii.gz\n", "split 'dev'"),
        ("case,split,ct,pet\nA,,ct.nii.gz,pet.nii.gz\n", "no split"),
        ("case,split,ct,pet\n" + "A,train,ct.nii.gz,pet.nii.gz\n" * 2, "case 'A' twice"),
        (
            "case,split,patient,ct,pet\nA,val,Jo,ct.nii.gz,pet.nii.gz\nB,train,Jo,ct.nii.gz,pet.nii.gz\n",
            "patient 'Jo' in the splits train and val",
        ),
    ],
)
def test_a_wrong_manifest_is_refused_in_one_sentence(tmp_path, text, words):
    with pytest.raises(MedSynthError, match=words) as told:
        read_manifest(table(tmp_path, text), ("ct", "pet"))
    assert "\n" not in told.value.message and told.value.message.endswith(".")
    assert "manifest.csv" in told.value.message


@pytest.mark.parametrize("column", ["class", "Class", " CLASS "])
def test_the_class_of_a_case_is_no_image(tmp_path, column):
    (tmp_path / "viral").touch()  # a file of the name of a class
    path = table(tmp_path, f"case,split,{column},ct\nA,train,viral,ct.nii.gz\nB,val,,ct.nii.gz\n")
    cases = read_manifest(path, ("ct",))
    assert [case.label for case in cases] == ["viral", ""] and roles_in(path) == ("ct",)
    written = write_manifest(cases, tmp_path / "again.csv")
    assert written.read_text() == "case,split,patient,class,ct\nA,train,A,viral,ct.nii.gz\nB,val,B,,ct.nii.gz\n"
    assert read_manifest(written, ("ct",)) == cases
    with pytest.raises(MedSynthError, match="role 'class' has the name of a column that describes the case"):
        check_roles(["class"])


def test_a_manifest_of_cases_without_class_has_no_column_for_it(tmp_path):
    write_manifest([Case("A", "train", {"ct": tmp_path / "ct.nii.gz"})], tmp_path / "again.csv")
    assert (tmp_path / "again.csv").read_text() == "case,split,patient,ct\nA,train,A,ct.nii.gz\n"


def test_a_split_with_no_case_is_refused(tmp_path):
    cases = read_manifest(table(tmp_path, "case,split,ct\nA,train,ct.nii.gz\n"), ("ct",))
    with pytest.raises(MedSynthError, match="no case in the split 'val'"):
        split_of(cases, "val")


def test_a_manifest_without_splits_or_files_is_read_on_request(tmp_path):
    path = table(tmp_path, "case,ct,pet\nA,gone.nii.gz,\n")
    assert read_manifest(path, ("ct", "pet"), check_files=False, unsplit=True) == [
        Case("A", "", {"ct": tmp_path / "gone.nii.gz"})
    ]


def test_a_manifest_without_a_case_is_not_written(tmp_path):
    with pytest.raises(MedSynthError, match="no case"):
        write_manifest([], tmp_path / "manifest.csv")
    assert list(tmp_path.iterdir()) == []


def test_classes_are_a_column_of_their_own_that_is_no_image(tmp_path):
    (tmp_path / "boxes.csv").touch()
    files = {"xray": tmp_path / "a.png", "boxes": tmp_path / "boxes.csv"}
    cases = [Case("A", "train", files, "", "viral"), Case("B", "test", {"xray": tmp_path / "b.png"})]
    path = write_manifest(cases, tmp_path / "all.csv")
    assert path.read_text().splitlines()[:2] == [
        "case,split,patient,class,xray,boxes",
        "A,train,A,viral,a.png,boxes.csv",
    ]
    assert read_manifest(path, ("xray",), optional=("boxes",), check_files=False) == cases
    (tmp_path / "viral").touch()
    assert "class" not in roles_in(path)
    # In a folder of its own, what is listed stays where it is.
    (tmp_path / "other").mkdir()
    write_splits(cases, path, tmp_path / "other" / "all.csv")
    moved = read_manifest(tmp_path / "other" / "all.csv", (), optional=("boxes",))
    assert [case.label for case in moved] == ["viral", ""] and moved[0].files["boxes"].samefile(files["boxes"])
    assert "class" not in write_manifest([cases[1]], tmp_path / "plain.csv").read_text()
    path.write_text("case,split,Class,xray\nA,train,viral,a.png\n")
    assert read_manifest(path, (), check_files=False)[0].label == "viral"


def test_new_splits_keep_all_other_cells(tmp_path):
    rows = [f"P{n},ct.nii.gz,{50 + n}.5,a note, and more" for n in range(4)]
    path = table(tmp_path, "\n".join(["case,ct,weight_kg,notes", *rows]))
    cases = split_cases(read_manifest(path, (), unsplit=True))
    (tmp_path / "below").mkdir()
    write_splits(cases, path, tmp_path / "below" / "other.csv")
    write_splits(cases, path, path)
    assert [(case.name, case.split) for case in read_manifest(path, ("ct",))] == [(c.name, c.split) for c in cases]
    assert "53.5,a note" in path.read_text()
    assert read_manifest(tmp_path / "below" / "other.csv", ("ct",))[0].files["ct"] == tmp_path / "ct.nii.gz"


ONE_PERSON = [
    ("Patient", "P1", "P1"),
    (" PATIENT ", "P1", "P1"),
    ("patient", "P1", "P1 "),
    ("patient", "P1", "p-1"),
    ("patient", "1", "01"),
    ("patient", "7", "7.0"),
    ("patient", "M\u00fcller", "Mu\u0308ller"),
    ("patient", "\uff301", "P1"),
]


@pytest.mark.parametrize(("column", "first", "second"), ONE_PERSON)
def test_one_person_however_spelled_is_never_in_two_splits(tmp_path, column, first, second):
    lines = [f"A,train,{first},ct.nii.gz", "B,val,Q,ct.nii.gz", f"C,{{}},{second},ct.nii.gz"]
    for split in ("test", "train"):
        path = table(tmp_path, "\n".join([f"Case,split ,{column},CT", *lines]).format(split))
        if split == "train":
            assert [case.files["ct"].name for case in read_manifest(path, ("ct",))] == ["ct.nii.gz"] * 3
        else:
            with pytest.raises(MedSynthError, match=r"has the patient .* in the splits train and test; put all cases"):
                read_manifest(path, ("ct",))
    cases = [replace(case, split="") for case in read_manifest(path, ("ct",))]
    for seed in range(6):
        found = split_cases(cases, (0.5, 0.5, 0.0), seed)
        assert found[0].split == found[2].split != found[1].split


@pytest.mark.parametrize(
    "column",
    ["patient_id", "PatientID", "Patient ID", "patients", "subject", "Subject-No.", "participant_id", "MRN", "id"],
)
def test_patients_in_a_column_of_another_name_are_not_passed_over(tmp_path, column):
    text = f"case,{column},split,ct\nA,{{}},train,ct.nii.gz\nB,Q,val,ct.nii.gz\nC,p1,test,ct.nii.gz\n"
    with pytest.raises(
        MedSynthError,
        match=r"in a column 'patient', but has a column '.*', in which .*; copy it to the column patient, or",
    ):
        read_manifest(table(tmp_path, text.format("P1")), ("ct",))
    assert len(read_manifest(table(tmp_path, text.format("P2")), ("ct",))) == 3, "each case has its own"
    both = text.replace("case,", "case,patient,").replace("A,", "A,R,").replace("B,", "B,S,").replace("C,", "C,T,")
    assert [case.patient for case in read_manifest(table(tmp_path, both.format("P1")), ("ct",))] == ["R", "S", "T"]


@pytest.mark.parametrize("column", ["patient_age", "site", "subject_weight_kg", "scanner"])
def test_other_columns_are_ignored(tmp_path, column):
    text = f"case,{column},split,ct\nA,7,train,ct.nii.gz\nB,7,val,ct.nii.gz\n"
    assert [case.patient for case in read_manifest(table(tmp_path, text), ("ct",))] == ["A", "B"]


def test_a_column_that_is_there_twice_in_other_letters_is_refused(tmp_path):
    with pytest.raises(MedSynthError, match=r"the column 'patient' twice, as 'Patient' and 'patient '; remove one"):
        read_manifest(table(tmp_path, "case,Patient,patient ,ct\nA,1,2,ct.nii.gz\n"), ("ct",), unsplit=True)


@pytest.mark.parametrize("mark", [",", ";", "\t", " , "])
def test_columns_may_be_separated_as_spreadsheet_programs_do(tmp_path, mark):
    rows = [["case", "split", "patient", "ct"], ["A", "train", "Jo", "ct.nii.gz"], ["B", "val", '"a,b;c"', "ct.nii.gz"]]
    path = table(tmp_path, "\n".join(map(mark.join, rows)).replace(' , "a,b;c"', ',"a,b;c"'))
    cases = read_manifest(path, ("ct",))
    assert [(case.name, case.split, case.patient) for case in cases] == [("A", "train", "Jo"), ("B", "val", "a,b;c")]
    write_splits(cases, path, tmp_path / "other.csv")
    assert read_manifest(tmp_path / "other.csv", ("ct",)) == cases


def test_a_path_that_begins_with_a_space_is_read_again(tmp_path):
    (tmp_path / " P1").mkdir()
    (tmp_path / " P1" / "ct.nii.gz").write_bytes(b"")
    write_manifest([Case("A", "", {"ct": tmp_path / " P1" / "ct.nii.gz"})], tmp_path / "m.csv")
    assert read_manifest(tmp_path / "m.csv", ("ct",), unsplit=True)[0].files["ct"].samefile(tmp_path / " P1/ct.nii.gz")


@pytest.mark.parametrize("place", ["pet.nii.gz", "linked.csv", "image.csv", "identities.csv", "m", "m.txt"])
def test_a_manifest_replaces_no_other_file(tmp_path, place):
    path = table(tmp_path, "case,split,ct,pet\nA,train,image.csv,pet.nii.gz\n", files=("image.csv", "pet.nii.gz"))
    (tmp_path / "linked.csv").symlink_to("pet.nii.gz")
    cases = read_manifest(path, ("ct", "pet"))
    before = {file: file.read_bytes() for file in tmp_path.iterdir()}
    for write in (lambda: write_splits(cases, path, tmp_path / place), lambda: write_manifest(cases, tmp_path / place)):
        with pytest.raises(MedSynthError, match="choose a"):
            write()
    assert {file: file.read_bytes() for file in tmp_path.iterdir()} == before


def test_a_column_of_patients_counts_where_that_of_the_project_is_empty(tmp_path):
    text = "case,split,patient,patient_id,ct\nA,train,P1,1,ct.nii.gz\nB,train,,2,ct.nii.gz\nC,test,,2,ct.nii.gz\n"
    with pytest.raises(MedSynthError, match="does not tell the patient of each case"):
        read_manifest(table(tmp_path, text), ("ct",))
    filled = text.replace(",,2", ",P2,2", 1).replace(",,2", ",P3,2")
    assert [case.patient for case in read_manifest(table(tmp_path, filled), ("ct",))] == ["P1", "P2", "P3"]


@pytest.mark.parametrize(
    ("column", "cell"),
    [("PatientName", "ANONYMOUS"), ("patient_id", "n/a"), ("Animal", "rat"), ("person", "reader 1"), ("name", "FDG"),
     ("sub", "x"), ("patient_study", "S1")],
)  # fmt: skip
def test_columns_that_tell_no_patient_are_ignored(tmp_path, column, cell):
    text = f"case,{column},split,ct\nA,{cell},train,ct.nii.gz\nB,{cell},test,ct.nii.gz\n"
    assert [case.patient for case in read_manifest(table(tmp_path, text), ("ct",))] == ["A", "B"]


@pytest.mark.parametrize(
    "text",
    [
        "case;split;ct;a, b, c, d, e\nA;train;ct.nii.gz;1\n",
        "sep=;\ncase;split;ct\nA;train;ct.nii.gz\n",
        "\ncase,split,ct\nA,train,ct.nii.gz\n",
    ],
)
def test_the_delimiter_is_the_one_that_gives_a_column_case(tmp_path, text):
    assert [case.name for case in read_manifest(table(tmp_path, text), ("ct",))] == ["A"]
