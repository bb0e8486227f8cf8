"""Which volume a result is written to, and what it is then called and looks like."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
from MedSynthLib.uncertainty_volume import uncertaintyOf
from scene_helpers import matrixOf, patientLikeVolume, volumeNames, waitUntil

from MedSynth import MedSynthLogic
from medsynth_core.errors import MedSynthError

pytestmark = pytest.mark.slow
GREY, INVERTED = "vtkMRMLColorTableNodeGrey", "vtkMRMLColorTableNodeInvertedGrey"


def chooseModel(panel, name: str) -> None:
    panel.ui.modelComboBox.setCurrentIndex(panel.ui.modelComboBox.findData(name))


def applyAndWait(panel):
    """Return the volume that Apply has made or filled."""
    panel.ui.applyButton.click()
    assert waitUntil(lambda: not panel.logic.isRunning, 120)
    assert panel.ui.statusLabel.text.startswith("Done in "), panel.ui.statusLabel.text
    return panel.ui.outputVolumeSelector.currentNode()


def look(volume) -> tuple:
    display = volume.GetDisplayNode()
    return display.GetColorNodeID(), bool(display.GetAutoWindowLevel()), bool(display.GetApplyThreshold())


def test_AnotherModelMakesAnotherVolume(someSlices, panel):
    pet = applyAndWait(panel)
    voxels = slicer.util.arrayFromVolume(pet).copy()
    chooseModel(panel, "ct-to-mr")
    assert panel.ui.outputVolumeSelector.currentNode() is None
    mr = applyAndWait(panel)
    assert volumeNames() == ["Sarcoma CT", "Sarcoma CT synthetic PET", "Sarcoma CT synthetic MR"]
    assert mr is not pet and look(mr) == (GREY, True, False)
    assert np.array_equal(slicer.util.arrayFromVolume(pet), voxels) and look(pet) == (INVERTED, False, False)
    for view in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode"):
        assert view.GetForegroundVolumeID() == mr.GetID()


def test_TheSameModelFillsItsVolumeAgain(someSlices, panel):
    pet = applyAndWait(panel)
    panel.exit()
    panel.enter()
    assert applyAndWait(panel) is pet and volumeNames() == ["Sarcoma CT", "Sarcoma CT synthetic PET"]


def test_AVolumeThatIsChosenGetsNameAndLookOfTheResult(someSlices, panel):
    pet = applyAndWait(panel)
    pet.GetDisplayNode().SetThreshold(2.0, 6.0)
    pet.GetDisplayNode().SetApplyThreshold(True)
    chooseModel(panel, "ct-to-mr")
    panel.ui.outputVolumeSelector.setCurrentNode(pet)
    assert applyAndWait(panel) is pet
    assert volumeNames() == ["Sarcoma CT", "Sarcoma CT synthetic MR"] and look(pet) == (GREY, True, False)


def test_TheNameOfAnotherInputIsNotKept(someSlices):
    logic, other = MedSynthLogic(), patientLikeVolume(matrixOf(someSlices), (12, 24, 24), "other")
    pet = logic.synthesize(someSlices, device="cpu", uncertainty=True)
    error = uncertaintyOf(pet)
    assert logic.synthesize(other, outputVolume=pet, device="cpu", uncertainty=True) is pet
    assert pet.GetName() == "other synthetic PET" and error.GetName() == "other synthetic PET usual error"
    slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Sarcoma CT synthetic PET")
    logic.synthesize(someSlices, outputVolume=pet, device="cpu")
    assert pet.GetName() == "Sarcoma CT synthetic PET_1"
    logic.synthesize(someSlices, outputVolume=pet, device="cpu")
    assert pet.GetName() == "Sarcoma CT synthetic PET_1"


def test_ANameOfTheUsersIsKept(someSlices):
    logic = MedSynthLogic()
    pet = logic.synthesize(someSlices, device="cpu")
    pet.SetName("to discuss")
    logic.synthesize(someSlices, model="ct-to-mr", outputVolume=pet, device="cpu")
    assert pet.GetName() == "to discuss" and look(pet) == (GREY, True, False)


@pytest.mark.parametrize("kind", ["LabelMap", "Vector", "DiffusionWeighted"])
def test_WhatIsNoScalarVolumeIsNotOverwritten(someSlices, kind):
    node = slicer.mrmlScene.AddNewNodeByClass(f"vtkMRML{kind}VolumeNode", "mine")
    slicer.util.updateVolumeFromArray(node, np.full((3, 4, 5, *([] if kind == "LabelMap" else [3])), 7, np.uint8))
    logic, before = MedSynthLogic(), slicer.util.arrayFromVolume(node).copy()
    with pytest.raises(MedSynthError, match="mine cannot be overwritten by a result, because it is not a plain scalar"):
        logic.synthesize(someSlices, outputVolume=node, device="cpu")
    assert not logic.isRunning and np.array_equal(slicer.util.arrayFromVolume(node), before)
    assert node.GetAttribute("MedSynth.Synthetic") is None and volumeNames() == ["Sarcoma CT", "mine"]
