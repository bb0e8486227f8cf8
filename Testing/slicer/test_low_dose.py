"""Low-dose PET in the section Synthesize: messages on dose and activity, and the difference to the input."""

from __future__ import annotations

import gc
import json

import numpy as np
import pytest
import slicer
import vtk
from builders import dose_recipe, phantom_body_pet
from dose_helpers import MODEL, sharedDoseModel
from MedSynthLib import provenance
from MedSynthLib import volume_bridge as bridge
from MedSynthLib.difference_volume import DIFFERENCE, differenceOf
from MedSynthLib.display import applyErrorDisplay
from MedSynthLib.export import whyNot
from MedSynthLib.result_section import doseText
from MedSynthLib.uncertainty_volume import UNCERTAINTY, uncertaintyOf
from scene_helpers import matrixOf, studyOf, volumeNames, waitUntil
from train_helpers import nodeOf

from MedSynth import MedSynthLogic
from medsynth_core import synthesize
from medsynth_core.simulation.dose import simulate_dose

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", autouse=True)
def library(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("MEDSYNTH_MODELS", str(tmp_path_factory.mktemp("library")))
        sharedDoseModel(tmp_path_factory)
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


@pytest.mark.parametrize(
    ("problem", "words"),
    [(MemoryError(), "could not be put into the scene: memory ran out. Close other"), (ValueError("broken"), "broken")],
)
def test_AResultThatCannotBeCompletedIsToldAndLeavesNothing(dosePanel, lowDose, monkeypatch, problem, words):
    def fail(*_arguments):
        raise problem

    monkeypatch.setattr("MedSynthLib.synthesis.showUncertainty", fail)
    dosePanel.ui.differenceCheckBox.checked = dosePanel.ui.uncertaintyCheckBox.checked = True
    applyAndWait(dosePanel)
    assert words in dosePanel.ui.statusLabel.text and dosePanel.ui.applyButton.text == "Apply"
    assert volumeNames() == ["Low"]


def test_AClosedSceneIsNotKeptInMemory(panel):
    low, result = vtk.vtkWeakReference(), vtk.vtkWeakReference()
    low.Set(nodeOf(phantom_body_pet(3), "Low"))
    panel.logic.getParameterNode().model = MODEL
    panel.initializeParameterNode()
    applyAndWait(panel)
    result.Set(panel.ui.outputVolumeSelector.currentNode())
    done = panel.ui.statusLabel.text
    panel.exit()
    panel.enter()
    assert done.startswith("Done in") and panel.ui.statusLabel.text == done
    panel.exit()
    slicer.mrmlScene.Clear(0)
    gc.collect()
    assert low.Get() is None and result.Get() is None


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
    assert f"stimated dose of the input: 1/{factor:g} of full dose ({100 * shares[f'{factor:g}']:.0f} %); " in text
    assert f"activity kept in the body: {100 * ratio:.1f} %" in text and ui.resultLabel.visible
    assert f"; {100 * outside:.1f} % of the input's activity is outside the body" in text
    assert text.startswith("⚠") == (abs(ratio - 1) > 0.02 or outside > 0.1)
    assert "1/50 of full dose: " in ui.resultLabel.toolTip and "1/4 of full dose: " in ui.resultLabel.toolTip
    for view in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode"):  # nothing shines through
        assert (view.GetForegroundVolumeID(), view.GetForegroundOpacity()) == (result.GetID(), 1.0)
    assert volumeNames() == ["Low", "Low synthetic PET"]
    ui.outputVolumeSelector.setCurrentNode(None)
    assert not ui.resultLabel.visible and ui.resultLabel.text == ""


@pytest.mark.parametrize(
    ("facts", "text"),
    [
        ({"dose_reduction_factor": 20.0, "dose_probabilities": {"4": 0.2222, "20": 0.7778}, "activity_ratio": 1.004},
         "Estimated dose of the input: 1/20 of full dose (78 %); activity kept in the body: 100.4 %."),
        ({"dose_reduction_factor": 1.0, "dose_probabilities": {"1": 0.9, "4": 0.1}, "activity_ratio": 0.98},
         "Estimated dose of the input: full dose (90 %); activity kept in the body: 98.0 %."),
        ({"activity_ratio": 0.9799, "activity_outside": 0.031},
         "⚠ Activity kept in the body: 98.0 %; 3.1 % of the input's activity is outside the body; "
         "the activity changed by more than 2 %: do not measure uptake in this volume."),
        ({"activity_ratio": 1.05},
         "⚠ Activity kept in the body: 105.0 %; "
         "the activity changed by more than 2 %: do not measure uptake in this volume."),
        ({"activity_ratio": 1.0, "activity_outside": 0.11},
         "⚠ Activity kept in the body: 100.0 %; 11.0 % of the input's activity is outside the body; "
         "more than 10 % is outside: check whether a part of the patient is missing."),
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
    assert any(line.startswith("No difference was made") for line in log)


def test_TheDifferenceIsOfWhatTheWorkerWasGiven(lowDose):
    logic, before = MedSynthLogic(), slicer.util.arrayFromVolume(lowDose).copy()
    logic.synthesize(lowDose, model=MODEL, device="cpu", difference=True, waitForCompletion=False)
    slicer.util.arrayFromVolume(lowDose)[:] = 7
    logic.waitForCompletion()
    result = slicer.util.getNode("Low synthetic PET")
    difference = slicer.util.arrayFromVolume(differenceOf(result))
    assert np.array_equal(difference, slicer.util.arrayFromVolume(result) - before)


def test_TheUncertaintyIsTheErrorToExpect(lowDose):
    result = MedSynthLogic().synthesize(lowDose, model=MODEL, device="cpu", uncertainty=True)
    errors = uncertaintyOf(result)
    assert errors.GetName() == "Low synthetic PET usual error" and differenceOf(result) is None
    assert np.array_equal(matrixOf(errors), matrixOf(lowDose)) and studyOf(errors) == studyOf(lowDose) != 0
    expected = synthesize(bridge.coreVolume(lowDose), MODEL, device="cpu", uncertainty=True).uncertainty
    voxels = slicer.util.arrayFromVolume(errors)
    assert voxels.dtype == np.float32 and voxels.min() == 0 < voxels.max()
    assert np.allclose(voxels, expected.voxels, rtol=1e-3, atol=1e-6)
    assert bridge.unitOf(errors) == bridge.unitOf(result) == "SUVbw"
    assert provenance.isSynthetic(errors) and provenance.madeFrom(errors) is lowDose
    assert provenance.textOf(errors, "error_of_model") == MODEL
    assert "not an upper bound" in provenance.textOf(errors, "meaning")
    assert "Only results of MedSynth" in whyNot(errors)  # as DICOM it would be taken for a PET
    display = errors.GetDisplayNode()
    highest = np.percentile(voxels[voxels != 0], 99.9)
    assert not display.GetAutoWindowLevel()
    assert (display.GetWindow(), display.GetLevel()) == pytest.approx((highest, highest / 2))
    lightness = [sum(colorAt(display.GetColorNode(), share)) for share in np.linspace(0, 1, 9)]
    assert lightness[0] < 0.1 and lightness == sorted(lightness) and lightness[-1] > 1.5

    slicer.util.arrayFromVolume(lowDose)[:] *= 1.5
    assert MedSynthLogic().synthesize(lowDose, MODEL, result, "cpu", uncertainty=True) is result
    assert uncertaintyOf(result) is errors and len(volumeNames()) == 3
    assert slicer.util.arrayFromVolume(errors).max() > voxels.max()


def colorAt(table, share: float) -> list[float]:
    """Return the red, green and blue of a color node at a share of its range."""
    color, index = [0.0] * 4, round(share * (table.GetNumberOfColors() - 1))
    table.GetColor(index, color)
    return color[:3]


def test_SlicersPerceptualColorsAreTakenWhereTheyAre(lowDose):
    inferno = slicer.mrmlScene.CreateNodeByClass("vtkMRMLColorTableNode")
    inferno.UnRegister(None)
    inferno.SetSingletonTag("FileInferno.txt")
    inferno.SetTypeToUser()
    inferno.SetNumberOfColors(2)
    inferno = slicer.mrmlScene.AddNode(inferno)
    assert inferno.GetID() == "vtkMRMLColorTableNodeFileInferno.txt"  # as Slicer names what it reads from Inferno.txt
    applyErrorDisplay(lowDose, 2.0)
    assert lowDose.GetDisplayNode().GetColorNode() is inferno
    slicer.mrmlScene.RemoveNode(inferno)


def test_TheErrorsOfAnOlderResultAreRemoved(lowDose):
    logic, log = MedSynthLogic(), []
    result = logic.synthesize(lowDose, model=MODEL, device="cpu", uncertainty=True)
    nodes = slicer.mrmlScene.GetNumberOfNodes()
    copy = slicer.mrmlScene.CopyNode(result)
    assert uncertaintyOf(copy) is None  # it is of the original
    logic.synthesize(lowDose, model=MODEL, outputVolume=copy, device="cpu")
    assert uncertaintyOf(result) is not None
    slicer.mrmlScene.RemoveNode(copy)
    logic.synthesize(lowDose, model=MODEL, outputVolume=result, device="cpu", onLog=log.append)
    assert uncertaintyOf(result) is None and volumeNames() == ["Low", "Low synthetic PET"]
    assert result.GetNumberOfNodeReferences(UNCERTAINTY) == 0
    assert slicer.mrmlScene.GetNumberOfNodes() < nodes
    assert [line for line in log if "was removed" in line] == [
        "Low synthetic PET usual error was removed: it belonged to the earlier result in Low synthetic PET."
    ]


def test_AResultThatCannotBeComparedLosesItsOldDifference(lowDose, someSlices):
    logic, log = MedSynthLogic(), []
    result = logic.synthesize(lowDose, model=MODEL, device="cpu", difference=True)
    logic.synthesize(someSlices, model="ct-to-pet", outputVolume=result, onLog=log.append)
    assert differenceOf(result) is None and result.GetNumberOfNodeReferences(DIFFERENCE) == 0
    assert sorted(volumeNames()) == ["Low", "Sarcoma CT", "Sarcoma CT synthetic PET"]
    assert any(line.startswith("Sarcoma CT synthetic PET difference was removed: ") for line in log)
    assert not any(line.startswith("No difference was made") for line in log)  # nobody asked for one


def test_AResultThatOverwritesADifferenceIsNoDifferenceAnyMore(lowDose):
    logic = MedSynthLogic()
    result = logic.synthesize(lowDose, model=MODEL, device="cpu", difference=True)
    other = differenceOf(result)
    logic.synthesize(lowDose, model=MODEL, outputVolume=other, device="cpu")
    assert differenceOf(result) is None
    voxels = slicer.util.arrayFromVolume(other).copy()
    again = logic.synthesize(lowDose, model=MODEL, outputVolume=result, device="cpu", difference=True)
    assert differenceOf(again) is not other and np.array_equal(slicer.util.arrayFromVolume(other), voxels)


def test_TheUncertaintyIsOffUntilItIsChecked(dosePanel):
    box = dosePanel.ui.uncertaintyCheckBox
    assert box.visible and box.enabled and not box.checked and not dosePanel.logic.getParameterNode().uncertainty
    assert "not an upper bound, and it depends on the value alone, not on this patient" in box.toolTip
    assert box.text == "Usual error at this value"
    box.checked = True
    assert dosePanel.logic.getParameterNode().uncertainty
    dosePanel.ui.applyButton.click()
    assert not box.enabled
    assert waitUntil(lambda: not dosePanel.logic.isRunning, 120)
    assert box.enabled and volumeNames() == ["Low", "Low synthetic PET", "Low synthetic PET usual error"]
    assert dosePanel.ui.statusLabel.text.endswith(": Low synthetic PET, Low synthetic PET usual error")


def test_EveryModelTellsItsErrors(someSlices):
    result = MedSynthLogic().synthesize(someSlices, model="ct-to-pet", uncertainty=True)
    errors = uncertaintyOf(result)
    assert errors.GetName() == "Sarcoma CT synthetic PET usual error" and bridge.unitOf(errors) == "SUVbw"
    assert np.array_equal(matrixOf(errors), matrixOf(someSlices))
    assert slicer.util.arrayFromVolume(errors).max() > 0


def test_AnInputThatIsItselfSyntheticIsSaidSo(dosePanel):
    applyAndWait(dosePanel)
    result = dosePanel.ui.outputVolumeSelector.currentNode()
    dosePanel.ui.inputVolumeSelector.setCurrentNode(result)
    text = dosePanel.ui.fitLabel.text
    assert text.startswith("⚠ The volume is itself synthetic")
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
