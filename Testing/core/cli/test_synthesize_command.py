"""``medsynth synthesize`` of a PET reports an assumed unit, or the tag that an SUV would need."""

import json
import sys

import numpy as np
import pytest
from builders import dose_recipe, phantom_body_pet, write_dose_manifest
from dicom_builder import write_pet

from medsynth_core import train, write_volume
from medsynth_core.cli.app import run
from medsynth_core.errors import ExitStatus
from medsynth_core.io.writing import write_labelled

pytestmark = pytest.mark.slow

SENTENCE = "The volume states no unit, so its values are assumed to be SUVbw of a PET"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dose")
    return train(dose_recipe(epochs=2), write_dose_manifest(folder), folder / "run", device="cpu")


@pytest.fixture
def pet(tmp_path):
    return write_volume(phantom_body_pet(), tmp_path / "pet.nii.gz")


@pytest.fixture
def medsynth(monkeypatch, capsys, tmp_path, model):
    """Call ``medsynth synthesize`` and return its status, what it printed, and what it says in JSON."""

    def call(source, *more):
        arguments = ["medsynth", "synthesize", source, tmp_path / "out.nii.gz", "--model", model, "--device", "cpu"]
        monkeypatch.setattr(sys, "argv", [*map(str, arguments), *more])
        status, printed = run(), capsys.readouterr()
        return status, " ".join(printed.out.split()), " ".join(printed.err.split())

    return call


def dicom(folder, **tags):
    """Write a phantom as a PET series in Bq/mL."""
    stored = np.rint(phantom_body_pet().voxels * 5000 / 0.37).astype(np.uint16)
    places = [(-20, -30, 40 + 3 * k) for k in range(len(stored))]
    write_pet(folder, pixels=stored, positions=places, PixelSpacing=[4.0, 4.0], RescaleSlope=0.37, **tags)
    return folder


def test_an_assumed_unit_is_reported_in_text_and_json(medsynth, pet, tmp_path):
    status, out, err = medsynth(pet)
    assert status == 0 and (out + err).count(SENTENCE) == 1
    status, out, _ = medsynth(pet, "--json")
    facts = json.loads(out)["provenance"]
    assert facts["input_unit"] == "SUVbw" and facts["input_unit_stated"] is False
    assert SENTENCE in facts["log"][0] == json.loads((tmp_path / "out.json").read_text())["log"][0]


def test_a_unit_that_is_stated_is_not_commented_on(medsynth, pet):
    for more in (("--unit", "SUVbw"), ()):
        status, out, _ = medsynth(pet, "--json", *more)
        facts = json.loads(out)["provenance"]
        assert status == 0 and facts["input_unit_stated"] is True and not any("unit" in line for line in facts["log"])
        # From here on the file beside the image states it.
        write_labelled(phantom_body_pet().replace(metadata={"medsynth_version": "1"}), pet)


def test_a_unit_that_the_model_does_not_take_is_refused(medsynth, pet, tmp_path):
    status, _, err = medsynth(pet, "--unit", "Bq/mL")
    assert status == ExitStatus.USER_MISTAKE and "is in Bq/mL, but this model takes SUVbw; convert it" in err
    assert not (tmp_path / "out.nii.gz").exists()


def test_a_pet_from_dicom_states_its_unit(medsynth, tmp_path):
    status, out, err = medsynth(dicom(tmp_path / "series"), "--json")
    facts = json.loads(out)["provenance"]
    assert status == 0, err
    assert facts["input_unit_stated"] is True and facts["source"]["suv"]["weight_kg"] == 70


@pytest.mark.parametrize(
    ("tags", "words"),
    [
        ({"PatientWeight": None}, "Patient's Weight (0010,1030)"),
        ({"injected": {"RadionuclideTotalDose": None}}, "Radionuclide Total Dose (0018,1074)"),
    ],
)
def test_a_refusal_names_the_tag_that_is_missing(medsynth, tmp_path, tags, words):
    status, _, err = medsynth(dicom(tmp_path / "series", **tags))
    assert (
        status == ExitStatus.USER_MISTAKE
        and words in err
        and "this model takes SUVbw, and the values of the series" in err
    )
    assert [path.name for path in tmp_path.iterdir()] == ["series"]


def test_a_dose_that_was_simulated_without_suv_is_refused_with_the_tag_too(medsynth, tmp_path, monkeypatch):
    source = dicom(tmp_path / "series", PatientWeight=None)
    arguments = ["simulate-dose", source, tmp_path / "low.nii.gz", "--factor", 4, "--method", "image-space"]
    monkeypatch.setattr(sys, "argv", ["medsynth", *map(str, arguments)])
    assert run() == 0
    status, _, err = medsynth(tmp_path / "low.nii.gz")
    assert status == ExitStatus.USER_MISTAKE and "Patient's Weight (0010,1030)" in err and "remove the JSON" not in err
