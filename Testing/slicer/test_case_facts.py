"""What nodes say of themselves stays with the images of a case: unit, modality, and that a model made them."""

from __future__ import annotations

import json

import pytest
import slicer
from builders import phantom_ct, phantom_pet
from scene_helpers import closePanel
from train_helpers import makePanel, phantomPair, recipeText

from medsynth_core.io.reading import read_volume

SYNTHETIC = "pet: The image is synthetic, so the model would learn from the output of another model."
ASSUMED = "The volume states no unit, so its values are assumed to be SUVbw of a PET"


@pytest.fixture
def panel(tmp_path):
    panel = makePanel(tmp_path)
    panel._recipe.setText(recipeText())
    yield panel
    closePanel(panel)


def add(panel, ct, pet) -> str:
    """Add a pair and return what is said then."""
    panel.ui.inputVolumeSelector.setCurrentNode(ct)
    panel.ui.targetVolumeSelector.setCurrentNode(pet)
    panel.ui.addPairButton.click()
    panel._data.wait()
    return panel.ui.dataStatusLabel.text


def check(panel) -> str:
    panel.ui.divideButton.click()
    panel.ui.checkButton.click()
    panel._data.wait()
    return panel.ui.dataStatusLabel.text


def test_UnitAndModalityGoWithTheImage(panel):
    assert add(panel, *phantomPair(0)) == "Added case-001."
    files = panel._data.dataSet.case("case-001").files
    ct, pet = read_volume(files["ct"]), read_volume(files["pet"])
    assert (ct.modality, ct.unit, pet.modality, pet.unit) == ("CT", "HU", "PT", "SUVbw")
    kept = json.loads(files["pet"].with_name("pet.json").read_text())
    assert not kept.get("synthetic") and "PET 0" not in str(kept)


@pytest.mark.slow
def test_SyntheticTargetsAreDoubted(panel):
    for seed in range(4):
        ct, pet = phantomPair(seed)
        pet.SetAttribute("MedSynth.Synthetic", "true")
        pet.SetAttribute("MedSynth.Model", "ct-to-pet")
        assert add(panel, ct, pet) == f"Added case-00{seed + 1}. {SYNTHETIC}"
    assert check(panel).startswith("Checked: 0 good, 4 doubtful, 0 refused.")
    image = read_volume(panel._data.dataSet.case("case-001").files["pet"])
    assert image.is_synthetic and image.metadata["model"] == "ct-to-pet"


@pytest.mark.slow
def test_AUnitThatIsAssumedIsTold(panel):
    for seed in range(4):
        ct = phantom_ct((6, 40, 40 + 2 * seed), seed=seed)
        pet = phantom_pet(ct)
        nodes = [slicer.util.addVolumeFromArray(one.voxels, one.ijk_to_ras, "image") for one in (ct, pet)]
        said = add(panel, *nodes)
        assert said.startswith(f"Added case-00{seed + 1}. pet: {ASSUMED}")
    assert panel.ui.logTextEdit.plainText.count(f"pet: {ASSUMED}") == 4
    assert read_volume(panel._data.dataSet.case("case-001").files["pet"]).unit == ""
    said = check(panel)
    assert said.startswith(f"Checked: 4 good, 0 doubtful, 0 refused. pet (4 of 4): {ASSUMED}")
