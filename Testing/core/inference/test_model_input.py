"""The input of a model is read in the model's unit if possible, and otherwise in its own."""

import json

import numpy as np
import pytest
from builders import dose_recipe, phantom_body_pet
from dicom_builder import write_pet

from medsynth_core import MedSynthError, read_volume, write_volume
from medsynth_core.inference.model_input import read_input
from medsynth_core.io.writing import write_labelled

CONTRACT = dose_recipe().contract


def taking(unit: str):
    return CONTRACT.model_copy(update={"inputs": {"pet": CONTRACT.input.model_copy(update={"unit": unit})}})


@pytest.fixture
def pet(tmp_path):
    return write_volume(phantom_body_pet(), tmp_path / "pet.nii.gz")


def test_a_file_without_a_unit_gets_none_unless_it_is_given_one(pet):
    assert read_input(pet, CONTRACT).unit == "" and read_input(pet, CONTRACT).modality == "PT"
    assert read_input(pet, CONTRACT, "SUVbw").unit == "SUVbw"
    assert CONTRACT.misfits(read_input(pet, CONTRACT, "Bq/mL"))[0].startswith("The volume is in Bq/mL, but")


def test_a_unit_in_the_json_beside_a_file_counts_as_stated(pet):
    write_labelled(phantom_body_pet().replace(metadata={"medsynth_version": "1"}), pet)
    assert read_input(pet, CONTRACT).unit == "SUVbw"
    with pytest.raises(MedSynthError, match="states that its unit is SUVbw"):
        read_input(pet, CONTRACT, "Bq/mL")


@pytest.mark.parametrize("unit", ["SUVbw", "Bq/mL", "SUVbsa"])
def test_a_pet_from_dicom_comes_in_the_unit_of_the_model(tmp_path, unit):
    write_pet(tmp_path)
    volume = read_input(tmp_path, taking(unit))
    assert volume.unit == unit and np.array_equal(volume.voxels, read_volume(tmp_path, unit=unit).voxels)


def test_a_refusal_repeats_why_there_is_no_suv(tmp_path):
    write_pet(tmp_path, PatientWeight=None)
    [reason] = CONTRACT.misfits(read_input(tmp_path, CONTRACT))
    assert reason.startswith("The volume is in Bq/mL, but this model takes SUVbw, and the values of the series ")
    assert "Patient's Weight (0010,1030) is missing or 0; enter the weight" in reason and reason.endswith(".")
    # A model that takes what is there has no reason to say so.
    assert not any("0010,1030" in reason for reason in taking("Bq/mL").misfits(read_input(tmp_path, taking("Bq/mL"))))


def test_the_reason_is_found_behind_a_simulated_dose_too(tmp_path):
    write_pet(tmp_path / "dicom", PatientWeight=None)
    source = read_volume(tmp_path / "dicom")
    low = source.replace(metadata={"medsynth_version": "1", "simulation": {}, "source": source.metadata})
    write_labelled(low, tmp_path / "low.nii.gz")
    assert json.loads((tmp_path / "low.json").read_text())["unit"] == "Bq/mL"
    assert "Patient's Weight (0010,1030)" in CONTRACT.misfits(read_input(tmp_path / "low.nii.gz", CONTRACT))[0]
