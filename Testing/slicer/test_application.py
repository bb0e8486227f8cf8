"""The test application is strict, so that code that would fail in Slicer also fails here."""

from __future__ import annotations

import gc
import threading
import time
import weakref

import ctk
import pytest
import qt
import slicer
from application import VERSION, eventloop, held, leaks
from PySide6 import QtCore


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
        ctk.ctkSliderWidgett()


def test_UnknownSignalsAreNotConnected():
    assert qt.QPushButton().connect("clickd(bool)", print) is False
    assert slicer.qMRMLNodeComboBox().connect("currentNodeChangd(vtkMRMLNode*)", print) is False
    assert [warning.split("'")[1] for warning in held.unknownSignals] == [
        "clickd(bool)", "currentNodeChangd(vtkMRMLNode*)",
    ]  # fmt: skip
    held.unknownSignals.clear()  # what is left fails a test


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
    delete(box)


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


class Owner:
    """Has a method to connect."""

    def slot(self, *_arguments) -> None:
        self.called = True


def delete(widget) -> None:
    """Delete a widget as Qt deletes one with its parent."""
    widget.deleteLater()
    eventloop.processEvents()


def test_ConnectedMethodsAreHeldUntilTheyAreDisconnected():
    button, owner = qt.QPushButton(), Owner()
    reference = weakref.ref(owner)
    button.connect("clicked(bool)", owner.slot)
    button.clicked.connect(owner.slot)
    del owner
    gc.collect()
    button.click()
    assert reference().called
    assert button.disconnect("clicked(bool)", reference().slot) is True
    assert button.disconnect("clicked(bool)", reference().slot) is False
    assert button.clicked.disconnect(reference().slot) is True
    gc.collect()
    assert reference() is None


def test_ConnectedMethodsAreHeldUntilTheSenderIsDeleted():
    button, owner = qt.QPushButton(), Owner()
    reference = weakref.ref(owner)
    button.connect("clicked(bool)", owner.slot)
    del owner
    assert reference() is not None
    delete(button)
    assert reference() is None


def test_SingleShotOfSlicerHoldsItsCallableForever():
    owner, before = Owner(), leaks.count()
    qt.QTimer.singleShot(0, owner.slot)
    eventloop.idle(20)
    assert owner.called
    assert leaks.count()["timers"] == before["timers"] + 1
    assert leaks.count()["callables"] == before["callables"] + 1
    [timer] = slicer.app.moduleManager().findChildren(QtCore.QTimer)
    delete(timer)
    assert leaks.count() == before


def test_DeletedObjectsCannotBeUsed():
    label, button = qt.QLabel(), qt.QPushButton()
    delete(label)
    delete(button)
    with pytest.raises(ValueError, match="destroyed QLabel"):
        assert label.text
    with pytest.raises(AttributeError, match="destroyed QLabel"):
        label.text = "PET"
    with pytest.raises(ValueError, match="destroyed QPushButton"):
        button.disconnect("clicked(bool)", print)


def test_ListsOfQtAreTuples():
    settings, group = qt.QSettings(), qt.QButtonGroup()
    settings.setValue("MedSynthTest/a", 1)
    assert isinstance(settings.allKeys(), tuple)
    assert group.buttons() == ()
    dialog = qt.QFileDialog()
    assert isinstance(dialog.nameFilters(), tuple) and isinstance(dialog.children(), tuple)


@pytest.mark.skipif(not eventloop.keepsTheInterpreter(), reason="the event loop of this system releases Python")
def test_ThreadsGetNoTurnWhileTheEventLoopIdles():
    turns, ended = [0], threading.Event()

    def count() -> None:
        while not ended.is_set():
            turns[0] += 1
            time.sleep(0.001)

    thread = threading.Thread(target=count)
    thread.start()
    try:
        while turns[0] < 3:
            time.sleep(0.01)
        before = turns[0]
        eventloop.idle(500)
        assert turns[0] - before < 20  # of some hundreds
    finally:
        ended.set()
        thread.join()


def test_LeaksAreSeen():
    before = leaks.count()
    node, timer, button = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode"), qt.QTimer(), qt.QPushButton()
    known = leaks.observersOf(node)
    tag = node.AddObserver("ModifiedEvent", print)
    button.connect("clicked(bool)", print)
    after = leaks.count()
    assert leaks.observersOf(node) == known + 1
    assert after["timers"] == before["timers"] + 1 and after["callables"] == before["callables"] + 1
    node.RemoveObserver(tag)
    assert leaks.observersOf(node) == known
    delete(timer)
    delete(button)
    assert leaks.count()["timers"] == before["timers"] and leaks.count()["callables"] == before["callables"]


def test_DisconnectGuiOfSlicer510LeavesAnObserver(panel):
    from MedSynth import MedSynthParameterNode

    parameters = MedSynthParameterNode(slicer.vtkMRMLScriptedModuleNode())
    before = leaks.observersOf(parameters.parameterNode)
    tag = parameters.connectParametersToGui({"batchSize": panel.ui.batchSizeSpinBox})
    panel.ui.batchSizeSpinBox.value = 5
    assert parameters.batchSize == 5
    parameters.disconnectGui(tag)
    left = leaks.observersOf(parameters.parameterNode) - before
    assert left == (1 if VERSION == "5.10" else 0)
    panel.ui.batchSizeSpinBox.value = 6
    assert parameters.batchSize == 5
