"""Visits and examinations that no list of words knows: a person is never two patients because of them."""

import pytest

from medsynth_core import MedSynthError, Progress
from medsynth_core.datasets.folders import cases_from_folders

PERSONS = [
    ("P01", "P02", "P03"),
    ("Smith", "Jones", "Brown"),
    ("0012345", "0054321", "0099999"),
    ("001", "002", "003"),
    ("M\u00fcller_Hans", "Meier_Anna", "Huber_Eva"),
]
VISITS = [
    ("Zyklus1", "Zyklus2"),
    ("Tag1", "Tag2"),
    ("untersuchung1", "untersuchung2"),
    ("1583280000", "1593280000"),
    ("prone", "supine"),
    ("iPET", "eotPET"),
    ("delayed", "standard"),
    ("Q1", "Q2"),
    ("PSMA11", "FDG"),
    ("Ga68", "F18"),
    ("ruhe", "belastung"),
]


def build(root, owners):
    """Return who was taken for the patient of each case beside whose it is, and what was said of it.

    Args:
        root: an empty folder.
        owners: folder of a case → its person.
    """
    for folder in owners:
        (root / folder).mkdir(parents=True)
        for kind in ("ct.nii", "pet.nii"):
            (root / folder / kind).write_bytes(b"")
    said = []
    cases = cases_from_folders(root, {"ct": "ct*", "pet": "pet*"}, progress=Progress(log=said.append))
    found = [(owners[case.files["ct"].parent.relative_to(root).as_posix()], case.patient) for case in cases]
    return set(found), said[1:]


def is_one_to_one(found):
    return len({person for person, _ in found}) == len({patient for _, patient in found}) == len(found)


@pytest.mark.parametrize("visits", VISITS)
@pytest.mark.parametrize("shape", ["{}_{}", "{}-{}", "{}/{}", "data/{}/{}", "{0}/{0}_{1}"])
@pytest.mark.parametrize("persons", PERSONS, ids=lambda persons: persons[0])
def test_what_several_persons_share_are_their_visits(tmp_path, persons, shape, visits):
    owners = {shape.format(person, visit): person for person in persons for visit in visits}
    assert is_one_to_one(build(tmp_path / "all", owners)[0])
    owners.popitem()
    assert is_one_to_one(build(tmp_path / "missing", owners)[0]), "one person was there once"


@pytest.mark.parametrize(
    ("folders", "sentence"),
    [
        (("1234567_A100001", "1234567_A100002", "7654321_A100003"), "1234567_A100001 and 1234567_A100002"),
        (("0012345_CT998877", "0012345_CT998899", "0054321_CT998800"), "0012345_CT998877 and 0012345_CT998899"),
        (("P001_E1234", "P001_E1250", "P002_E1300"), "P001_E1234 and P001_E1250"),
        (("P001_1583280000", "P001_1593280000", "P002_1683280000"), "P001_1583280000 and P001_1593280000"),
        (("MRN0012345-ACC778", "MRN0012345-ACC790", "MRN0054321-ACC801"), "MRN0012345-ACC778 and MRN0012345-ACC790"),
        (("Mueller_ACC778", "Mueller_ACC790", "Meier_ACC801"), "Mueller_ACC778 and Mueller_ACC790"),
        (("Mueller/ACC778", "Mueller/ACC790", "Meier/ACC801"), "Mueller-ACC778 and Mueller-ACC790"),
        (("Mueller/12345678", "Mueller/12345679", "Meier/1234568"), "Mueller-12345678 and Mueller-12345679"),
        (("1/E778", "1/E790", "2/E801"), "1-E778 and 1-E790"),
    ],
)
def test_numbers_of_examinations_are_of_the_person_before_them_and_that_is_said(tmp_path, folders, sentence):
    found, said = build(
        tmp_path, {folder: folder.replace("_", "/").replace("-", "/").split("/")[0] for folder in folders}
    )
    assert is_one_to_one(found) and said[0].startswith(f"{sentence} are taken for visits of one patient")


@pytest.mark.parametrize(
    ("shape", "others"),
    [("{visit}/{}", ("prone", "supine")), ("{visit}/{}", ("Zyklus1", "Zyklus2")), ("{visit}_{}", ("iPET", "eotPET"))],
)
def test_a_person_below_the_visits_is_not_two_patients(tmp_path, shape, others):
    owners = {shape.format(person, visit=visit): person for person in ("Smith", "Jones", "Brown") for visit in others}
    found, said = build(tmp_path, owners)
    assert len(found) == 3, "each person is one patient, which may be the same"
    assert is_one_to_one(found) or any("All cases are taken for one patient" in one for one in said)


def test_persons_in_batches_and_months_are_one_patient_each(tmp_path):
    owners = {f"{batch}/OAS3000{n}": n for batch in (1, 2) for n in range(1, 5)}
    owners |= {f"2019/{month:02d}/OAS3000{n}": n for month in (1, 2, 3) for n in (1, 2)}
    assert is_one_to_one(build(tmp_path, owners)[0])


@pytest.mark.parametrize(
    ("above", "each", "merged"),
    [(("HGG", "LGG"), 2, False), (("Lung", "Brain"), 5, False), (("Utrecht", "Singapore", "Boston"), 2, True)],
)
def test_a_folder_with_many_patients_is_a_group_and_what_is_not_sure_is_said(tmp_path, above, each, merged):
    names = [f"{place}/{place}X{n:04d}" for place in above for n in range(each)]
    found, said = build(tmp_path, {name: name for name in names})
    assert len({patient for _, patient in found}) == (len(above) if merged else len(names))
    assert len(said) == (above[0] != "HGG") and all("correct the column patient" in one for one in said)


def test_images_of_one_patient_in_folders_of_their_own_are_one_case(tmp_path):
    kinds = {"mr": "*MPRAGE*", "pet": "*FDG*"}
    for subject in ("002_S_0413", "002_S_0685", "137_S_0301"):
        for kind, image in (("MPRAGE", "I14437"), ("FDG", "I24437")):
            folder = tmp_path / "ADNI" / subject / kind / "2006-05-02_12_31_52.0" / (image + subject[-2:])
            folder.mkdir(parents=True)
            (folder / f"ADNI_{subject}_{kind}_{image}.nii").write_bytes(b"")
    said = []
    cases = cases_from_folders(tmp_path, kinds, progress=Progress(log=said.append))
    assert [case.patient for case in cases] == ["002_S_0413", "002_S_0685", "137_S_0301"]
    assert any("made of images from different visits" in one for one in said)


def test_images_below_one_collection_are_not_one_case(tmp_path):
    for place in ("study2024/Smith/ct.nii", "study2024/Jones/pet.nii"):
        (tmp_path / place).parent.mkdir(parents=True)
        (tmp_path / place).write_bytes(b"")
    with pytest.raises(MedSynthError, match="has no file matching"):
        cases_from_folders(tmp_path, {"ct": "ct*", "pet": "pet*"})
