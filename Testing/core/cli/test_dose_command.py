"""``medsynth simulate-dose`` writes its images and reports mistakes."""

import json
import sys

import numpy as np
import pytest
from builders import phantom_ct, phantom_pet
from dicom_builder import write_pet

from medsynth_core import read_volume, write_volume
from medsynth_core.cli.app import run
from medsynth_core.errors import ExitStatus


@pytest.fixture
def folder(tmp_path):
    write_volume(phantom_ct(), tmp_path / "ct.nii.gz")
    for name in ("pet", "suv"):
        write_volume(phantom_pet(phantom_ct()), tmp_path / f"{name}.nii.gz")
    return tmp_path


@pytest.fixture
def medsynth(monkeypatch, folder):
    def call(*arguments):
        monkeypatch.chdir(folder)
        monkeypatch.setattr(sys, "argv", ["medsynth", "simulate-dose", *map(str, arguments)])
        return run()

    return call


def test_it_writes_the_low_dose_with_its_provenance(medsynth, folder, capsys):
    assert medsynth("pet.nii.gz", "low.nii.gz", "--factor", 20, "--random-seed", 3, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["output"], told["modality"], told["unit"]) == ("low.nii.gz", "PT", "SUVbw")
    low, pet = read_volume(folder / "low.nii.gz"), read_volume(folder / "pet.nii.gz")
    assert np.array_equal(low.ijk_to_ras, pet.ijk_to_ras) and low.shape == pet.shape
    assert (low.modality, low.unit) == ("PT", "SUVbw")
    assert low.metadata["synthetic"] is True
    facts = low.metadata["simulation"]
    assert (facts["dose_reduction_factor"], facts["seed"]) == (20, 3)
    assert facts == told["provenance"]["simulation"]


def test_the_full_dose_of_the_same_counts_lies_beside_it(medsynth, folder, capsys):
    assert medsynth("pet.nii.gz", "low.nii.gz", "--factor", 50, "--ct", "ct.nii.gz", "--full-dose", "full.mha") == 0
    assert "simulated PET in SUVbw at 1/50 of the dose. Not for diagnosis." in capsys.readouterr().out
    full, low = read_volume(folder / "full.mha"), read_volume(folder / "low.nii.gz")
    assert full.metadata["simulation"]["attenuation"] is True
    assert full.metadata["simulation"]["counts_kept"] > 40 * low.metadata["simulation"]["counts_kept"]
    tissue = read_volume(folder / "pet.nii.gz").voxels > 0.9
    assert 0.02 < (low.voxels - full.voxels)[tissue].std() < 0.1
    assert low.voxels[tissue].mean() == pytest.approx(float(full.voxels[tissue].mean()), rel=0.1)


def test_the_approximation_is_called_one(medsynth, folder, capsys):
    assert medsynth("pet.nii.gz", "low.nii.gz", "--factor", 4, "--method", "image-space") == 0
    assert "of the dose, approximate. Not for diagnosis." in capsys.readouterr().out


def test_a_unit_can_be_stated(medsynth, folder):
    done = medsynth("pet.nii.gz", "low.nii.gz", "--factor", 4, "--unit", "Bq/mL", "--reconstruction", "fbp")
    assert done == 0
    low = read_volume(folder / "low.nii.gz")
    assert low.unit == "Bq/mL" and low.metadata["simulation"]["reconstruction"] == "fbp"


def test_an_assumed_unit_is_reported(medsynth, folder, capsys):
    for more, stated in ((), False), (("--unit", "SUVbw"), True):
        assert medsynth("pet.nii.gz", "low.nii.gz", "--factor", 4, "--method", "image-space", *more) == 0
        told = " ".join(capsys.readouterr().err.split())
        assert ("states no unit, so SUVbw is assumed" in told) is not stated
        assert read_volume(folder / "low.nii.gz").metadata["input_unit_stated"] is stated


def test_the_reason_why_a_pet_is_not_in_suv_is_printed(medsynth, folder, capsys):
    write_pet(folder / "dicom", PatientWeight=None)
    assert medsynth("dicom", "low.nii.gz", "--factor", 4, "--method", "image-space") == 0
    told = capsys.readouterr()
    assert "simulated PET in Bq/mL at 1/4 of the dose" in told.out
    assert "Patient's Weight (0010,1030)" in " ".join(told.err.split())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("ct.nii.gz", "low.nii.gz", "--factor", "4"), "negative"),
        (("nothing.nii.gz", "low.nii.gz", "--factor", "4"), "no such file"),
        (("pet.nii.gz", "low.nii.gz", "--factor", "1"), "factor 1 cannot be simulated"),
        (("pet.nii.gz", "low.nii.gz", "--factor", "4", "--unit", "HU"), "in HU, but the simulation needs activity"),
        (("pet.nii.gz", "low.nii.gz", "--factor", "4", "--ct", "suv.nii.gz"), "not Hounsfield units"),
        (("pet.nii.gz", "low.nii.gz", "--factor", "4", "--random-seed", "-1"), "seed is -1"),
        (("pet.nii.gz", "low.png", "--factor", "4"), "must end with"),
        (("pet.nii.gz", "pet.nii.gz", "--factor", "4"), "named twice"),
        (("pet.nii.gz", "low.nii.gz", "--factor", "4", "--full-dose", "low.nii.gz"), "named twice"),
    ],
)
def test_a_mistake_is_one_sentence_and_leaves_nothing(medsynth, folder, capsys, arguments, words):
    assert medsynth(*arguments, "--json") == ExitStatus.USER_MISTAKE
    told = capsys.readouterr()
    message = json.loads(told.out)["error"]["message"]
    assert words in message and message.endswith(".") and "\n" not in message
    assert "Traceback" not in told.err
    assert sorted(path.name for path in folder.iterdir()) == ["ct.nii.gz", "pet.nii.gz", "suv.nii.gz"]


@pytest.mark.parametrize("wrong", [("--method", "magic"), ("--reconstruction", "magic"), ()])
def test_a_wrong_option_has_status_2(medsynth, wrong):
    assert (
        medsynth("pet.nii.gz", "low.nii.gz", *(("--factor", "4", *wrong) if wrong else ())) == ExitStatus.USER_MISTAKE
    )
