"""Structure maps in the panel: a live preview of the shown slice, and the map as a label map."""

from __future__ import annotations

import json

import numpy as np
import pytest
import slicer
from application import ROOT, leaks
from scene_helpers import matrixOf, patientLikeVolume, studyOf, volumeNames, waitUntil

from medsynth_core.errors import MedSynthError
from medsynth_core.grid import Grid, resample_array
from medsynth_core.io.reading import read_volume
from medsynth_core.structure.settings import preset
from medsynth_core.structure.volume_maps import structure_of_volume
from medsynth_core.volume import Volume

NAME = "MedSynth structure preview"


def expected(node, name="extremity-ct", **options):
    """Return the labels that the library makes of a node's image."""
    volume = Volume(slicer.util.arrayFromVolume(node).copy(), matrixOf(node))
    lines, background = structure_of_volume(volume, preset(name), **options)
    return lines.voxels + 2 * background.voxels


def choose(panel, node, name="extremity-ct") -> None:
    panel.ui.inputVolumeSelector.setCurrentNode(node)
    box = panel.ui.structurePresetComboBox
    box.setCurrentIndex(box.findData(name))
    box.activated.emit(box.currentIndex)


def views():
    return slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")


def moveTo(node, k: int) -> None:
    """Move the first slice view to a slice of a node."""
    slicer.util.getNodesByClass("vtkMRMLSliceNode")[0].JumpSliceByCentering(*(matrixOf(node) @ [5, 5, k, 1])[:3])


def previewed() -> np.ndarray:
    return slicer.util.arrayFromVolume(slicer.util.getNode(NAME))


def lesionOn(node, place):
    """Return a label map on the grid of a node, with a lesion at some of its indices (k, j, i)."""
    lesion = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "lesion")
    mask = np.zeros(slicer.util.arrayFromVolume(node).shape, np.uint8)
    mask[place] = 3
    slicer.util.updateVolumeFromArray(lesion, mask)
    lesion.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(matrixOf(node)))
    return lesion


def transformed(node, matrix: np.ndarray):
    """Give a node a transform with a matrix, and return the transform."""
    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    node.SetAndObserveTransformNodeID(transform.GetID())
    setMatrix(transform, matrix)
    return transform


def setMatrix(transform, matrix: np.ndarray) -> None:
    transform.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(matrix))


def bySlices(node, count: int) -> np.ndarray:
    """Return the matrix that moves a node by a number of its slices."""
    matrix = np.eye(4)
    matrix[:3, 3] = count * matrixOf(node)[:3, 2]
    return matrix


def test_TheButtonMakesALabelMapOnTheVolumesGrid(someSlices, panel):
    choose(panel, someSlices)
    panel.ui.structureButton.click()
    assert panel.logic.isRunning and not panel.ui.structureButton.enabled
    assert waitUntil(lambda: not panel.logic.isRunning, 60)
    assert panel.ui.statusLabel.text == "Done: Sarcoma CT structure"
    node = slicer.util.getNode("Sarcoma CT structure")
    assert node.GetClassName() == "vtkMRMLLabelMapVolumeNode"
    assert np.array_equal(matrixOf(node), matrixOf(someSlices)) and studyOf(node) == studyOf(someSlices)
    assert np.array_equal(slicer.util.arrayFromVolume(node), expected(someSlices))
    assert json.loads(node.GetAttribute("MedSynth.StructureSettings"))["sigma1"] == 1.0
    assert all(view.GetLabelVolumeID() == node.GetID() for view in views())


def test_ThePreviewFollowsTheShownSliceAndIsThatOfTheMap(someSlices, panel):
    choose(panel, someSlices)
    moveTo(someSlices, 3)
    before = views()[0].GetLabelVolumeID()
    panel.ui.structurePreviewCheckBox.checked = True
    wanted = expected(someSlices)
    assert np.array_equal(previewed()[0], wanted[3])
    assert matrixOf(slicer.util.getNode(NAME))[:3, 3] == pytest.approx((matrixOf(someSlices) @ [0, 0, 3, 1])[:3])
    moveTo(someSlices, 6)
    assert waitUntil(lambda: np.array_equal(previewed()[0], wanted[6]), 5)
    assert all(view.GetLabelVolumeID() == slicer.util.getNode(NAME).GetID() for view in views())
    panel.ui.structurePreviewCheckBox.checked = False
    assert volumeNames() == ["Sarcoma CT"] and views()[0].GetLabelVolumeID() == before


def test_ThePreviewIsThatOfTheMapForVolumesThatAreStoredSagittal(panel):
    volume = read_volume(ROOT / "Resources" / "SampleCase" / "mr_t1.nii.gz")
    # Slices are stored along what is the first axis of the plane.
    stored, matrix = np.ascontiguousarray(volume.voxels.transpose(2, 0, 1)), volume.ijk_to_ras[:, [1, 2, 0, 3]]
    node = slicer.util.addVolumeFromArray(stored, matrix, "Sagittal")
    choose(panel, node, "extremity-mr")
    axial = Grid.of(volume).oriented()
    k = axial.shape[0] // 2
    middle = [side // 2 for side in axial.shape[::-1][:2]]
    place = axial.ijk_to_ras @ [*middle, k, 1]
    slicer.util.getNodesByClass("vtkMRMLSliceNode")[0].JumpSliceByCentering(*place[:3])
    panel.ui.structurePreviewCheckBox.checked = True
    wanted = resample_array(expected(node, "extremity-mr"), Grid(stored.shape, matrix), axial, order="nearest")
    assert np.array_equal(previewed()[0], wanted[k]) and (wanted[k] == 1).any()


def test_ThePreviewFollowsTheSettings(someSlices, panel):
    choose(panel, someSlices)
    moveTo(someSlices, 3)
    panel.ui.structurePreviewCheckBox.checked = True
    usual = (previewed() == 1).sum()
    panel.ui.structureAlphaSpinBox.value = 0.02
    assert panel.logic.getParameterNode().structureAlpha == 0.02
    assert (previewed() == 1).sum() > 1.2 * usual
    panel.ui.structureAlphaSpinBox.value = 0.0
    assert (previewed() == 1).sum() == usual
    panel.ui.structureAlphaSpinBox.value = 1.0
    assert panel.ui.structureLabel.text.startswith("The structure map is empty (alpha: 1")
    assert not previewed().any()
    panel.ui.structureAlphaSpinBox.value = 0.0
    assert panel.ui.structureLabel.text == "" and previewed().any()


@pytest.mark.parametrize(
    ("given", "shown", "used"),
    [
        (0.0004, "0.0004", 0.0004),
        (0.1234, "0.1234", 0.1234),
        (0.12346, "0.1235", 0.1235),
        (0.00004, "By the kind of image", None),
    ],
)
def test_TheThresholdsThatAreShownAreThoseOfTheMap(someSlices, panel, given, shown, used):
    choose(panel, someSlices)
    parameters = panel.logic.getParameterNode()
    parameters.structureAlpha = parameters.structureGamma = given
    assert panel.ui.structureAlphaSpinBox.text == panel.ui.structureGammaSpinBox.text == shown
    assert panel._structure.settings() == preset("extremity-ct").with_values(alpha=used, gamma=used)
    panel.ui.structureButton.click()
    assert waitUntil(lambda: not panel.logic.isRunning, 60)
    made = slicer.util.getNode("Sarcoma CT structure").GetAttribute("MedSynth.StructureSettings")
    assert used is None or (json.loads(made)["alpha"], json.loads(made)["gamma"]) == (used, used)


def test_APresetThatDoesNotExistIsNotShownAsAnother(someSlices, panel):
    choose(panel, someSlices)
    panel.logic.getParameterNode().structurePreset = "brain"
    box = panel.ui.structurePresetComboBox
    assert (box.currentIndex, box.currentText) == (-1, "")
    panel.ui.structurePreviewCheckBox.checked = True
    assert panel.ui.structureLabel.text.startswith("There is no preset 'brain' for structure maps; choose one of")
    panel.ui.structureButton.click()
    assert waitUntil(lambda: not panel.logic.isRunning, 60)
    assert panel.ui.statusLabel.text.startswith("There is no preset 'brain'") and NAME not in volumeNames()
    choose(panel, someSlices, "")
    assert box.currentText == "Automatic" and panel.logic.getParameterNode().structurePreset == ""


def test_AViewBesideTheVolumeIsSaidSo(someSlices, panel):
    choose(panel, someSlices)
    moveTo(someSlices, 200)
    panel.ui.structurePreviewCheckBox.checked = True
    assert "is beside the volume" in panel.ui.structureLabel.text and NAME not in volumeNames()
    moveTo(someSlices, 2)
    assert waitUntil(lambda: panel.ui.structureLabel.text == "", 5) and previewed().any()


@pytest.mark.parametrize(
    "end",
    [
        lambda panel: panel.exit(),
        lambda panel: panel.cleanup(),
        lambda panel: slicer.mrmlScene.Clear(0),
        lambda panel: slicer.mrmlScene.RemoveNode(panel.ui.inputVolumeSelector.currentNode()),
    ],
    ids=["left", "unloaded", "scene closed", "volume removed"],
)
def test_NothingOfThePreviewIsLeft(someSlices, panel, end):
    view, lesion = slicer.util.getNodesByClass("vtkMRMLSliceNode")[0], lesionOn(someSlices, np.s_[2:6, 60:90, 20:50])
    before = leaks.observersOf(view)
    choose(panel, someSlices)
    panel.ui.lesionVolumeSelector.setCurrentNode(lesion)
    moveTo(someSlices, 3)
    panel.ui.structurePreviewCheckBox.checked = True
    assert NAME in volumeNames() and leaks.observersOf(lesion) and leaks.observersOf(view) > before
    end(panel)
    assert NAME not in volumeNames()
    assert (leaks.observersOf(someSlices), leaks.observersOf(lesion), leaks.observersOf(view)) == (0, 0, before)


def test_TheLesionsOwnEdgesAreLeftOut(someSlices, panel):
    lesion = lesionOn(someSlices, np.s_[2:6, 60:90, 20:50])
    mask = slicer.util.arrayFromVolume(lesion).copy()
    choose(panel, someSlices)
    panel.ui.lesionVolumeSelector.setCurrentNode(lesion)
    moveTo(someSlices, 4)
    panel.ui.structurePreviewCheckBox.checked = True
    volume = Volume(mask, matrixOf(someSlices))
    wanted = expected(someSlices, lesion=volume)
    assert np.array_equal(previewed()[0], wanted[4]) and not (wanted[3:5, 62:88, 22:48] == 1).any()
    made = panel.logic.extractStructure(someSlices, preset="extremity-ct", lesion=lesion)
    assert np.array_equal(slicer.util.arrayFromVolume(made), wanted)


def test_ScriptsGetTheMapOrTheReason(someSlices, panel):
    solid = panel.logic.extractStructure(someSlices, preset="extremity-ct", solid=True)
    assert np.array_equal(slicer.util.arrayFromVolume(solid), expected(someSlices, solid=True))
    for options, words in (
        ({"preset": "knee"}, "There is no preset 'knee'"),
        ({"settings": {"alpha": 1.0, "beta": 1.0}}, "The structure map is empty"),
        ({"settings": {"width": 2}}, "have no setting 'width'"),
    ):
        with pytest.raises(MedSynthError, match=words):
            panel.logic.extractStructure(someSlices, **options)
    assert volumeNames() == ["Sarcoma CT", "Sarcoma CT structure"]


def test_AMovedVolumeIsPreviewedWhereItIsShown(panel):
    volume = patientLikeVolume(np.diag([-2.0, -2.0, 3.0, 1.0]), (8, 40, 40))
    transform = transformed(volume, bySlices(volume, 100))
    choose(panel, volume)
    slicer.util.getNodesByClass("vtkMRMLSliceNode")[0].JumpSliceByCentering(-40, -40, 300 + 3 * 4)
    panel.ui.structurePreviewCheckBox.checked = True
    assert np.array_equal(previewed()[0], expected(volume)[4])
    assert slicer.util.getNode(NAME).GetTransformNodeID() == transform.GetID()


def test_ThePreviewFollowsTheTransformsOfTheVolume(someSlices, panel):
    choose(panel, someSlices)
    moveTo(someSlices, 4)
    panel.ui.structurePreviewCheckBox.checked = True
    wanted = expected(someSlices)
    transform = transformed(someSlices, bySlices(someSlices, 1))
    assert waitUntil(lambda: np.array_equal(previewed()[0], wanted[3]), 5)
    assert slicer.util.getNode(NAME).GetTransformNodeID() == transform.GetID()
    setMatrix(transform, bySlices(someSlices, -2))
    assert waitUntil(lambda: np.array_equal(previewed()[0], wanted[6]), 5)
    parent = transformed(transform, bySlices(someSlices, 50))
    assert waitUntil(lambda: "is beside the volume" in panel.ui.structureLabel.text, 5) and not previewed().any()
    setMatrix(parent, bySlices(someSlices, 3))
    assert waitUntil(lambda: np.array_equal(previewed()[0], wanted[3]), 5) and panel.ui.structureLabel.text == ""
    someSlices.SetAndObserveTransformNodeID(None)
    assert np.array_equal(previewed()[0], wanted[4]) and slicer.util.getNode(NAME).GetTransformNodeID() is None


def test_ThePreviewFollowsWhatIsPainted(someSlices, panel):
    lesion = lesionOn(someSlices, np.s_[0:0])
    choose(panel, someSlices)
    panel.ui.lesionVolumeSelector.setCurrentNode(lesion)
    moveTo(someSlices, 4)
    panel.ui.structurePreviewCheckBox.checked = True
    place = np.s_[2:6, 60:90, 20:50]
    slicer.util.arrayFromVolume(lesion)[place] = 1
    lesion.GetImageData().Modified()  # as after a stroke of a brush
    volume = Volume(slicer.util.arrayFromVolume(lesion), matrixOf(lesion))
    assert waitUntil(lambda: np.array_equal(previewed()[0], expected(someSlices, lesion=volume)[4]), 5)
    transform = transformed(lesion, bySlices(lesion, 5))
    assert waitUntil(lambda: np.array_equal(previewed()[0], expected(someSlices)[4]), 5)
    setMatrix(transform, bySlices(lesion, 50))
    beside = "The label map lesion lies beside the volume; choose one that was drawn on it."
    assert waitUntil(lambda: panel.ui.structureLabel.text == beside, 5) and not previewed().any()
    setMatrix(transform, np.eye(4))
    assert waitUntil(lambda: np.array_equal(previewed()[0], expected(someSlices, lesion=volume)[4]), 5)
    slicer.util.arrayFromVolume(someSlices)[place] = 0
    someSlices.GetImageData().Modified()
    assert waitUntil(lambda: np.array_equal(previewed()[0], expected(someSlices, lesion=volume)[4]), 5)


def test_AFlatTransformIsSaidSoAndCorrected(someSlices, panel):
    lesion = lesionOn(someSlices, np.s_[2:6, 60:90, 20:50])
    choose(panel, someSlices)
    moveTo(someSlices, 4)
    panel.ui.structurePreviewCheckBox.checked = True
    wanted = expected(someSlices)
    transform = transformed(someSlices, np.diag([1.0, 1.0, 0.0, 1.0]))
    words = "The volume Sarcoma CT has a transform that makes it flat, such as a scale of 0; correct the transform or "
    assert waitUntil(lambda: panel.ui.structureLabel.text == words + "remove it.", 5) and not previewed().any()
    panel.update()
    panel.ui.lesionVolumeSelector.setCurrentNode(lesion)
    panel.ui.structureButton.click()
    assert not panel.logic.isRunning and panel.ui.structureButton.enabled
    assert panel.ui.statusLabel.text == words + "remove it."
    panel.ui.structurePreviewCheckBox.checked = True
    panel.ui.lesionVolumeSelector.setCurrentNode(None)
    setMatrix(transform, np.eye(4))
    assert waitUntil(lambda: panel.ui.structureLabel.text == "", 5) and np.array_equal(previewed()[0], wanted[4])


def test_TheCommandsSegmentationIsOneToSlicer(sampleCT, tmp_path):
    from medsynth_core.structure.files import StructureFiles, write_structure

    source = ROOT / "Resources" / "SampleCase" / "ct.nii.gz"
    write_structure(StructureFiles(source, tmp_path / "map.seg.nrrd"), preset("extremity-ct"))
    node = slicer.util.loadSegmentation(str(tmp_path / "map.seg.nrrd"))
    segmentation = node.GetSegmentation()
    names = [segmentation.GetNthSegment(index).GetName() for index in range(segmentation.GetNumberOfSegments())]
    assert names == ["structure", "background"]
    labels = slicer.util.arrayFromSegmentInternalBinaryLabelmap(node, segmentation.GetNthSegmentID(0))
    assert [segmentation.GetNthSegment(index).GetLabelValue() for index in (0, 1)] == [1, 2]
    assert np.array_equal(labels, expected(sampleCT))
