"""``medsynth suv`` converts a PET folder to a volume in SUV, or refuses it in one sentence."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest
from builders import phantom_ct, phantom_pet
from dicom_builder import stored_pixels, write_pet, write_series

from medsynth_core import read_volume, write_volume
from medsynth_core.cli.app import run

FACTOR = 70000 / (368.08e6 * 2 ** (-3600 / 6586.2))


@pytest.fixture
def medsynth(monkeypatch, capsys):
    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["medsynth", "suv", *map(str, arguments)])
        status = run()
        return status, *capsys.readouterr()

    return call


@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd"])
def test_the_volume_is_written_with_what_it_follows_from(tmp_path, medsynth, suffix):
    write_pet(tmp_path / "pet")
    target = tmp_path / f"suv{suffix}"
    status, printed, _ = medsynth(tmp_path / "pet", target, "--json")
    told = json.loads(printed)
    assert status == 0 and (told["output"], told["unit"]) == (str(target), "SUVbw")
    assert told["provenance"]["suv"]["weight_kg"] == 70
    volume = read_volume(target)
    assert (volume.modality, volume.unit) == ("PT", "SUVbw")
    assert np.allclose(volume.voxels, stored_pixels(3) * 2.5 * FACTOR, rtol=1e-6)
    assert volume.metadata["suv"] == told["provenance"]["suv"]


def test_people_read_what_was_used(tmp_path, medsynth):
    write_pet(tmp_path / "pet", CorrectedImage=["DECY", "NORM"])
    status, printed, _ = medsynth(tmp_path / "pet", tmp_path / "suv.nii.gz")
    assert status == 0
    for words in (
        "PET in SUVbw",
        "Decay correction: START",
        "Reference time: Series Time (0008,0031)",
        "From injection to reference time: 3600 s",
        "Weight: 70 kg",
        "Injected activity: 368.08 MBq",
        "Half-life: 6586.2 s",
        "Warning: Corrected Image (0028,0051) does not list ATTN",
    ):
        assert words in printed


def test_another_suv_is_written_where_it_is_asked_for(tmp_path, medsynth):
    write_pet(tmp_path / "pet", PatientSex="M")
    status, printed, _ = medsynth(tmp_path / "pet", tmp_path / "lean.nii.gz", "--to", "SUVlbm-james")
    lean = read_volume(tmp_path / "lean.nii.gz")
    assert status == 0 and "Lean or ideal body mass: 56.52 kg" in printed and lean.unit == "SUVlbm-james"
    assert np.allclose(lean.voxels, stored_pixels(3) * 2.5 * FACTOR * 56.52 / 70, rtol=1e-6)


@pytest.mark.parametrize(
    ("make", "options", "words"),
    [
        (lambda pet: write_pet(pet, PatientWeight=None), (), "Patient's Weight (0010,1030) is missing or 0"),
        (lambda pet: write_pet(pet, {"RadionuclideTotalDose": None}), (), "(0018,1074) is missing or 0"),
        (lambda pet: write_pet(pet, Units="CNTS"), (), "Philips SUV Scale Factor (7053,1000)"),
        (lambda pet: write_pet(pet, PatientSize=None), ("--to", "SUVbsa"), "Patient's Size (0010,1020) is missing"),
        (lambda pet: write_pet(pet, pixels=np.zeros((3, 4, 5), np.uint16)), (), "are zero"),
        (lambda pet: write_series(pet), (), "contains no PT images"),
        (lambda pet: write_pet(pet), ("--to", "SUVmax"), "'SUVmax' is not an SUV unit"),
        (lambda pet: write_pet(pet), ("--to", "Bq/mL"), "'Bq/mL' is not an SUV unit"),
        (lambda pet: None, (), "no such file or folder"),
    ],
)
def test_a_mistake_is_one_sentence_and_leaves_nothing(tmp_path, medsynth, make, options, words):
    make(tmp_path / "pet")
    status, printed, errors = medsynth(tmp_path / "pet", tmp_path / "suv.nii.gz", *options, "--json")
    message = json.loads(printed)["error"]["message"]
    assert status == 2 and words in message and message in errors and "Traceback" not in errors
    assert message.endswith(".") and "\n" not in message
    assert [path.name for path in tmp_path.iterdir()] in ([], ["pet"])


def test_an_image_file_has_no_tags_to_make_suv_from(tmp_path, medsynth):
    write_volume(phantom_pet(phantom_ct()), tmp_path / "pet.nii.gz")
    status, _, errors = medsynth(tmp_path / "pet.nii.gz", tmp_path / "suv.nii.gz")
    assert status == 2 and "pet.nii.gz has no DICOM tags" in errors and not (tmp_path / "suv.nii.gz").exists()


@pytest.mark.parametrize(("name", "words"), [("suv.png", "must end with"), ("no/suv.nii.gz", "does not exist")])
def test_an_unwritable_output_folder_is_one_sentence(tmp_path, medsynth, name, words):
    write_pet(tmp_path / "pet")
    status, _, errors = medsynth(tmp_path / "pet", tmp_path / name)
    assert status == 2 and words in errors and [path.name for path in tmp_path.iterdir()] == ["pet"]
