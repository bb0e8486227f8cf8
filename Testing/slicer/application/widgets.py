"""Stand-ins for the widgets that only Slicer and CTK have: the few that the modules use."""

from __future__ import annotations

import types

import slicer
import vtk
from PySide6 import QtCore, QtWidgets

from application import held
from application.pythonqt import PythonQtObject, propertiesOf


class ctkCollapsibleButton(PythonQtObject, QtWidgets.QWidget):  # noqa: N801 - the name that Slicer gives it
    """A header that shows or hides what lies below it, except what was hidden by itself."""

    contentsCollapsed = QtCore.Signal(bool)
    customSignals = {"contentsCollapsed(bool)": "contentsCollapsed"}
    _HEADER = 24

    def __init__(self, parent=None) -> None:
        super().__init__(parent)
        self._collapsed, self._forcing = False, False
        self._hidden: dict[QtWidgets.QWidget, bool] = {}
        self._header = QtWidgets.QPushButton(self)
        self._header.setStyleSheet("text-align: left; padding: 3px 8px;")
        self._header.clicked.connect(lambda: self._setCollapsed(not self._collapsed))
        self.setContentsMargins(0, self._HEADER, 0, 0)
        self._relabel("")

    def _relabel(self, text: str) -> None:
        self._title = text
        self._header.setText(("▸ " if self._collapsed else "▾ ") + text)

    def _setCollapsed(self, collapsed: bool) -> None:
        if collapsed == self._collapsed:
            return
        self._collapsed = collapsed
        self._relabel(self._title)
        self._hideContents()
        self.contentsCollapsed.emit(collapsed)

    def _hideContents(self) -> None:
        self.setMaximumHeight(self._HEADER if self._collapsed else 16777215)
        self._forcing = True
        for child, hidden in self._hidden.items():
            child.setVisible(not self._collapsed and not hidden)
        self._forcing = False

    def eventFilter(self, child, event) -> bool:
        kinds = {QtCore.QEvent.Type.ShowToParent: False, QtCore.QEvent.Type.HideToParent: True}
        if not self._forcing and event.type() in kinds and child in self._hidden:
            self._hidden[child] = kinds[event.type()]
            if self._collapsed:
                self._hideContents()
        return False

    def resizeEvent(self, event) -> None:
        self._header.setGeometry(0, 0, QtWidgets.QWidget.width(self), self._HEADER)

    def showEvent(self, event) -> None:
        for child in QtCore.QObject.children(self):
            if isinstance(child, QtWidgets.QWidget) and child is not self._header and child not in self._hidden:
                self._hidden[child] = child.isHidden()
                child.installEventFilter(self)
        self._hideContents()

    text = property(lambda self: self._title, _relabel)
    collapsed = property(lambda self: self._collapsed, _setCollapsed)


class qMRMLWidget(PythonQtObject, QtWidgets.QWidget):  # noqa: N801 - the name that Slicer gives it
    """A widget that hands a scene to its children."""

    mrmlSceneChanged = QtCore.Signal(object)
    customSignals = {"mrmlSceneChanged(vtkMRMLScene*)": "mrmlSceneChanged"}

    def __init__(self, parent=None) -> None:
        super().__init__(parent)
        self._scene = None

    def setMRMLScene(self, scene) -> None:
        if scene is not self._scene:
            self._scene = scene
            self.mrmlSceneChanged.emit(scene)

    def mrmlScene(self):
        return self._scene


class qMRMLNodeComboBox(PythonQtObject, QtWidgets.QWidget):  # noqa: N801 - the name that Slicer gives it
    """A list of the scene's nodes of some classes."""

    currentNodeChanged = QtCore.Signal(object)
    customSignals = {
        "currentNodeChanged(vtkMRMLNode*)": "currentNodeChanged",
        "currentNodeChanged(bool)": "currentNodeChanged",
    }
    DEFAULTS = {
        "nodeTypes": (), "showChildNodeTypes": True, "noneEnabled": False, "addEnabled": True,
        "removeEnabled": True, "renameEnabled": False, "noneDisplay": "None", "baseName": "",
    }  # fmt: skip

    def __init__(self, parent=None) -> None:
        super().__init__(parent)
        self._scene, self._nodes, self._current = None, [], None
        self._settings = dict(self.DEFAULTS)
        self._box = QtWidgets.QComboBox(self)
        self._box.setSizePolicy(QtWidgets.QSizePolicy.Policy.Expanding, QtWidgets.QSizePolicy.Policy.Fixed)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._box)
        self._box.activated.connect(lambda index: self._select(self._nodes[index]))

    def setMRMLScene(self, scene) -> None:
        if self._scene is not None:
            raise AttributeError("this stand-in keeps its first scene")
        self._scene = scene
        events = (slicer.vtkMRMLScene.NodeAddedEvent, slicer.vtkMRMLScene.NodeRemovedEvent)
        tags = [scene.AddObserver(event, lambda *_: self._refresh()) for event in events]
        held.whenDestroyed(self, lambda: [scene.RemoveObserver(tag) for tag in tags])
        self._refresh()

    def mrmlScene(self):
        return self._scene

    def currentNode(self):
        return self._current

    def setCurrentNode(self, node) -> None:
        if node is not None and node not in self._nodes:
            node = None
        self._select(node)

    def setCurrentNodeID(self, nodeID: str) -> None:
        self.setCurrentNode(self._scene.GetNodeByID(nodeID) if nodeID else None)

    def _accepts(self, node) -> bool:
        if node.GetHideFromEditors():
            return False
        if self.showChildNodeTypes:
            return any(node.IsA(name) for name in self.nodeTypes)
        return node.GetClassName() in self.nodeTypes

    def _refresh(self) -> None:
        nodes = [self._scene.GetNthNode(i) for i in range(self._scene.GetNumberOfNodes())]
        self._nodes = ([None] if self.noneEnabled else []) + [node for node in nodes if self._accepts(node)]
        self._box.clear()
        for node in self._nodes:
            self._box.addItem(node.GetName() if node else self.noneDisplay)
        if self._current not in self._nodes or (self._current is None and not self.noneEnabled):
            self._select(self._nodes[0] if self._nodes else None)
        self._showCurrent()

    def _showCurrent(self) -> None:
        self._box.setCurrentIndex(self._nodes.index(self._current) if self._current in self._nodes else -1)

    def _select(self, node) -> None:
        changed = node is not self._current
        self._current = node
        self._showCurrent()
        if changed:
            self.currentNodeChanged.emit(node)

    def _setting(self, key: str, value) -> None:
        self._settings[key] = value
        if self._scene is not None:
            self._refresh()


def _setting(key: str) -> property:
    return property(lambda box: box._settings[key], lambda box, value: box._setting(key, value))


for _key in qMRMLNodeComboBox.DEFAULTS:
    setattr(qMRMLNodeComboBox, _key, _setting(_key))


_STAND_INS = (ctkCollapsibleButton, qMRMLWidget, qMRMLNodeComboBox)
for _widget in _STAND_INS:
    for _key, _attribute in propertiesOf(QtWidgets.QWidget).items():
        setattr(_widget, _key, _attribute)
WIDGETS = {widget.__name__: widget for widget in _STAND_INS}


def ctkModule() -> types.ModuleType:
    """Return the module ``ctk``."""
    ctk = types.ModuleType("ctk")
    ctk.ctkCollapsibleButton = ctkCollapsibleButton
    return ctk


def installInSlicer() -> None:
    """Make the stand-ins attributes of ``slicer``."""
    slicer.vtk = vtk
    slicer.qMRMLWidget = qMRMLWidget
    slicer.qMRMLNodeComboBox = qMRMLNodeComboBox
