"""Generated images in Slicer: from noise, from a volume's structure, with the user's own lesion, in one folder."""

from __future__ import annotations

import json
import weakref
from pathlib import Path

import application
import numpy as np
import pytest
import slicer
from generation_builders import MODEL
from generation_helpers import (
    enteredWithoutFilter,
    folders,
    hideBundled,
    lesionLabelMap,
    lesionMask,
    phantomCT,
    sharedGenerator,
)
from scene_helpers import matrixOf, processesOfGroup, studyOf, volumeNames, waitUntil

from medsynth_core.errors import Cancelled, MedSynthError
from medsynth_core.generation.generator import Generator
from medsynth_core.generation.in_memory import generate_cases
from medsynth_core.generation.order import Order
from medsynth_core.progress import Progress
from medsynth_core.volume import Volume

pytestmark = pytest.mark.slow
SECONDS = 60
IMAGES = ["Synthetic ct seed 5 case {}", "Synthetic pet seed 5 case {}"]


@pytest.fixture(scope="module", autouse=True)
def library(tmp_path_factory):
    """Give the tests of this file a library with a tiny generator."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MEDSYNTH_MODELS", str(tmp_path_factory.mktemp("library")))
        sharedGenerator(tmp_path_factory)
        yield


@pytest.fixture
def ready(panel, monkeypatch):
    hideBundled(monkeypatch)
    return enteredWithoutFilter(panel)


def drawFrom(panel, source: str, volumeNode=None) -> None:
    """Choose what images are drawn from."""
    if volumeNode is not None:
        panel.ui.inputVolumeSelector.setCurrentNode(volumeNode)
    box = panel.ui.generateSourceComboBox
    box.setCurrentIndex(box.findData(source))
    box.activated.emit(box.currentIndex)


def generate(panel) -> str:
    """Press the button, and return what the status line says in the end."""
    assert panel.ui.generateButton.enabled, panel.ui.generateLabel.text
    panel.ui.generateButton.click()
    assert waitUntil(lambda: not panel.logic.isRunning, SECONDS)
    return panel.ui.statusLabel.text


def voxels(name: str) -> np.ndarray:
    return slicer.util.arrayFromVolume(slicer.util.getNode(name))


def expected(**order) -> list:
    """Return the cases that the library generates."""
    return list(generate_cases(Generator.load(MODEL, "cpu"), Order(**order), Progress()))


def nodeNames() -> list[str]:
    nodes = [slicer.mrmlScene.GetNthNode(number) for number in range(slicer.mrmlScene.GetNumberOfNodes())]
    return sorted(f"{node.GetClassName()} {node.GetName()}" for node in nodes)


def composites():
    return slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")


def test_TheSectionSaysWhatTheModelMakes(ready):
    ui = ready.ui
    assert ui.generateCollapsibleButton.collapsed and ui.generateButton.text == "Generate"
    assert [ui.generateModelComboBox.itemData(n) for n in range(ui.generateModelComboBox.count)] == [MODEL]
    assert "Images: ct (CT in HU), pet (PET in SUVbw). Voxels from noise: 3 × 3 × 4 mm." in ui.generateModelLabel.text
    assert MODEL not in [ui.modelComboBox.itemData(n) for n in range(ui.modelComboBox.count)]
    assert ui.generateSlicesSpinBox.enabled and not ui.generateLesionSelector.enabled
    drawFrom(ready, "volume", phantomCT())
    assert ui.generateLesionSelector.enabled and not ui.generateSlicesSpinBox.enabled


def test_CasesFromNoiseAreInOneFolderInTheirUnits(ready):
    ready.ui.generateCountSpinBox.value, ready.ui.generateSlicesSpinBox.value = 2, 3
    assert generate(ready) == f"Done: 2 cases in the folder {MODEL} seed 5"
    names = ["Structure seed 5 case {}", *IMAGES, "Lesion seed 5 case {}"]
    top = f"{MODEL} seed 5"
    assert folders() == {
        top: [],
        f"{top}/Case 1": [name.format(1) for name in names],
        f"{top}/Case 2": [name.format(2) for name in names],
    }
    for number, case in enumerate(expected(count=2, slices=3, seed=5, filtered=False), start=1):
        ct, pet = (slicer.util.getNode(name.format(number)) for name in IMAGES)
        for node, role in ((ct, "ct"), (pet, "pet")):
            assert np.array_equal(slicer.util.arrayFromVolume(node), case.images[role].voxels)
            assert np.array_equal(matrixOf(node), case.images[role].ijk_to_ras)
        structure = voxels(f"Structure seed 5 case {number}")
        assert np.array_equal(structure == 1, case.masks["structure"].voxels == 1)
        assert np.array_equal(structure == 2, case.masks["background"].voxels == 1)
        assert np.array_equal(voxels(f"Lesion seed 5 case {number}"), case.masks["lesion"].voxels)


def test_EveryVolumeIsMarkedAsSyntheticInItsUnitAndWindow(ready):
    [case] = ready.logic.generate(MODEL, seed=5, filtered=False)
    assert list(case) == ["structure", "ct", "pet", "lesion"]
    for node in case.values():
        assert node.GetAttribute("MedSynth.Synthetic") == "true" and node.GetAttribute("MedSynth.Model") == MODEL
        assert "not for diagnosis" in node.GetAttribute("MedSynth.Notice")
        assert node.GetAttribute("MedSynth.RandomSeed") == "5" and node.GetAttribute("MedSynth.DataLicence")
        assert node.GetAttribute("MedSynth.InputName") is None
    for role, unit, window in (("ct", "[hnsf'U]", 350), ("pet", "{SUVbw}g/ml", 6)):
        assert case[role].GetVoxelValueUnits().GetCodeValue() == unit
        assert case[role].GetDisplayNode().GetWindow() == window
    assert {case[name].GetClassName() for name in ("structure", "lesion")} == {"vtkMRMLLabelMapVolumeNode"}


def test_TheFirstCaseIsShownWithTheOutlineOfItsLesion(ready):
    generate(ready)
    ct, pet, lesion = (slicer.util.getNode(name.format(1)) for name in (*IMAGES, "Lesion seed 5 case {}"))
    for view in composites():
        shown = view.GetBackgroundVolumeID(), view.GetForegroundVolumeID(), view.GetLabelVolumeID()
        assert shown == (ct.GetID(), pet.GetID(), lesion.GetID())
    k, j, i = np.argwhere(slicer.util.arrayFromVolume(lesion)).mean(axis=0)
    centre = (matrixOf(lesion) @ [i, j, k, 1])[:3]
    for view in slicer.util.getNodesByClass("vtkMRMLSliceNode"):
        assert view.GetUseLabelOutline()
        middle = slicer.util.arrayFromVTKMatrix(view.GetSliceToRAS())[:3, 3]
        assert middle == pytest.approx(centre, abs=1e-6)


def test_AMapALesionAndImagesOnTheGridOfTheVolume(ready):
    """The whole way: extract a map, place a lesion, generate, see the volumes in one folder beside the volume."""
    ct = phantomCT()
    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    ct.SetAndObserveTransformNodeID(transform.GetID())
    ready.ui.inputVolumeSelector.setCurrentNode(ct)
    box = ready.ui.structurePresetComboBox
    box.setCurrentIndex(box.findData("extremity-ct"))
    box.activated.emit(box.currentIndex)
    ready.ui.structureButton.click()
    assert waitUntil(lambda: not ready.logic.isRunning, SECONDS)
    drawn = lesionLabelMap(ct, 3 * lesionMask(ct))
    drawn.SetAndObserveTransformNodeID(transform.GetID())
    drawFrom(ready, "settings")
    ready.ui.generateLesionSelector.setCurrentNode(drawn)
    assert generate(ready) == f"Done: a case in {MODEL} seed 5"
    assert list(folders()) == [f"{MODEL} seed 5"] and len(folders()[f"{MODEL} seed 5"]) == 4
    made = [slicer.util.getNode(name) for name in folders()[f"{MODEL} seed 5"]]
    for node in made:
        assert np.array_equal(matrixOf(node), matrixOf(ct)) and node.GetTransformNodeID() == transform.GetID()
        assert slicer.util.arrayFromVolume(node).shape == slicer.util.arrayFromVolume(ct).shape
        assert node.GetNodeReference("MedSynth.Input") is ct and node.GetAttribute("MedSynth.InputName") == "CT"
    assert np.array_equal(voxels("Lesion seed 5 case 1"), lesionMask(ct))  # the training knows one kind of lesion
    # The structure is that of the map, but for the organ's edge, which nearest neighbours may move.
    extracted = voxels("CT structure")
    assert np.mean(voxels("Structure seed 5 case 1") == extracted) > 0.97


def test_TheFolderIsBesideTheVolumeInItsStudy(ready):
    ct, hierarchy = phantomCT(), slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    patient = hierarchy.CreateSubjectItem(hierarchy.GetSceneItemID(), "Patient")
    study = hierarchy.CreateStudyItem(patient, "Study")
    hierarchy.CreateItem(study, ct)
    [case] = ready.logic.generate(MODEL, seed=5, volumeNode=ct)
    folder = studyOf(case["pet"])
    assert hierarchy.GetItemName(folder) == f"{MODEL} seed 5" and hierarchy.GetItemParent(folder) == study


def test_TheVisibleSegmentsOfASegmentationAreTheLesion(ready):
    ct = phantomCT()
    mask, other = lesionMask(ct), lesionMask(ct, (1, 0, 0), 4)
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Drawn")
    node.CreateDefaultDisplayNodes()
    for name, one in (("lesion", mask), ("air", other)):
        node.AddSegmentFromBinaryLabelmapRepresentation(orientedImage(ct, one), name)
    air = node.GetSegmentation().GetSegmentIdBySegmentName("air")
    node.GetDisplayNode().SetSegmentVisibility(air, False)
    drawFrom(ready, "volume", ct)
    ready.ui.generateLesionSelector.setCurrentNode(node)
    assert generate(ready).startswith("Done")
    assert np.array_equal(voxels("Lesion seed 5 case 1"), mask)
    # Moved by a transform of its own, it lies elsewhere in the volume.
    transform, moved = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode"), np.eye(4)
    moved[:3, 3] = 2 * matrixOf(ct)[:3, 0]
    transform.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(moved))
    node.SetAndObserveTransformNodeID(transform.GetID())
    [case] = ready.logic.generate(MODEL, seed=5, volumeNode=ct, lesion=node)
    assert np.array_equal(slicer.util.arrayFromVolume(case["lesion"]), np.roll(mask, 2, axis=2))
    for name in ("lesion", "air"):
        node.GetDisplayNode().SetSegmentVisibility(node.GetSegmentation().GetSegmentIdBySegmentName(name), False)
    assert generate(ready) == "The segmentation Drawn shows no lesion; draw one, and make its segment visible."


def orientedImage(volumeNode, mask: np.ndarray):
    """Return a mask as what a segment holds, cut to its lesion, as Slicer keeps it."""
    from vtk.util.numpy_support import numpy_to_vtk

    k, j, i = (slice(places.min(), places.max() + 1) for places in np.nonzero(mask))
    image, part, matrix = slicer.vtkOrientedImageData(), mask[k, j, i], slicer.vtk.vtkMatrix4x4()
    image.SetExtent(i.start, i.stop - 1, j.start, j.stop - 1, k.start, k.stop - 1)
    image.GetPointData().SetScalars(numpy_to_vtk(part.ravel(), deep=True))
    volumeNode.GetIJKToRASMatrix(matrix)
    image.SetGeometryFromImageToWorldMatrix(matrix)
    return image


def test_ScriptsGetTheNodesAndTheSameSeedGivesTheSame(panel):
    ct = phantomCT()
    own = Volume(slicer.util.arrayFromVolume(ct).copy(), matrixOf(ct), "CT", "HU")
    cases = panel.logic.generate(MODEL, count=2, volumeNode=ct, seed=3, preset="extremity-ct", settings={"alpha": 0.1})
    from medsynth_core.structure.settings import settings_for

    wanted = expected(count=2, seed=3, source=own, structure=settings_for("extremity-ct", {"alpha": 0.1}))
    for made, case in zip(cases, wanted, strict=True):
        for role in ("ct", "pet"):
            assert np.array_equal(slicer.util.arrayFromVolume(made[role]), case.images[role].voxels)
    others = [panel.logic.generate(MODEL, filtered=False)[0]["ct"].GetAttribute("MedSynth.RandomSeed") for _ in "ab"]
    assert others[0] != others[1]


def test_CancelStopsWithinACaseAndLeavesNothing(ready):
    ready.ui.generateCountSpinBox.value, ready.ui.generateSlicesSpinBox.value = 100, 100
    ready.ui.generateButton.click()
    assert ready.ui.generateButton.text == "Cancel" and not ready.ui.structureButton.enabled
    assert waitUntil(lambda: "Drawing case" in ready.ui.statusLabel.text, SECONDS), ready.ui.statusLabel.text
    ready.ui.generateButton.click()
    assert not ready.ui.generateButton.enabled
    assert waitUntil(lambda: not ready.logic.isRunning, SECONDS)
    assert ready.ui.statusLabel.text == "Cancelled." and ready.ui.generateButton.text == "Generate"
    assert volumeNames() == [] and folders() == {} and ready.ui.generateButton.enabled
    assert list(Path(slicer.app.temporaryPath).glob("MedSynth-*")) == []


def test_TheButtonOfAnotherJobIsNotItsCancel(ready):
    ready.ui.inputVolumeSelector.setCurrentNode(phantomCT())
    ready.ui.structureButton.click()
    assert ready.ui.generateButton.text == "Generate" and not ready.ui.generateButton.enabled
    ready.ui.applyButton.click()
    assert waitUntil(lambda: not ready.logic.isRunning, SECONDS)


def test_AJobThatCannotBeStartedIsOver(ready, monkeypatch, caplog):
    ct = phantomCT()
    lesion = lesionLabelMap(ct, lesionMask(ct))
    ct.SetAndObserveTransformNodeID(flatTransform().GetID())
    drawFrom(ready, "volume", ct)
    ready.ui.generateLesionSelector.setCurrentNode(lesion)
    assert generate(ready).startswith("The volume CT has a transform that makes it flat, such as a scale of 0; correct")
    assert ready.ui.generateButton.text == "Generate" and not ready.ui.progressBar.visible

    def fail(*_arguments, **_options) -> None:
        raise ValueError("no such luck")

    monkeypatch.setattr(ready.logic, "generate", fail)
    assert generate(ready) == "The job could not be started: no such luck. Report it with Slicer's log."
    assert "ValueError: no such luck" in caplog.text
    caplog.clear()  # the traceback holds the panel
    ready.ui.structureButton.click()
    assert ready.logic.isRunning and ready.ui.generateButton.text == "Generate" and not ready.ui.generateButton.enabled
    assert waitUntil(lambda: not ready.logic.isRunning, SECONDS)


@pytest.mark.parametrize("kind", ["flat", "nonlinear"])
def test_ImagesOfAVolumeWithAnyTransformAreShown(ready, kind):
    ct = phantomCT()
    grid = kind == "nonlinear"
    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLGridTransformNode") if grid else flatTransform()
    ct.SetAndObserveTransformNodeID(transform.GetID())
    drawFrom(ready, "volume", ct)
    assert generate(ready) == f"Done: a case in {MODEL} seed 5" and ready.ui.generateButton.text == "Generate"
    assert slicer.util.getNode(IMAGES[0].format(1)).GetTransformNodeID() == transform.GetID()


def flatTransform():
    """Return a transform with a scale of 0 from feet to head."""
    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    transform.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(np.diag([1.0, 1.0, 0.0, 1.0])))
    return transform


def test_ACloseOfTheSceneEndsTheJob(ready):
    ready.ui.generateButton.click()
    group = ready.logic.workerPid
    slicer.mrmlScene.Clear(0)
    assert not ready.logic.isRunning and processesOfGroup(group) == []
    assert volumeNames() == [] and folders() == {}


def test_AVolumeThatWasRemovedMeanwhileGetsNothing(ready):
    ct = phantomCT()
    reference = weakref.ref(ct)
    drawFrom(ready, "volume", ct)
    ready.ui.generateButton.click()
    slicer.mrmlScene.RemoveNode(ct)
    del ct
    assert waitUntil(lambda: not ready.logic.isRunning, SECONDS)
    assert ready.ui.statusLabel.text == "The volume was removed in the meantime, so the images were discarded."
    assert folders() == {} and volumeNames() == [] and reference() is None


def test_IfAVolumeCannotBeMadeNothingIsLeft(ready, monkeypatch):
    from MedSynthLib import generated_volumes

    ready.ui.generateCountSpinBox.value = 2
    calls = []

    def setUnit(node, unit: str) -> None:
        calls.append(unit)
        if len(calls) == 3:
            raise MemoryError

    monkeypatch.setattr(generated_volumes.bridge, "setUnit", setUnit)
    assert folders() == {}  # which makes the node of the subject hierarchy
    before = nodeNames()
    assert generate(ready).startswith("The result could not be put into the scene: memory ran out.")
    assert folders() == {} and nodeNames() == before


def test_WhatCannotBeGeneratedIsSaidInASentence(ready):
    ct = phantomCT()
    drawFrom(ready, "volume", ct)
    corner = lesionLabelMap(ct, lesionMask(ct, (1, 0, 0), 4))
    ready.ui.generateLesionSelector.setCurrentNode(corner)
    assert "of the lesion label lies outside the organ" in generate(ready)
    ready.ui.generateLesionSelector.setCurrentNode(None)
    drawFrom(ready, "settings")
    ready.ui.structureAlphaSpinBox.value = 1.0
    assert generate(ready).startswith("The structure map is empty (alpha: 1, beta: ")
    assert "lower alpha" in ready.ui.logTextEdit.plainText
    assert folders() == {} and volumeNames() == ["CT", "My lesion"]
    for options, words in (
        ({"model": "ct-to-pet"}, "does not generate images"),
        ({"model": "none-such"}, "There is no model 'none-such'"),
        ({"count": 0}, "number of cases is 0"),
        ({"slices": 2, "volumeNode": ct}, "slices are those of the given volume"),
        ({"lesion": corner}, "The lesion My lesion belongs to a volume"),
        ({"lesion": ct, "volumeNode": ct}, "CT is neither a label map nor a segmentation"),
        ({"preset": "extremity-ct"}, "settings of the structure map are those of a given volume"),
        ({"seed": -1}, "random seed is -1"),
    ):
        with pytest.raises(MedSynthError, match=words):
            ready.logic.generate(**{"model": MODEL, **options})


def test_WithoutAVolumeOrAModelTheButtonSaysWhatToDo(ready, tmp_path, monkeypatch):
    drawFrom(ready, "volume")
    ready.ui.inputVolumeSelector.setCurrentNode(None)
    assert not ready.ui.generateButton.enabled
    assert ready.ui.generateLabel.text == ready.ui.generateButton.toolTip
    assert ready.ui.generateLabel.text == "Choose an input volume, or generate from noise."
    drawFrom(ready, "noise")
    assert ready.ui.generateButton.enabled and ready.ui.generateLabel.text == ""
    monkeypatch.setenv("MEDSYNTH_MODELS", str(tmp_path))
    ready.exit()
    ready.enter()
    assert not ready.ui.generateButton.enabled and ready.ui.generateModelLabel.text == ""
    assert ready.ui.generateLabel.text.startswith("The library has no model that generates images; train one")


def test_TheChoicesAreKeptInTheScene(ready):
    ct = phantomCT()
    lesion = lesionLabelMap(ct, lesionMask(ct))
    drawFrom(ready, "settings", ct)
    ready.ui.generateLesionSelector.setCurrentNode(lesion)
    ready.ui.generateCountSpinBox.value = 4
    ready.exit()
    application.loadModule("MedSynth")
    ready.enter()
    parameters = ready.logic.getParameterNode()
    assert (parameters.generateSource, parameters.generateCount, parameters.generateSeed) == ("settings", 4, 5)
    assert ready.ui.generateLesionSelector.currentNode() is lesion
    slicer.mrmlScene.RemoveNode(lesion)
    assert ready.ui.generateLesionSelector.currentNode() is None
    # A scene of others may say anything.
    parameters.generateSource, parameters.generateModel = "moon", "gone"
    parameters.parameterNode.SetNodeReferenceID("generateLesion", ct.GetID())
    assert ready.ui.generateSourceComboBox.currentText == "Noise"
    assert ready.ui.generateLabel.text == "The model gone is not in the library; choose another."
    assert ready.ui.generateLesionSelector.currentNode() is None


def test_TheLogSaysWhatWasAssumedAndRepeated(ready):
    ct = phantomCT()
    ct.SetVoxelValueUnits(None)
    said: list[str] = []
    ready.logic.generate(MODEL, seed=5, volumeNode=ct, onLog=said.append)
    assert any("assumed to be HU" in sentence for sentence in said)
    ready.logic.generate(MODEL, seed=5, filtered=False, onLog=said.append)
    assert any(sentence.startswith("pet: ") and "nearer to a training image" in sentence for sentence in said)


def test_ACancelledScriptIsToldSo(panel):
    ended: list = []
    panel.logic.generate(MODEL, count=50, waitForCompletion=False, onFinished=lambda *both: ended.append(both))
    panel.logic.cancel()
    assert waitUntil(lambda: ended, SECONDS)
    [(cases, error)] = ended
    assert cases is None and isinstance(error, Cancelled)
    assert json.dumps(volumeNames()) == "[]"
