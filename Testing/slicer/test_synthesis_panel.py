"""The panel as a user operates it: choose, Apply, watch, Cancel."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
from scene_helpers import matrixOf, patientLikeVolume, processesOfGroup, volumeNames, waitUntil


def pressApplyAndWait(panel) -> None:
    panel.ui.applyButton.click()
    assert waitUntil(lambda: not panel.logic.isRunning, 120)


def test_ApplyMakesAPetAndShowsItOverTheCt(sampleCT, panel):
    assert panel.ui.inputVolumeSelector.currentNode() is sampleCT
    assert panel.ui.fitLabel.text.startswith("⚠ The volume states no unit")  # NIfTI has none
    assert panel.ui.applyButton.enabled and panel.ui.applyButton.text == "Apply"
    panel.ui.applyButton.click()
    assert panel.ui.applyButton.text == "Cancel" and panel.ui.applyButton.enabled
    assert panel.ui.progressBar.visible
    assert not panel.ui.inputVolumeSelector.enabled
    assert waitUntil(lambda: panel.ui.progressBar.value > 0)
    assert waitUntil(lambda: not panel.logic.isRunning, 120)

    pet = panel.ui.outputVolumeSelector.currentNode()
    assert pet.GetName() == "Sarcoma CT synthetic PET"
    assert np.array_equal(matrixOf(pet), matrixOf(sampleCT))
    assert panel.ui.applyButton.text == "Apply" and not panel.ui.progressBar.visible
    assert panel.ui.statusLabel.text.startswith("Done in ")
    assert panel.ui.statusLabel.text.endswith(": Sarcoma CT synthetic PET")
    for view in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode"):
        assert view.GetBackgroundVolumeID() == sampleCT.GetID()
        assert view.GetForegroundVolumeID() == pet.GetID()
        assert view.GetForegroundOpacity() == 0.5


def test_TheWindowStaysUsableWhileItRuns(someSlices, panel):
    panel.ui.applyButton.click()
    panel.ui.advancedCollapsibleButton.collapsed = False
    panel.ui.batchSizeSpinBox.value = 3
    assert panel.logic.isRunning
    assert panel.logic.getParameterNode().batchSize == 3
    panel.logic.abort()


def test_CancelHalfwayLeavesNothing(sampleCT, panel):
    panel.ui.applyButton.click()
    assert waitUntil(lambda: panel.ui.progressBar.value > 300, 120)
    assert "left" in panel.ui.statusLabel.text
    panel.ui.applyButton.click()
    assert panel.ui.statusLabel.text == "Cancelling…" and not panel.ui.applyButton.enabled
    assert waitUntil(lambda: not panel.logic.isRunning, 20)
    assert panel.ui.applyButton.text == "Apply" and panel.ui.applyButton.enabled
    assert panel.ui.statusLabel.text == "Cancelled."
    assert volumeNames() == ["Sarcoma CT"]
    assert waitUntil(lambda: not processesOfGroup(panel.logic.workerPid), 10)


def test_VolumeThatDoesNotFitCannotBeApplied(panel):
    volume = patientLikeVolume(np.eye(4), (6, 8, 8), "MR")
    panel.ui.inputVolumeSelector.setCurrentNode(volume)
    entry = slicer.vtkCodedEntry()
    entry.SetValueSchemeMeaning("110852", "DCM", "MR signal intensity")
    volume.SetVoxelValueQuantity(entry)
    volume.Modified()
    assert panel.ui.fitLabel.text.startswith("✗ The volume is MR, but this model takes CT")
    assert not panel.ui.applyButton.enabled
    assert panel.ui.applyButton.toolTip == panel.ui.fitLabel.text


def test_NoVolumeIsSaidSo(panel):
    assert panel.ui.fitLabel.text == "✗ Choose an input volume."
    assert not panel.ui.applyButton.enabled


def test_VolumeThatSpoilsAfterTheCheckIsRefusedByTheWorker(panel):
    volume = patientLikeVolume(np.eye(4), (12, 24, 24))
    panel.ui.inputVolumeSelector.setCurrentNode(volume)
    assert panel.ui.applyButton.enabled
    slicer.util.arrayFromVolume(volume)[:] = 500  # without telling anybody
    pressApplyAndWait(panel)
    assert "not Hounsfield units" in panel.ui.statusLabel.text
    assert "not Hounsfield units" in panel.ui.logTextEdit.plainText
    assert volumeNames() == ["CT"]
    assert panel.ui.applyButton.text == "Apply"


def test_CardAndLimitsAreShown(panel):
    assert panel.ui.modelComboBox.currentText
    assert len(panel.ui.modelLabel.text) > 20
    limits = panel.ui.limitsLabel.text
    assert limits.startswith("Limits: ") and "tumo" in limits.lower()
    assert panel.ui.limitsLabel.toolTip.count("\n\n") >= 1


def test_AnotherInputDoesNotOverwriteTheResultOfTheFirst(someSlices, panel):
    pressApplyAndWait(panel)
    assert panel.ui.outputVolumeSelector.currentNode() is not None
    panel.ui.inputVolumeSelector.setCurrentNode(patientLikeVolume(np.eye(4), (12, 24, 24), "other"))
    assert panel.ui.outputVolumeSelector.currentNode() is None
    assert panel.ui.statusLabel.text == ""


def test_UnknownModelOfASavedSceneIsSaidSo(someSlices, panel):
    panel.logic.getParameterNode().model = "gone"
    assert "gone is not in the library" in panel.ui.fitLabel.text
    assert not panel.ui.applyButton.enabled


def test_ParametersFollowTheWidgetsAndTheScene(someSlices, panel):
    parameters = panel.logic.getParameterNode()
    assert parameters.inputVolume is someSlices and parameters.model == "ct-to-pet"
    parameters.batchSize = 7
    assert panel.ui.batchSizeSpinBox.value == 7


def test_ClosingTheSceneStopsTheJob(someSlices, panel):
    panel.ui.applyButton.click()
    pid = panel.logic.workerPid
    slicer.mrmlScene.Clear(0)
    assert not panel.logic.isRunning
    assert waitUntil(lambda: not processesOfGroup(pid), 10)
    assert volumeNames() == []
    assert panel.ui.applyButton.text == "Apply" and not panel.ui.applyButton.enabled


def test_ClosedPanelLeavesTheClosedSceneAlone(someSlices, panel):
    panel.exit()
    slicer.mrmlScene.Clear(0)
    assert panel._parameterNode is None


def test_ClosedPanelDoesNotChangeTheParameters(someSlices, panel):
    panel.exit()
    panel.ui.batchSizeSpinBox.value = 9
    assert panel.logic.getParameterNode().batchSize == 0
    panel.initializeParameterNode()
    assert panel.ui.batchSizeSpinBox.value == 0


def test_JobThatEndsWhileAnotherModuleIsOpenIsShown(someSlices, panel):
    panel.ui.applyButton.click()
    panel.exit()
    assert waitUntil(lambda: not panel.logic.isRunning, 120)
    pet = panel.logic.getParameterNode().outputVolume
    assert pet.GetName() == "Sarcoma CT synthetic PET"
    assert panel.ui.statusLabel.text.startswith("Done in ")
    panel.initializeParameterNode()
    assert panel.ui.outputVolumeSelector.currentNode() is pet
    assert panel.ui.applyButton.text == "Apply"


def test_LogIsCapped(panel):
    for line in range(700):
        panel._jobs.log(f"line {line}")
    assert panel.ui.logTextEdit.blockCount == 500
    assert "line 699" in panel.ui.logTextEdit.plainText


@pytest.mark.parametrize(("fraction", "text"), [(0.01, ""), (0.5, "about 10 s left"), (0.02, ""), (1.0, "")])
def test_TimeLeftIsGuessedFromTheProgress(monkeypatch, fraction, text):
    from MedSynthLib.time_left import TimeLeft

    left = TimeLeft()
    left._start -= 10
    assert left.text(fraction) == text
