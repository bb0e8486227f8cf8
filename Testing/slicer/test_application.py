"""The test application must be strict, or it hides what would fail in Slicer."""

from __future__ import annotations

import ctk
import pytest
import qt
import slicer


def test_PropertiesOfWidgetsAreAttributes():
    label = qt.QLabel()
    label.text = "PET"
    assert label.text == "PET"
    assert qt.QLabel.text.fget(label) == "PET"


def test_UnknownAttributesFail():
    with pytest.raises(AttributeError):
        qt.QLabel().txet = "PET"
    with pytest.raises(AttributeError):
        slicer.app.restartt()
    with pytest.raises(AttributeError):
        qt.QLabell()
    with pytest.raises(AttributeError):
        ctk.ctkSliderWidget()


def test_UnknownSignalsFail():
    with pytest.raises(AttributeError):
        qt.QPushButton().connect("clickd(bool)", print)
    with pytest.raises(AttributeError):
        slicer.qMRMLNodeComboBox().connect("currentNodeChangd(vtkMRMLNode*)", print)


def test_SignalsReachTheirSlot():
    box, seen = qt.QCheckBox(), []
    box.connect("toggled(bool)", seen.append)
    box.checked = True
    assert seen == [True]


def test_NodeComboBoxFollowsTheScene():
    box = slicer.qMRMLNodeComboBox()
    box.nodeTypes = ["vtkMRMLScalarVolumeNode"]
    box.showChildNodeTypes = False
    box.setMRMLScene(slicer.mrmlScene)
    assert box.currentNode() is None
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "CT")
    slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "mask")
    assert box.currentNode() is node
    slicer.mrmlScene.RemoveNode(node)
    assert box.currentNode() is None


def test_ParameterNodesKeepTypedValues():
    from MedSynth import MedSynthLogic

    parameters = MedSynthLogic().getParameterNode()
    assert parameters.batchSize == 0
    parameters.batchSize = 4
    assert MedSynthLogic().getParameterNode().batchSize == 4
    with pytest.raises(ValueError):
        parameters.batchSize = 1000
    with pytest.raises(TypeError):
        parameters.model = 3


def test_GuiConnectedByNameAloneCannotBeDisconnected(panel):
    """`connectGui` of Slicer 5.10 to 5.13 returns no tag."""
    from MedSynth import MedSynthParameterNode

    parameters = MedSynthParameterNode(slicer.vtkMRMLScriptedModuleNode())  # the scene's would stay connected too
    panel.exit()
    assert parameters.connectGui(panel.ui) is None
    parameters.disconnectGui(None)
    panel.ui.batchSizeSpinBox.value = 5
    assert parameters.batchSize == 5
