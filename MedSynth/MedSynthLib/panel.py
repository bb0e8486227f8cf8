"""Base class of the modules' panels: loads the .ui file, follows the scene's parameter node, and reloads."""

import importlib
import sys
from typing import Any

import qt
import slicer
from slicer.ScriptedLoadableModule import ScriptedLoadableModuleWidget
from slicer.util import VTKObservationMixin

from MedSynthLib.connections import Connections
from MedSynthLib.kept_worker import endKeptWorker
from MedSynthLib.parameter_gui import ParameterGui
from MedSynthLib.scene_parameters import LiveParameters


class ModulePanel(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """Base class of a module's widget.

    A module derives its widget from it in its own file, where Slicer looks for the class ``<module name>Widget``.

    Attributes:
        LIBRARIES: packages to reload with the module.
        ui: the widgets of ``Resources/UI/<module name>.ui`` by their names.
        logic: what `makeLogic` returned.
        connections: signals of the widgets, which `cleanup` disconnects.
    """

    LIBRARIES: tuple[str, ...] = ()

    def __init__(self, parent=None) -> None:
        self.logic: Any = None
        self._parameterNode: LiveParameters | None = None
        self._gui: ParameterGui | None = None
        self._followsAgain = False
        self.connections = Connections()
        VTKObservationMixin.__init__(self)
        ScriptedLoadableModuleWidget.__init__(self, parent)

    def makeLogic(self) -> Any:
        """Return the logic that the panel works with."""
        raise NotImplementedError

    def makeSections(self) -> None:
        """Create the sections of the panel; `ui` and `logic` already exist."""
        raise NotImplementedError

    def update(self, caller=None, event=None) -> None:
        """Show the current parameters; called after each change."""

    def setup(self) -> None:
        """Build the panel from its .ui file."""
        ScriptedLoadableModuleWidget.setup(self)
        self._root = slicer.util.loadUI(self.resourcePath(f"UI/{self.moduleName}.ui"))
        self.layout.addWidget(self._root)
        self.ui = slicer.util.childWidgetVariables(self._root)
        for label in vars(self.ui).values():
            if isinstance(label, qt.QLabel):
                # By default a label takes a name or description with tags for HTML, which may load pictures.
                label.setTextFormat(qt.Qt.PlainText)
        self._root.setMRMLScene(slicer.mrmlScene)
        self.logic = self.makeLogic()
        self.makeSections()
        scene = slicer.mrmlScene
        self.addObserver(scene, scene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(scene, scene.EndCloseEvent, self.onSceneEndClose)
        # A parameter node is copied from a file before the nodes that it refers to are in the scene.
        for start, end in (
            (scene.StartImportEvent, scene.EndImportEvent),
            (scene.StartRestoreEvent, scene.EndRestoreEvent),
        ):
            self.addObserver(scene, start, self.onSceneStartChange)
            self.addObserver(scene, end, self.onSceneEndChange)
        self.addObserver(scene, scene.NodeRemovedEvent, self.onNodeRemoved)
        self.initializeParameterNode()

    def cleanup(self) -> None:
        """Disconnect everything when the module is unloaded or reloaded, or Slicer exits; the widgets may be gone."""
        self.connections.close()
        self.removeObservers()
        self.setParameterNode(None)

    def exit(self) -> None:
        """Stop following the parameter node while the panel is closed."""
        self._followsAgain = False
        self.setParameterNode(None)

    def onReload(self) -> None:
        """Reload the libraries of the module together with the module (developer mode)."""
        # It has loaded the library as it was, and the new modules do not know it. If the other panel has been reloaded
        # since, that of its modules as well.
        endKeptWorker()
        importlib.import_module("MedSynthLib.kept_worker").endKeptWorker()
        for name in [name for name in sys.modules if name.split(".")[0] in self.LIBRARIES]:
            del sys.modules[name]
        ScriptedLoadableModuleWidget.onReload(self)

    def onSceneStartClose(self, caller, event) -> None:
        """Stop following the parameter node of a scene that is being closed."""
        self.onSceneStartChange(caller, event)

    def onSceneEndClose(self, caller, event) -> None:
        """Follow the new scene's parameter node if the panel is open."""
        self.onSceneEndChange(caller, event)

    def onSceneStartChange(self, caller, event) -> None:
        """Stop following the parameter node while many nodes come or go."""
        self._followsAgain = self._followsAgain or self._parameterNode is not None
        self.setParameterNode(None)

    def onSceneEndChange(self, caller, event) -> None:
        """Follow the scene's parameter node again if the panel is open."""
        scene = slicer.mrmlScene
        if self._followsAgain and not (scene.IsClosing() or scene.IsImporting() or scene.IsRestoring()):
            self._followsAgain = False
            self.initializeParameterNode()

    def onNodeRemoved(self, caller, event) -> None:
        """Follow another parameter node if the one that is followed has been removed."""
        if self._parameterNode is not None and self._parameterNode.parameterNode.GetScene() is None:
            self.initializeParameterNode()

    def initializeParameterNode(self) -> None:
        """Follow the scene's parameter node."""
        self.setParameterNode(self.logic.getParameterNode())

    def setParameterNode(self, parameterNode) -> None:
        """Follow the parameters that the logic returned, or none."""
        if self._gui is not None:
            self._gui.close()
        self._parameterNode, self._gui = None, None
        if parameterNode is not None:
            self._parameterNode = LiveParameters(parameterNode)
            self._gui = ParameterGui(self._parameterNode, self._parameterWidgets(), self.update)
            self.update()

    def _parameterWidgets(self) -> dict[str, Any]:
        """Return the widgets by the names of their parameters, which the .ui file states."""
        named = ((widget.property("SlicerParameterName"), widget) for widget in vars(self.ui).values())
        return {name: widget for name, widget in named if name}
