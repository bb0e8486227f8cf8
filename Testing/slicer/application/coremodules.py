"""The Python modules of ``slicer`` that its wheel lacks: module base classes, translation, packaging."""

from __future__ import annotations

import importlib.metadata
import sys
import types
import unittest
from pathlib import Path

import slicer
from PySide6 import QtGui, QtWidgets

from application import VERSION, parameternode


class ModuleObject:
    """The C++ module that a scripted module describes."""

    __slots__ = (
        "path", "name", "title", "categories", "dependencies", "contributors",
        "helpText", "acknowledgementText", "icon", "module",
    )  # fmt: skip

    def __init__(self, path: str, name: str) -> None:
        self.path, self.name = path, name


class ScriptedLoadableModule:
    """Describes a module to Slicer."""

    def __init__(self, parent) -> None:
        self.parent = parent
        self.moduleName = type(self).__name__
        icon = Path(parent.path).parent / "Resources" / "Icons" / f"{self.moduleName}.png"
        parent.icon = QtGui.QIcon(str(icon)) if icon.is_file() else None

    def resourcePath(self, filename: str) -> str:
        return str(Path(self.parent.path).parent / "Resources" / filename)

    def getDefaultModuleDocumentationLink(self, docPage: str = "") -> str:
        return ""


class ScriptedLoadableModuleWidget:
    """A module's panel. Without a parent it makes a top-level one and sets itself up."""

    def __init__(self, parent=None) -> None:
        self.moduleName = type(self).__name__.removesuffix("Widget")
        self.parent = parent
        if parent is None:
            self.parent = slicer.qMRMLWidget()
            self.parent.setLayout(QtWidgets.QVBoxLayout())
            self.parent.setMRMLScene(slicer.mrmlScene)
        self.layout = self.parent.layout()
        if parent is None:
            self.setup()
            self.parent.show()
        slicer.app.moduleManager().connect("moduleAboutToBeUnloaded(QString)", self._onModuleAboutToBeUnloaded)

    def _onModuleAboutToBeUnloaded(self, moduleName: str) -> None:
        if moduleName == self.moduleName:
            self.cleanup()
            slicer.app.moduleManager().disconnect("moduleAboutToBeUnloaded(QString)", self._onModuleAboutToBeUnloaded)

    def resourcePath(self, filename: str) -> str:
        return str(Path(slicer.util.modulePath(self.moduleName)).parent / "Resources" / filename)

    def setup(self) -> None:
        """Make the developer's section, which a user does not see."""

    def cleanup(self) -> None:
        """Override to release what the panel holds."""

    def onReload(self) -> None:
        slicer.util.reloadScriptedModule(self.moduleName)


class ScriptedLoadableModuleLogic:
    """A module's work, and the node that keeps its parameters in the scene."""

    def __init__(self, parent=None) -> None:
        self.moduleName = type(self).__name__.removesuffix("Logic")

    def getParameterNode(self):
        node = slicer.mrmlScene.GetSingletonNode(self.moduleName, "vtkMRMLScriptedModuleNode")
        if node is None:
            node = slicer.mrmlScene.CreateNodeByClass("vtkMRMLScriptedModuleNode")
            node.UnRegister(None)
            node.SetSingletonTag(self.moduleName)
            node.SetName(self.moduleName)
            node.SetModuleName(self.moduleName)
            node = slicer.mrmlScene.AddNode(node)
        return node


class ScriptedLoadableModuleTest(unittest.TestCase):
    """A module's self-test, which Slicer runs through `runTest`."""

    def runTest(self) -> None:
        raise NotImplementedError

    def delayDisplay(self, message: str, requestedDelay: int | None = None) -> None:
        """Show a message for a moment; there is nobody to read it here."""


def install() -> None:
    """Make ``slicer.i18n`` and the rest importable."""
    classes = (
        ScriptedLoadableModule, ScriptedLoadableModuleWidget, ScriptedLoadableModuleLogic,
        ScriptedLoadableModuleTest,
    )  # fmt: skip
    _add("ScriptedLoadableModule", **{one.__name__: one for one in classes})
    _add("i18n", tr=lambda text: text, translate=lambda context, text: text)
    _add("parameterNodeWrapper", **parameternode.PUBLIC)
    if VERSION != "5.10":
        _add("packaging", pip_check=pip_check, pip_ensure=pip_ensure, requested=[])


def _add(name: str, **contents) -> types.ModuleType:
    module = types.ModuleType(f"slicer.{name}")
    vars(module).update(contents)
    sys.modules[module.__name__] = module
    setattr(slicer, name, module)
    return module


def pip_check(requirements: list[str]) -> bool:
    """Tell whether every requirement is installed in a version that satisfies it."""
    from packaging.requirements import Requirement

    for requirement in map(Requirement, requirements):
        try:
            if importlib.metadata.version(requirement.name) not in requirement.specifier:
                return False
        except importlib.metadata.PackageNotFoundError:
            return False
    return True


def pip_ensure(
    requirements: list[str],
    constraints: str | Path | None = None,
    skip_packages: list[str] | None = None,
    prompt_install: bool = True,
    prompt_restart: bool = True,
    requester: str | None = None,
    skip_in_testing: bool = True,
    show_progress: bool = True,
) -> None:
    """Record what would be installed and under which constraints; testing mode installs nothing."""
    missing = [requirement for requirement in requirements if not pip_check([requirement])]
    if missing:
        text = Path(constraints).read_text() if constraints else ""
        slicer.packaging.requested.append((missing, text.splitlines()))
