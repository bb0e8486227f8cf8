"""``medsynth pairs``, from a folder of images to a registered, divided and checked manifest."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from builders import phantom_ct, phantom_pet, tiny_recipe
from dicom_builder import SUV_TAGS, injection, write_series
from verdict_cases import unpaired_recipe

from medsynth_core import Cancelled, read_volume, write_volume
from medsynth_core.cli.app import run
from medsynth_core.datasets import register_cases as registering
from medsynth_core.datasets.manifest import read_manifest
from medsynth_core.grid import resample
from medsynth_core.recipes.recipe import write_recipe

ROLES = ("--role", "ct=*ct*.nii*", "--role", "pet=*pet*.nii*")


@pytest.fixture
def medsynth(monkeypatch, capsys):
    def command(*arguments):
        """Return exit status, what was printed, and the sentence on stderr."""
        monkeypatch.setattr(sys, "argv", ["medsynth", "pairs", *map(str, arguments)])
        status = run()
        told = capsys.readouterr()
        return status, told.out, told.err

    return command


@pytest.fixture
def images(tmp_path):
    """Folders of six patients, the PET of each 6 mm off."""
    for number in range(6):
        ct = phantom_ct((12, 40, 44), seed=number)
        pet = phantom_pet(ct)
        matrix = pet.ijk_to_ras.copy()
        matrix[1, 3] += 6.0
        folder = tmp_path / "images" / f"P{number}"
        folder.mkdir(parents=True)
        write_volume(ct, folder / "ct.nii.gz")
        write_volume(pet.replace(voxels=pet.voxels * np.float32(1 + number), ijk_to_ras=matrix), folder / "pet.nii.gz")
    return tmp_path / "images"


@pytest.mark.slow
def test_images_become_a_manifest_that_can_be_trained_with(medsynth, images, tmp_path):
    write_recipe(tiny_recipe(), tmp_path / "recipe.yaml")
    assert medsynth("build", images, tmp_path / "all.csv", *ROLES)[0] == 0
    assert medsynth("split", tmp_path / "all.csv", "--seed", 3)[0] == 0
    cases = read_manifest(tmp_path / "all.csv", ("ct", "pet"))
    assert [case.name for case in cases] == [f"P{n}" for n in range(6)]
    assert {case.split for case in cases} == {"train", "val", "test"}

    register = ("register", tmp_path / "all.csv", tmp_path / "out", "--fixed", "ct", "--moving", "pet")
    status, printed, _ = medsynth(*register, "--moving-modality", "PT", "--json")
    assert status == 0
    for told in json.loads(printed)["cases"]:
        assert not told["skipped"]
        assert told["quality"]["after"]["mutual_information"] > told["quality"]["before"]["mutual_information"]
    moved = read_manifest(tmp_path / "out" / "manifest.csv", ("ct", "pet"))
    assert [case.split for case in moved] == [case.split for case in cases]
    for before, after in zip(cases, moved, strict=True):
        assert after.files["ct"] == before.files["ct"] or after.files["ct"].samefile(before.files["ct"])
        ct, pet = read_volume(after.files["ct"]), read_volume(after.files["pet"])
        assert pet.same_grid(ct)
        expected = phantom_pet(ct).voxels * (1 + int(after.name[1:]))
        off = resample(read_volume(before.files["pet"]), ct).voxels
        assert np.abs(pet.voxels - expected).mean() < 0.5 * np.abs(off - expected).mean()

    status, printed, _ = medsynth(
        "check", tmp_path / "recipe.yaml", "--data", tmp_path / "out" / "manifest.csv", "--json"
    )
    assert status == 0
    assert json.loads(printed)["counts"]["refused"] == 0 and len(json.loads(printed)["cases"]) == 6


@pytest.mark.parametrize(
    ("roles", "words"),
    [
        (("--role", "ct=*ct*", "--role", "ct=*pet*"), "'ct' is given twice"),
        (("--role", "ct=*ct*", "--role", "split=*pet*"), "describes the case"),
        (("--role", "ct=*ct*", "--role", "a/b=*pet*"), "'a/b'"),
    ],
)
def test_roles_that_cannot_be_columns_are_refused(medsynth, images, tmp_path, roles, words):
    status, _, said = medsynth("build", images, tmp_path / "bad.csv", *roles)
    assert status == 2 and words in said and not (tmp_path / "bad.csv").exists()


@pytest.mark.slow
def test_a_registration_is_taken_up_where_it_was_cancelled(medsynth, images, tmp_path, monkeypatch):
    medsynth("build", images, tmp_path / "all.csv", *ROLES)
    command = ("register", tmp_path / "all.csv", tmp_path / "out", "--fixed", "ct", "--moving", "pet", "--json")
    done = []

    def interrupted(*arguments, **options):
        if len(done) == 2:
            raise Cancelled
        done.append(1)
        return real(*arguments, **options)

    real = registering.register
    monkeypatch.setattr(registering, "register", interrupted)
    assert medsynth(*command)[0] == 130
    assert not (tmp_path / "out" / "manifest.csv").exists()
    first = (tmp_path / "out" / "P0" / "pet.nii.gz").stat().st_mtime_ns
    monkeypatch.setattr(registering, "register", real)
    # What is not whole, or older than its images, is done again.
    (tmp_path / "out" / "P1" / "pet_to_ct.json").write_text("{")
    status, printed, _ = medsynth(*command)
    assert status == 0
    assert [case["skipped"] for case in json.loads(printed)["cases"]] == [True] + [False] * 5
    assert (tmp_path / "out" / "P0" / "pet.nii.gz").stat().st_mtime_ns == first
    (images / "P3" / "ct.nii.gz").touch()
    status, printed, _ = medsynth(*command)
    assert [case["case"] for case in json.loads(printed)["cases"] if not case["skipped"]] == ["P3"]


def test_the_check_prints_a_table_and_fails_where_a_case_cannot_be_used(medsynth, images, tmp_path):
    write_recipe(tiny_recipe(), tmp_path / "recipe.yaml")
    medsynth("build", images, tmp_path / "all.csv", *ROLES)
    medsynth("split", tmp_path / "all.csv")
    (images / "P2" / "pet.nii.gz").unlink()
    check = ("check", tmp_path / "recipe.yaml", "--data", tmp_path / "all.csv")
    status, printed, sentence = medsynth(*check)
    assert status == 2 and "1 of 6 cases" in sentence and "Traceback" not in sentence
    assert all(word in printed for word in ("case", "split", "state", "MI", "Dice", "problems", "refused", "such"))
    status, printed, _ = medsynth(*check, "--json")
    assert status == 2 and "1 of 6 cases" in json.loads(printed)["error"]["message"]
    assert [case["state"] for case in json.loads(printed)["cases"]].count("refused") == 1


def test_dicom_studies_become_a_manifest(medsynth, tmp_path):
    for number in range(2):
        for modality in ("CT", "PT"):
            study = f"1.2.{number}"
            series = f"{study}.{1 if modality == 'CT' else 2}"
            tags = {"PatientID": f"P{number}", "StudyInstanceUID": study, "SeriesInstanceUID": series}
            tags.update({**SUV_TAGS, **injection()} if modality == "PT" else {})
            write_series(tmp_path / "in" / str(number) / modality, modality=modality, **tags)
    status, printed, _ = medsynth(
        "build", tmp_path / "in", tmp_path / "all.csv", "--dicom", "--role", "ct=CT", "--role", "pet=PT", "--json"
    )
    assert status == 0 and json.loads(printed)["cases"] == ["001", "002"]
    assert json.loads(printed)["patients"] == {"001": "001", "002": "002"}
    files = read_manifest(tmp_path / "all.csv", ("ct", "pet"), unsplit=True)[0].files
    assert files["ct"] == tmp_path / "001" / "ct.nii.gz" and read_volume(files["pet"]).unit == "SUVbw"


def test_unpaired_images_become_a_manifest_that_a_cyclegan_can_use(medsynth, images, tmp_path):
    write_recipe(unpaired_recipe(), tmp_path / "recipe.yaml")
    (images / "P0" / "pet.nii.gz").unlink()
    (images / "P1" / "ct.nii.gz").unlink()
    status, _, sentence = medsynth("build", images, tmp_path / "all.csv", *ROLES)
    assert status == 2 and "has no file matching" in sentence
    assert medsynth("build", images, tmp_path / "all.csv", *ROLES, "--unpaired")[0] == 0
    lines = [line.split(",") for line in (tmp_path / "all.csv").read_text().splitlines()[1:]]
    assert [line[0] for line in lines] == [f"P{number}" for number in range(6)]
    status, printed, _ = medsynth("split", tmp_path / "all.csv", "--recipe", tmp_path / "recipe.yaml", "--json")
    assert status == 0 and {"P0", "P1"} <= set(json.loads(printed)["splits"]["train"])
    status, printed, _ = medsynth("check", tmp_path / "recipe.yaml", "--data", tmp_path / "all.csv", "--json")
    assert status == 0 and json.loads(printed)["counts"]["refused"] == 0


def test_a_public_data_set_becomes_a_manifest_without_patterns(medsynth, tmp_path):
    names = [f"train/NORMAL/IM-{n:04}-0001.jpeg" for n in range(20)] + ["test/PNEUMONIA/person1_virus_6.jpeg"]
    for name in names:
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).touch()
    manifest = tmp_path / "all.csv"
    status, printed, told = medsynth("build", tmp_path / "in", manifest)
    assert status == 0 and "chest X-rays (Kermany 2018)" in (printed + told).replace("\n", "")
    command = f"medsynth pairs split {manifest} --keep --shares 0.85 0.15 0"
    assert command in (printed + told)
    assert medsynth(*command.split()[2:])[0] == 0
    cases = read_manifest(manifest, ("xray",))
    assert [sum(case.split == split for case in cases) for split in ("train", "val", "test")] == [17, 3, 1]
    assert {case.label for case in cases} == {"normal", "viral"}


def test_splits_that_are_there_are_not_lost(medsynth, images, tmp_path):
    manifest = tmp_path / "all.csv"
    medsynth("build", images, manifest, *ROLES)
    medsynth("split", manifest)
    before = manifest.read_text()
    status, _, sentence = medsynth("split", manifest, "--seed", 1)
    assert status == 2 and "already has splits" in sentence and manifest.read_text() == before
    assert medsynth("split", manifest, "--keep")[0] == 0 and manifest.read_text() == before
    assert medsynth("split", manifest, "--seed", 1, "--output", tmp_path / "other.csv")[0] == 0
    assert manifest.read_text() == before != (tmp_path / "other.csv").read_text()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("build", "IMAGES", "ALL", *ROLES), "already exists"),
        (("build", "IMAGES", "NEW", "--role", "ct"), "ROLE=PATTERN"),
        (("build", "IMAGES", "NEW", "--role", "ct=*mr*"), "No folder below"),
        (("build", "IMAGES", "NEW"), "recognised without patterns"),
        (("build", "IMAGES", "NEW", "--dicom"), "No kind of image is asked for"),
        (("build", "nowhere", "NEW", *ROLES), "nowhere"),
        (("build", "IMAGES", "/nowhere/new.csv", *ROLES), "does not exist"),
        (("split", "ALL", "--shares", "0.5", "0.4", "0.3"), "sum is 1"),
        (("split", "nowhere.csv"), "cannot be read"),
        (("split", "ALL", "--output", "IMAGE"), "tables are written as .csv"),
        (("build", "IMAGES", "NEW.nii.gz", *ROLES), "tables are written as .csv"),
        (("check", "RECIPE", "--data", "ALL"), "has no split"),
        (("check", "nowhere.yaml", "--data", "ALL"), "cannot be read"),
        (("register", "ALL", "OUT", "--fixed", "ct", "--moving", "mr"), "no column 'mr'"),
        (("register", "ALL", "OUT", "--fixed", "ct", "--moving", "ct"), "to itself"),
        (("register", "ALL", "IMAGES", "--fixed", "ct", "--moving", "pet"), "would overwrite"),
    ],
)
def test_a_mistake_is_told_in_one_sentence_and_changes_nothing(medsynth, images, tmp_path, arguments, words):
    write_recipe(tiny_recipe(), tmp_path / "recipe.yaml")
    assert medsynth("build", images, tmp_path / "all.csv", *ROLES)[0] == 0
    places = {"IMAGES": images, "ALL": tmp_path / "all.csv", "NEW": tmp_path / "new.csv", "OUT": tmp_path / "out"}
    places["RECIPE"], places["IMAGE"] = tmp_path / "recipe.yaml", images / "P1" / "pet.nii.gz"
    before = contents(tmp_path)
    status, printed, sentence = medsynth(*(places.get(word, word) for word in arguments), "--json")
    error = json.loads(printed)["error"]
    assert status == 2 and words in error["message"] and error["message"] in sentence
    assert "\n" not in error["message"] and error["message"].endswith(".")
    assert contents(tmp_path) == before


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
