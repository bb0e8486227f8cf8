"""Generators of all kinds in Slicer: with classes, from noise alone, from an image alone; none in colour."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
from builders import axial_matrix
from generation_builders import shared_package
from generation_helpers import enteredWithoutFilter, hideBundled
from picture_generators import CLASSES, disc, shared_generator
from scene_helpers import matrixOf, volumeNames, waitUntil
from train_helpers import nodeOf

from medsynth_core.errors import MedSynthError
from medsynth_core.generation.generator import Generator
from medsynth_core.generation.in_memory import generate_cases
from medsynth_core.generation.order import Order
from medsynth_core.models.library import import_model
from medsynth_core.progress import Progress
from medsynth_core.volume import Volume

pytestmark = pytest.mark.slow
SECONDS = 60
IN_COLOUR = ("photographs", "redrawn")


@pytest.fixture(scope="module", autouse=True)
def library(tmp_path_factory):
    """Give the tests of this file a library with tiny generators."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MEDSYNTH_MODELS", str(tmp_path_factory.mktemp("library")))
        import_model(shared_package(tmp_path_factory))
        for name in ("xrays", "acgan", *IN_COLOUR):
            import_model(shared_generator(tmp_path_factory, name))
        yield


@pytest.fixture
def ready(panel, monkeypatch):
    hideBundled(monkeypatch)
    return enteredWithoutFilter(panel)


def choose(box, data: str) -> None:
    """Choose an entry of a combo box as a user does."""
    box.setCurrentIndex(box.findData(data))
    box.activated.emit(box.currentIndex)


def entries(box) -> list[str]:
    return [box.itemData(index) for index in range(box.count)]


def generate(panel) -> str:
    """Press the button, and return what the status line says in the end."""
    assert panel.ui.generateButton.enabled, panel.ui.generateLabel.text
    panel.ui.generateButton.click()
    assert waitUntil(lambda: not panel.logic.isRunning, SECONDS)
    return panel.ui.statusLabel.text


def test_ModelsInColourAreNotListed(ready):
    assert entries(ready.ui.generateModelComboBox) == ["acgan", "phantom-sets", "xrays"]
    with pytest.raises(MedSynthError, match="volumes have no colours"):
        ready.logic.generate("photographs")


def test_AClassCanBeChosenOrAllAreDrawnInTurn(ready):
    ui = ready.ui
    ui.generateCollapsibleButton.collapsed = False
    choose(ui.generateModelComboBox, "phantom-sets")
    assert not ui.generateClassComboBox.visible and not ui.generateClassCaption.visible
    choose(ui.generateModelComboBox, "xrays")
    assert entries(ui.generateClassComboBox) == ["", *CLASSES] and ui.generateClassComboBox.visible
    ui.generateCountSpinBox.value = 2
    assert generate(ready).startswith("Done: 2 cases")
    assert {"Synthetic xray seed 5 case 1 normal", "Synthetic xray seed 5 case 2 bacterial"} <= set(volumeNames())
    choose(ui.generateClassComboBox, "viral")
    ui.generateCountSpinBox.value = 1
    assert generate(ready).startswith("Done")
    node = slicer.util.getNode("Synthetic xray seed 5 case 1 viral")
    assert node.GetAttribute("MedSynth.Class") == "viral" and "Lesion" not in " ".join(volumeNames())
    order = Order(1, seed=5, filtered=False, class_name="viral")
    [case] = generate_cases(Generator.load("xrays", "cpu"), order, Progress())
    assert np.array_equal(slicer.util.arrayFromVolume(node), case.images["xray"].voxels)
    # A class of another model is not asked for.
    choose(ui.generateModelComboBox, "phantom-sets")
    assert generate(ready).startswith("Done")


def test_AnXrayIsRedrawnWithTheRowsOfTheTraining(ready):
    xray = Volume(disc(2)[None, ..., 1].astype(np.int16), axial_matrix((0.5, 0.5, 1.0)), "DX", "")
    node = nodeOf(xray, "Xray")
    ready.ui.inputVolumeSelector.setCurrentNode(node)
    choose(ready.ui.generateModelComboBox, "xrays")
    choose(ready.ui.generateSourceComboBox, "volume")
    assert not ready.ui.generateLesionSelector.enabled
    assert generate(ready).startswith("Done")
    redrawn = slicer.util.getNode("Synthetic xray seed 5 case 1 normal")
    # An X-ray has no unit, and is not said to be an MR.
    assert redrawn.GetVoxelValueQuantity() is None and np.array_equal(matrixOf(redrawn), matrixOf(node))
    [case] = generate_cases(Generator.load("xrays", "cpu"), Order(1, seed=5, source=xray), Progress())
    made = slicer.util.arrayFromVolume(redrawn)
    assert made.shape == (1, 60, 72) and np.ptp(made) > 10 and np.array_equal(made, case.images["xray"].voxels)


def test_AModelFromNoiseAloneSaysSo(ready):
    choose(ready.ui.generateModelComboBox, "acgan")
    choose(ready.ui.generateSourceComboBox, "volume")
    assert ready.ui.generateLabel.text == "This model draws from noise alone; choose Noise."
    assert not ready.ui.generateButton.enabled
    choose(ready.ui.generateSourceComboBox, "noise")
    ready.ui.generateSlicesSpinBox.value = 2
    assert generate(ready).startswith("Done")
    assert sorted(volumeNames()) == [f"Synthetic {role} seed 5 case 1 normal" for role in ("vessels", "xray")]
    shown = slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")[0].GetBackgroundVolumeID()
    assert slicer.mrmlScene.GetNodeByID(shown).GetName() == "Synthetic xray seed 5 case 1 normal"


def test_AModelThatDrawsNoMapsAsksForAVolume(ready, monkeypatch):
    from dataclasses import replace

    from medsynth_core.generation import available

    found = [replace(model, from_noise=False) for model in available.list_generators()]
    monkeypatch.setattr(available, "list_generators", lambda: found)
    ready.exit()
    ready.enter()
    choose(ready.ui.generateModelComboBox, "xrays")
    wanted = "This model cannot draw structure maps from noise; draw from an input volume."
    assert ready.ui.generateLabel.text == wanted
