"""A model for low-dose PET with its CT, from training in the panel to the result of the panel."""

from __future__ import annotations

import json

import application
import numpy as np
import pytest
import slicer
from builders import phantom_body_pet, phantom_ct
from scene_helpers import closePanel, matrixOf, volumeNames, waitUntil
from several_inputs_helpers import MODEL, petAndCt, twoInputRecipeText
from train_helpers import SECONDS, makePanel

from medsynth_core import synthesize
from medsynth_core.errors import MedSynthError

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", autouse=True)
def library(tmp_path_factory):
    """Train and publish the model through the panel of MedSynthTrain, and put it into a library of its own."""
    folder = tmp_path_factory.mktemp("two-inputs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MEDSYNTH_MODELS", str(folder / "library"))
        application.loadModule("MedSynthTrain")
        panel = makePanel(folder / "training")
        trainAndPublish(panel)
        closePanel(panel)
        slicer.mrmlScene.Clear(0)
        yield folder / "library"


def trainAndPublish(panel) -> None:
    ui = panel.ui
    panel._recipe.setText(twoInputRecipeText())
    assert panel._recipe.problem == "" and ui.recipeLabel.text.startswith("✓ pet, ct → pet")
    for seed in range(4):
        for selector, node in zip((ui.inputVolumeSelector, ui.targetVolumeSelector), petAndCt(seed), strict=True):
            selector.setCurrentNode(node)
        ui.addPairButton.click()
        panel._data.wait()
    assert [sorted(case.files) for case in panel._data.dataSet.cases] == [["ct", "pet"]] * 4, ui.dataStatusLabel.text
    ui.divideButton.click()
    ui.checkButton.click()
    panel._data.wait()
    assert ui.dataStatusLabel.text == "Checked: 4 good, 0 doubtful, 0 refused."
    ui.startButton.click()
    run = panel._run.run
    assert waitUntil(lambda: not run.alive, SECONDS), ui.logTextEdit.plainText
    assert run.state.value == "finished", run.problem
    for button, said in ((ui.publishButton, "The package is in"), (ui.libraryButton, "is in the library")):
        button.click()
        panel._publish.wait()
        assert said in ui.publishStatusLabel.text


@pytest.fixture
def twoInputs(panel):
    """Return the panel with the model chosen and a PET as its input volume, and the nodes of PET and CT."""
    pet, ct = petAndCt(9)
    panel.ui.inputVolumeSelector.setCurrentNode(pet)
    choose(panel, MODEL)
    return panel, pet, ct


def choose(panel, model: str) -> None:
    panel.ui.modelComboBox.setCurrentIndex(panel.ui.modelComboBox.findData(model))


def coreVolumes() -> dict:
    """Return what the nodes of `twoInputs` hold."""
    pet = phantom_body_pet(9)
    return {"pet": pet, "ct": phantom_ct(pet.shape, pet.ijk_to_ras, 9)}


def apply(panel):
    """Press Apply, and return the result."""
    assert panel.ui.applyButton.enabled, panel.ui.fitLabel.text
    panel.ui.applyButton.click()
    assert waitUntil(lambda: not panel.logic.isRunning, SECONDS)
    return panel.ui.outputVolumeSelector.currentNode()


@pytest.mark.parametrize("moved", ["pet", "ct"])
def test_WhetherVolumesFitFollowsTheirTransforms(twoInputs, moved):
    panel, pet, ct = twoInputs
    panel._further.selector("ct").setCurrentNode(ct)
    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "moved")
    {"pet": pet, "ct": ct}[moved].SetAndObserveTransformNodeID(transform.GetID())
    assert panel.ui.fitLabel.text == "✓ The volumes fit the model."
    for offset in (5000.0, 0.0):
        matrix = np.eye(4)
        matrix[2, 3] = offset
        transform.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(matrix))
        assert panel.ui.fitLabel.text.startswith("✗" if offset else "✓"), panel.ui.fitLabel.text
        assert panel.ui.applyButton.enabled == (offset == 0)


def test_TheResultIsThatOfPython(twoInputs):
    panel, pet, ct = twoInputs
    panel._further.selector("ct").setCurrentNode(ct)
    assert panel.ui.fitLabel.text == "✓ The volumes fit the model."
    result = apply(panel)
    assert result is not None, panel.ui.statusLabel.text
    expected = synthesize(coreVolumes(), MODEL, device="cpu")
    assert np.array_equal(slicer.util.arrayFromVolume(result), expected.voxels)
    assert np.array_equal(matrixOf(result), matrixOf(pet))
    assert json.loads(result.GetAttribute("MedSynth.FurtherInputNames")) == {"ct": "CT 9"}
    assert result.GetNodeReference("MedSynth.FurtherInput") is ct and result.GetNodeReference("MedSynth.Input") is pet
    assert sorted(json.loads(result.GetAttribute("MedSynth.Inputs"))) == ["ct", "pet"]


def test_WithoutTheCtApplyIsGreyWithTheReason(twoInputs):
    panel, _pet, ct = twoInputs
    reason = "✗ The model also needs a CT ('ct'); provide it as well."
    assert panel.ui.fitLabel.text == panel.ui.applyButton.toolTip == reason
    assert not panel.ui.applyButton.enabled
    selector = panel._further.selector("ct")
    selector.setCurrentNode(ct)
    assert panel.ui.applyButton.enabled
    slicer.mrmlScene.RemoveNode(ct)
    assert panel.ui.fitLabel.text == reason and not panel.ui.applyButton.enabled
    assert selector.currentNode() is None


def test_WhatDoesNotFitIsSaidOfTheInputItIsAbout(twoInputs):
    panel, pet, ct = twoInputs
    panel._further.selector("ct").setCurrentNode(pet)
    assert panel.ui.fitLabel.text.startswith("✗ ct: The volume is PET, but this model takes CT")
    assert not panel.ui.applyButton.enabled
    panel._further.selector("ct").setCurrentNode(ct)
    panel.ui.inputVolumeSelector.setCurrentNode(ct)
    assert panel.ui.fitLabel.text.startswith("✗ The volume is CT, but this model takes PET")


def test_ACtElsewhereIsRefused(twoInputs):
    panel, pet, ct = twoInputs
    matrix = matrixOf(ct)
    matrix[2, 3] += 5000
    ct.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(matrix))
    panel._further.selector("ct").setCurrentNode(ct)
    assert "image for 'ct' does not overlap" in panel.ui.fitLabel.text and not panel.ui.applyButton.enabled
    with pytest.raises(MedSynthError, match="image for 'ct' does not overlap"):
        panel.logic.synthesize(pet, MODEL, device="cpu", furtherInputs={"ct": ct})
    assert volumeNames() == ["PET 9", "CT 9"]


def test_ParentTransformsCountAsTheSceneShowsThem(twoInputs):
    """A CT that a transform brings to the PET is used where it is shown, and not where its own matrix says."""
    panel, pet, ct = twoInputs
    own, shift = matrixOf(ct), np.eye(4)
    shift[:3, 3] = (4, -8, 6)
    ct.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(np.linalg.inv(shift) @ own))
    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    transform.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(shift))
    ct.SetAndObserveTransformNodeID(transform.GetID())
    result = panel.logic.synthesize(pet, MODEL, device="cpu", furtherInputs={"ct": ct})
    assert np.array_equal(slicer.util.arrayFromVolume(result), synthesize(coreVolumes(), MODEL, device="cpu").voxels)


def test_WhatTheModelDoesNotTakeIsRefused(twoInputs):
    panel, pet, ct = twoInputs
    with pytest.raises(MedSynthError, match="has no input 'mr'; its inputs are pet, ct"):
        panel.logic.synthesize(pet, MODEL, device="cpu", furtherInputs={"ct": ct, "mr": ct})
    with pytest.raises(MedSynthError, match="also needs a CT"):
        panel.logic.synthesize(pet, MODEL, device="cpu")
    with pytest.raises(MedSynthError, match="different volumes"):
        panel.logic.synthesize(pet, MODEL, ct, device="cpu", furtherInputs={"ct": ct})


def test_SelectorsVanishForAModelOfOneInput(twoInputs):
    panel, _pet, ct = twoInputs
    selector = panel._further.selector("ct")
    assert selector.visible and selector.enabled
    selector.setCurrentNode(ct)
    choose(panel, "ct-to-pet")
    assert not selector.visible and panel._further.selector("ct") is None and panel._further.chosen() == {}
    choose(panel, MODEL)
    assert panel._further.selector("ct") is selector and selector.visible
    assert selector.currentNode() is ct  # the scene has kept it


def test_TheSelectorIsLockedWhileAJobRuns(twoInputs):
    panel, _pet, ct = twoInputs
    panel._further.selector("ct").setCurrentNode(ct)
    panel.ui.applyButton.click()
    assert panel.logic.isRunning and not panel._further.selector("ct").enabled
    panel.logic.abort()
    assert panel._further.selector("ct").enabled


def test_AClosedSceneIsLetGo(twoInputs):
    panel, _pet, ct = twoInputs
    selector = panel._further.selector("ct")
    selector.setCurrentNode(ct)
    assert ct.HasObserver("ModifiedEvent")
    slicer.mrmlScene.Clear(0)
    assert not ct.HasObserver("ModifiedEvent") and selector.currentNode() is None
    assert panel._further.chosen() == {}
    # Another scene: the panel follows it, and asks again.
    pet, other = petAndCt(3)
    panel.logic.getParameterNode().model = MODEL
    panel.ui.inputVolumeSelector.setCurrentNode(pet)
    assert "also needs a CT" in panel.ui.fitLabel.text
    panel._further.selector("ct").setCurrentNode(other)
    assert panel.ui.applyButton.enabled and panel._further.chosen() == {"ct": other}


def test_ASavedChoiceIsThereWhenThePanelIsOpenedAgain(twoInputs):
    panel, _pet, ct = twoInputs
    panel._further.selector("ct").setCurrentNode(ct)
    panel.exit()
    assert not ct.HasObserver("ModifiedEvent") and panel._further.chosen() == {}
    panel.enter()
    assert panel._further.chosen() == {"ct": ct} and panel._further.selector("ct").currentNode() is ct


def test_AfterCleanupNothingListens(twoInputs):
    panel, _pet, ct = twoInputs
    selector = panel._further.selector("ct")
    selector.setCurrentNode(ct)
    panel.cleanup()
    parameters = slicer.mrmlScene.GetSingletonNode("MedSynth", "vtkMRMLScriptedModuleNode")
    selector.setCurrentNode(None)
    assert parameters.GetNodeReference("furtherInput.ct") is ct and not ct.HasObserver("ModifiedEvent")


def test_AChangeOfAFurtherInputMeanwhileIsTold():
    from MedSynth import MedSynthLogic

    (pet, ct), log, logic = petAndCt(9), [], MedSynthLogic()
    logic.synthesize(pet, MODEL, device="cpu", furtherInputs={"ct": ct}, waitForCompletion=False, onLog=log.append)
    slicer.util.arrayFromVolume(ct)[:] = 0
    slicer.util.arrayFromVolumeModified(ct)
    logic.waitForCompletion()
    told = [line for line in log if "changed meanwhile" in line]
    assert told == ["The volume CT 9 was changed meanwhile; the result shows it as it was at the start."]


def test_AnotherFurtherInputMakesAnotherVolume(twoInputs):
    panel, _pet, ct = twoInputs
    panel._further.selector("ct").setCurrentNode(ct)
    result = apply(panel)
    panel._further.selector("ct").setCurrentNode(petAndCt(9)[1])
    assert result is not None and panel.ui.outputVolumeSelector.currentNode() is None
