"""What a PET inherits from the JSON files and tables of a BIDS data set."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_pet_json import ACTIVITY, FACTOR, FACTS

from medsynth_core.io.bids_files import inherited_json
from medsynth_core.io.reading import read_volume
from medsynth_core.io.writing import write_volume

IMAGE = "sub-01/ses-a/pet/sub-01_ses-a_rec-acstat_pet.nii.gz"
WITHOUT_WEIGHT = {name: value for name, value in FACTS.items() if name != "PatientWeight"}


def data_set(root: Path, files: dict[str, Any], image: str = IMAGE) -> Path:
    """Write a PET and other files below ``root``: objects as JSON, text as it is."""
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content if isinstance(content, str) else json.dumps(content))
    (root / image).parent.mkdir(parents=True, exist_ok=True)
    return write_volume(ACTIVITY, root / image)


def own(image: str = IMAGE) -> str:
    return image.replace(".nii.gz", ".json")


@pytest.mark.parametrize(
    "place",
    [
        "pet.json",
        "rec-acstat_pet.json",
        "sub-01/sub-01_pet.json",
        "sub-01/ses-a/sub-01_ses-a_pet.json",
        "sub-01/ses-a/pet/sub-01_ses-a_pet.json",
    ],
)
def test_a_json_further_up_is_inherited(tmp_path, place):
    volume = read_volume(data_set(tmp_path, {place: FACTS}))
    assert (volume.modality, volume.unit) == ("PT", "SUVbw")
    assert np.allclose(volume.voxels, ACTIVITY.voxels * FACTOR, rtol=1e-6)


@pytest.mark.parametrize("place", ["T1w.json", "rec-nacstat_pet.json", "task-rest_pet.json", "sub-02/sub-02_pet.json"])
def test_a_json_of_other_images_is_not_inherited(tmp_path, place):
    assert inherited_json(data_set(tmp_path, {place: FACTS})) == {}


def test_the_nearest_and_the_most_specific_json_wins(tmp_path):
    files = {
        "pet.json": {**FACTS, "PatientWeight": 1, "InjectedRadioactivity": 1},
        "rec-acstat_pet.json": {"InjectedRadioactivity": 350, "PatientWeight": 2},
        "sub-01/sub-01_pet.json": {"PatientWeight": 35},
    }
    volume = read_volume(data_set(tmp_path, files))
    assert np.allclose(volume.voxels, ACTIVITY.voxels * FACTOR / 2, rtol=1e-6)


def test_a_derivative_does_not_inherit_from_the_raw_data(tmp_path):
    image = data_set(tmp_path, {"pet.json": FACTS, "sub-01/sub-01_pet.json": FACTS}, f"derivatives/x/{IMAGE}")
    assert read_volume(image).unit == ""


@pytest.mark.parametrize(
    ("files", "kg"),
    [
        ({"participants.tsv": "participant_id\tWeight\nsub-01\t35\n"}, 35),
        ({"participants.tsv": "participant_id\tbody_weight\nsub-01\t35\n"}, 35),
        ({"participants.tsv": "participant_id\tweight_lb\nsub-01\t100\n"}, 45.359237),
        ({"sub-01/sub-01_sessions.tsv": "session_id\tweight\nses-b\t90\nses-a\t35\n"}, 35),
        (
            {
                "participants.tsv": "participant_id\tweight\nsub-01\t60\n",
                "sub-01/sub-01_sessions.tsv": "session_id\tweight\nses-a\t35\n",
            },
            35,
        ),
        (
            {
                "participants.tsv": "participant_id\tweight\nsub-01\t35\n",
                "sub-01/sub-01_sessions.tsv": "session_id\tweight\nses-a\tn/a\n",
            },
            35,
        ),
        (
            {
                "participants.tsv": "participant_id\tweight\nsub-01\t35000\n",
                "participants.json": {"weight": {"Units": "g"}},
            },
            35,
        ),
    ],
)
def test_a_weight_of_a_table_is_used_in_its_unit(tmp_path, files, kg):
    volume = read_volume(data_set(tmp_path, {**files, own(): WITHOUT_WEIGHT}))
    assert np.allclose(volume.voxels, ACTIVITY.voxels * FACTOR * kg / 70, rtol=1e-6)
    assert volume.metadata["suv"]["warnings"] == []


def test_the_weight_of_a_rat_is_in_grams(tmp_path):
    rats = {"participants.tsv": "participant_id\tspecies\tweight\nsub-01\trattus norvegicus\t250\n"}
    facts = {**WITHOUT_WEIGHT, "InjectedRadioactivity": 30}
    volume = read_volume(data_set(tmp_path, {**rats, own(): facts}))
    assert np.allclose(volume.voxels, ACTIVITY.voxels * FACTOR * 0.25 / 70 * 350 / 30, rtol=1e-6)
    assert volume.metadata["suv"]["warnings"] == ["'weight' of 'participants.tsv' is 250: taken as grams."]


def test_a_reconstruction_named_as_uncorrected_is_doubted(tmp_path):
    image = IMAGE.replace("acstat", "nacstat")
    (doubt,) = read_volume(data_set(tmp_path, {own(image): FACTS}, image)).metadata["suv"]["warnings"]
    assert doubt.startswith("It is named as uncorrected")
