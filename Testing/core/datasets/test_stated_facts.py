"""What is said of images that state no unit, and of synthetic ones: by check and training alike."""

from __future__ import annotations

import json
import sys

import numpy as np
import pydicom
import pytest
from builders import phantom_ct, phantom_pet, tiny_recipe
from builders import write_manifest as write_pairs
from dicom_builder import write_pet

from medsynth_core import read_volume, train
from medsynth_core.cli.app import run
from medsynth_core.datasets.checks import check_data
from medsynth_core.datasets.manifest import Case
from medsynth_core.datasets.stated_facts import SYNTHETIC, data_notes, synthetic_notes, unit_notes
from medsynth_core.datasets.volumes import case_from_volumes
from medsynth_core.io.writing import write_labelled, write_volume
from medsynth_core.progress import Progress
from medsynth_core.recipes.recipe import write_recipe
from medsynth_core.volume import Volume

NEEDS = tiny_recipe().needs
ASSUMED = "The volume states no unit, so its values are assumed to be SUVbw of a PET, the unit that this model takes"


def write_manifest(folder):
    """Write pairs of four patients, of whom no two have the same uptake, and return their manifest."""
    manifest = write_pairs(folder)
    for number in range(4):
        pet = phantom_pet(phantom_ct())
        write_volume(pet.replace(voxels=pet.voxels * np.float32(1 + 0.02 * number)), folder / f"pet{number}.nii.gz")
    return manifest


def labelled(volume: Volume, file, **facts) -> None:
    write_labelled(volume.replace(metadata={"medsynth_version": "0.1", **facts}), file)


def test_a_pet_without_a_unit_is_named_once(tmp_path):
    manifest = write_manifest(tmp_path)
    checks = check_data(manifest, NEEDS)
    assert checks.counts == {"good": 4, "doubtful": 0, "refused": 0}
    [note] = checks.notes
    assert note.startswith(f"pet (4 of 4): {ASSUMED}") and checks.to_dict()["notes"] == [note]
    labelled(phantom_pet(phantom_ct()), tmp_path / "pet0.nii.gz")
    assert check_data(manifest, NEEDS).notes[0].startswith("pet (3 of 4): ")
    (tmp_path / "pet1.json").write_text(json.dumps({"Modality": "PT", "TracerRadionuclide": "F18", "Units": "g/mL"}))
    assert check_data(manifest, NEEDS).notes[0].startswith("pet (2 of 4): ")


def test_the_command_says_it(tmp_path, monkeypatch, capsys):
    manifest, recipe = write_manifest(tmp_path), tmp_path / "recipe.yaml"
    write_recipe(tiny_recipe(), recipe)
    monkeypatch.setattr(sys, "argv", ["medsynth", "pairs", "check", str(recipe), "--data", str(manifest)])
    assert run() == 0
    assert f"pet (4 of 4): {ASSUMED}" in capsys.readouterr().out


def test_training_says_it_and_names_synthetic_targets(tmp_path):
    manifest, log = write_manifest(tmp_path), []
    for number in range(4):
        pet = read_volume(tmp_path / f"pet{number}.nii.gz", "PT", "SUVbw")
        labelled(pet, tmp_path / f"pet{number}.nii.gz", synthetic=True)
    train(tiny_recipe(epochs=1), manifest, tmp_path / "run", device="cpu", progress=Progress(log=log.append))
    assert [line for line in log if "pet (" in line] == [f"pet (4 of 4): {SYNTHETIC}"]
    assert SYNTHETIC in (tmp_path / "run" / "events.jsonl").read_text()
    checks = check_data(manifest, NEEDS)
    assert checks.counts["doubtful"] == 4 and f"pet: {SYNTHETIC}" in checks.cases[0].problems and not checks.notes


def test_a_low_dose_simulated_from_a_scan_is_not_synthetic(tmp_path):
    labelled(phantom_pet(phantom_ct()), tmp_path / "pet.nii.gz", synthetic=True, simulation={}, source={})
    case = Case("A", "", {"pet": tmp_path / "pet.nii.gz", "ct": tmp_path / "missing.nii.gz"})
    assert data_notes([case], NEEDS) == []


def test_dicom_states_its_unit_and_whether_it_is_synthetic(tmp_path):
    file = write_pet(tmp_path / "series")[0]
    cases = [Case("A", "", {"pet": file})]
    assert unit_notes(cases, NEEDS) == [] == synthetic_notes(cases, NEEDS)
    header = pydicom.dcmread(file)
    header.SeriesDescription = "SYNTHETIC - not for diagnosis: PET"
    header.save_as(file)
    assert synthetic_notes(cases, NEEDS) == [f"pet (1 of 1): {SYNTHETIC}"]


@pytest.mark.parametrize("synthetic", [False, True])
def test_a_case_of_volumes_keeps_what_they_state(tmp_path, synthetic):
    facts = {"synthetic": True, "model": "toy"} if synthetic else {}
    ct, pet = phantom_ct(), phantom_pet(phantom_ct()).replace(metadata=facts)
    case = case_from_volumes({"ct": ct.replace(unit="", modality=""), "pet": pet}, tmp_path, "A")
    found = {role: read_volume(file) for role, file in case.files.items()}
    assert (found["ct"].modality, found["ct"].unit) == ("", "")
    assert (found["pet"].modality, found["pet"].unit, found["pet"].is_synthetic) == ("PT", "SUVbw", synthetic)
    assert found["pet"].metadata.get("model") == facts.get("model")
    assert np.array_equal(found["pet"].voxels, pet.voxels)


def test_a_unit_that_is_stated_is_not_taken_for_another(tmp_path):
    manifest = write_manifest(tmp_path)
    write_volume(phantom_pet(phantom_ct()), tmp_path / "pet0.nii.gz")
    labelled(phantom_pet(phantom_ct()).replace(unit="Bq/mL"), tmp_path / "pet0.nii.gz")
    assert check_data(manifest, NEEDS).cases[0].state == "refused"
