"""Manifests are read and written without loss; errors are reported in one sentence."""

import pytest

from medsynth_core import MedSynthError
from medsynth_core.datasets.manifest import Case, read_manifest, roles_in, split_of, write_manifest, write_splits
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
