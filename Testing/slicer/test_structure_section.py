"""Structure maps in the panel: a live preview of the shown slice, and the map as a label map."""

from __future__ import annotations

import json

import numpy as np
import pytest
import slicer
from application import ROOT
from scene_helpers import matrixOf, patientLikeVolume, studyOf, volumeNames, waitUntil

from medsynth_core.errors import MedSynthError
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
    choose(panel, someSlices)
    moveTo(someSlices, 3)
    panel.ui.structurePreviewCheckBox.checked = True
    assert NAME in volumeNames()
    end(panel)
    assert NAME not in volumeNames()


def test_TheLesionsOwnEdgesAreLeftOut(someSlices, panel):
    lesion = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "lesion")
    mask = np.zeros(slicer.util.arrayFromVolume(someSlices).shape, np.uint8)
    mask[2:6, 60:90, 20:50] = 3
    slicer.util.updateVolumeFromArray(lesion, mask)
    lesion.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(matrixOf(someSlices)))
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
    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    moved = np.eye(4)
    moved[:3, 3] = (0, 0, 300)
    transform.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(moved))
    volume.SetAndObserveTransformNodeID(transform.GetID())
    choose(panel, volume)
    slicer.util.getNodesByClass("vtkMRMLSliceNode")[0].JumpSliceByCentering(-40, -40, 300 + 3 * 4)
    panel.ui.structurePreviewCheckBox.checked = True
    assert np.array_equal(previewed()[0], expected(volume)[4])
    assert slicer.util.getNode(NAME).GetTransformNodeID() == transform.GetID()


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
