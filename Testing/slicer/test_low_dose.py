"""Low-dose PET in the section Synthesize: what is said of dose and activity, and the difference to the input."""

from __future__ import annotations

import json

import numpy as np
import pytest
import slicer
from builders import dose_recipe, phantom_body_pet
from dose_helpers import MODEL, trainedDoseModel
from MedSynthLib import provenance
from MedSynthLib import volume_bridge as bridge
from MedSynthLib.difference import differenceOf
from MedSynthLib.result_section import doseText
from scene_helpers import matrixOf, studyOf, volumeNames, waitUntil
from train_helpers import nodeOf

from MedSynth import MedSynthLogic
from medsynth_core.simulation.dose import simulate_dose


@pytest.fixture(scope="module", autouse=True)
def library(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("MEDSYNTH_MODELS", str(tmp_path_factory.mktemp("library")))
        trainedDoseModel(tmp_path_factory.mktemp("training"))
        yield


@pytest.fixture
def lowDose():
    """Return a PET of a fiftieth of the dose as a volume node in a study."""
    made = simulate_dose(phantom_body_pet(3), [50.0], settings=dose_recipe().dose.simulation, seed=1)
    node = nodeOf(made.low[50.0], "Low")
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    hierarchy.CreateItem(hierarchy.CreateStudyItem(hierarchy.GetSceneItemID(), "Study"), node)
    return node


@pytest.fixture
def dosePanel(panel, lowDose):
    panel.logic.getParameterNode().model = MODEL
    panel.initializeParameterNode()
    return panel


def applyAndWait(panel) -> None:
    panel.ui.applyButton.click()
    assert waitUntil(lambda: not panel.logic.isRunning, 120)


def test_TheResultSaysWhichDoseItsInputLookedLike(dosePanel, lowDose):
    ui = dosePanel.ui
    assert ui.fitLabel.text == "✓ The volume fits the model." and not ui.resultLabel.visible
    assert not ui.exportButton.visible
    applyAndWait(dosePanel)
    result = ui.outputVolumeSelector.currentNode()
    assert result.GetName() == "Low synthetic PET" and np.array_equal(matrixOf(result), matrixOf(lowDose))
    factor, ratio, outside = (
        json.loads(result.GetAttribute(f"MedSynth.{key}"))
        for key in ("DoseReductionFactor", "ActivityRatio", "ActivityOutside")
    )
    shares = json.loads(result.GetAttribute("MedSynth.DoseProbabilities"))
    assert set(shares) == {"4", "50"} and sum(shares.values()) == pytest.approx(1, abs=1e-3)
    found = slicer.util.arrayFromVolume(result).sum() / slicer.util.arrayFromVolume(lowDose).sum()
    assert ratio * (1 - outside) == pytest.approx(found, abs=2e-4)
    text = ui.resultLabel.text
    assert f"nput looks like 1/{factor:g} of the dose ({100 * shares[f'{factor:g}']:.0f} %); " in text
    assert f"activity kept in the body: {100 * ratio:.1f} %" in text and ui.resultLabel.visible
    assert f"; of all, {100 * outside:.1f} % lay in the air around" in text
    assert text.startswith("⚠") == (abs(ratio - 1) > 0.02 or outside > 0.1)
    assert "1/50 of the dose: " in ui.resultLabel.toolTip and "1/4 of the dose: " in ui.resultLabel.toolTip
    for view in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode"):  # nothing shines through
        assert (view.GetForegroundVolumeID(), view.GetForegroundOpacity()) == (result.GetID(), 1.0)
    assert volumeNames() == ["Low", "Low synthetic PET"]
    ui.outputVolumeSelector.setCurrentNode(None)
    assert not ui.resultLabel.visible and ui.resultLabel.text == ""


@pytest.mark.parametrize(
    ("facts", "text"),
    [
        ({"dose_reduction_factor": 20.0, "dose_probabilities": {"4": 0.2222, "20": 0.7778}, "activity_ratio": 1.004},
         "Input looks like 1/20 of the dose (78 %); activity kept in the body: 100.4 %."),
        ({"dose_reduction_factor": 1.0, "dose_probabilities": {"1": 0.9, "4": 0.1}, "activity_ratio": 0.98},
         "Input looks like full dose (90 %); activity kept in the body: 98.0 %."),
        ({"activity_ratio": 0.9799, "activity_outside": 0.031},
         "⚠ Activity kept in the body: 98.0 %; of all, 3.1 % lay in the air around; "
         "more than 2 % off: do not measure uptake in it."),
        ({"activity_ratio": 1.05},
         "⚠ Activity kept in the body: 105.0 %; more than 2 % off: do not measure uptake in it."),
        ({"activity_ratio": 1.0, "activity_outside": 0.11},
         "⚠ Activity kept in the body: 100.0 %; of all, 11.0 % lay in the air around; "
         "more than 10 %: look whether a part of the patient is missing."),
        ({}, ""),
    ],
)  # fmt: skip
def test_DoseAndActivityAreSaidInALine(lowDose, facts, text):
    node = slicer.util.addVolumeFromArray(np.zeros((2, 3, 4), np.float32))
    provenance.setProvenance(node, lowDose, {"model": "m", "dose_reduction_factor": 4.0})
    provenance.setProvenance(node, lowDose, {"model": "m", **facts})  # of an older result nothing is left
    assert doseText(node) == text


def test_TheDifferenceIsOutputMinusInput(lowDose):
    result = MedSynthLogic().synthesize(lowDose, model=MODEL, device="cpu", difference=True)
    difference = differenceOf(result)
    assert difference.GetName() == "Low synthetic PET difference"
    voxels = slicer.util.arrayFromVolume(difference)
    expected = slicer.util.arrayFromVolume(result) - slicer.util.arrayFromVolume(lowDose)
    assert np.array_equal(voxels, expected) and voxels.min() < 0 < voxels.max()
    assert np.array_equal(matrixOf(difference), matrixOf(lowDose)) and studyOf(difference) == studyOf(lowDose) != 0
    assert bridge.unitOf(difference) == "SUVbw" and provenance.isSynthetic(difference)
    display = difference.GetDisplayNode()
    assert display.GetLevel() == 0 and not display.GetAutoWindowLevel()
    assert np.percentile(np.abs(voxels[voxels != 0]), 99.9) == pytest.approx(display.GetWindow() / 2)
    colors = [[0.0] * 4 for _ in range(3)]
    table = display.GetColorNode()
    for color, index in zip(colors, (0, 127, 254), strict=True):
        table.GetColor(index, color)
    assert colors[0][2] > colors[0][0] and colors[1] == [1, 1, 1, 1] and colors[2][0] > colors[2][2]
    assert table.GetNumberOfColors() == 255

    # Without being asked for it follows a result that replaces the one it is the difference of.
    slicer.util.arrayFromVolume(lowDose)[:] *= 1.5
    again = MedSynthLogic().synthesize(lowDose, model=MODEL, outputVolume=result, device="cpu")
    assert again is result and differenceOf(result) is difference
    expected = slicer.util.arrayFromVolume(result) - slicer.util.arrayFromVolume(lowDose)
    assert np.array_equal(slicer.util.arrayFromVolume(difference), expected)
    assert len(slicer.util.getNodesByClass("vtkMRMLColorTableNode")) == len(
        {node.GetName() for node in slicer.util.getNodesByClass("vtkMRMLColorTableNode")}
    )


def test_TheDifferenceIsOffUntilItIsChecked(dosePanel):
    box = dosePanel.ui.differenceCheckBox
    assert box.visible and not box.checked and not dosePanel.logic.getParameterNode().difference
    box.checked = True
    assert dosePanel.logic.getParameterNode().difference
    applyAndWait(dosePanel)
    assert volumeNames() == ["Low", "Low synthetic PET", "Low synthetic PET difference"]
    assert dosePanel.ui.statusLabel.text.endswith(": Low synthetic PET, Low synthetic PET difference")


def test_BetweenModalitiesThereIsNoDifference(someSlices, panel):
    assert not panel.ui.differenceCheckBox.visible
    log = []
    result = MedSynthLogic().synthesize(someSlices, model="ct-to-pet", difference=True, onLog=log.append)
    assert differenceOf(result) is None and volumeNames() == ["Sarcoma CT", "Sarcoma CT synthetic PET"]
    assert any("no difference to show" in line for line in log)


def test_TheDifferenceIsOfWhatTheWorkerWasGiven(lowDose):
    logic, before = MedSynthLogic(), slicer.util.arrayFromVolume(lowDose).copy()
    logic.synthesize(lowDose, model=MODEL, device="cpu", difference=True, waitForCompletion=False)
    slicer.util.arrayFromVolume(lowDose)[:] = 7
    logic.waitForCompletion()
    result = slicer.util.getNode("Low synthetic PET")
    difference = slicer.util.arrayFromVolume(differenceOf(result))
    assert np.array_equal(difference, slicer.util.arrayFromVolume(result) - before)


def test_AnInputThatIsItselfSyntheticIsSaidSo(dosePanel):
    applyAndWait(dosePanel)
    result = dosePanel.ui.outputVolumeSelector.currentNode()
    dosePanel.ui.inputVolumeSelector.setCurrentNode(result)
    text = dosePanel.ui.fitLabel.text
    assert text.startswith("✓ The volume fits the model. The volume is itself synthetic")
    second = MedSynthLogic().synthesize(result, model=MODEL, device="cpu")
    assert json.loads(second.GetAttribute("MedSynth.Source"))["synthetic"] is True


def test_ADicomSeriesThatIsSyntheticIsSaidSo(dosePanel, lowDose):
    for uid, tags in (("1.7.1", {"0008,001C": "YES"}), ("1.7.2", {"0008,103E": "SYNTHETIC - not for diagnosis: PT"})):
        slicer.dicomDatabase.values[uid] = {"0008,0060": "PT", **tags}
        lowDose.SetAttribute("DICOM.instanceUIDs", uid)
        lowDose.Modified()
        assert "itself synthetic" in dosePanel.ui.fitLabel.text
        lowDose.RemoveAttribute("DICOM.instanceUIDs")
        lowDose.Modified()
        assert "itself synthetic" not in dosePanel.ui.fitLabel.text
