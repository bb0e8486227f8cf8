"""A stand-in for the Slicer application: real MRML, real widgets, and a few strict stand-ins for the rest.

`start` makes ``qt``, ``ctk``, ``slicer.app`` and the other names that Slicer gives to its scripted modules
available to ``import``. Anything that a module uses beyond the documented behaviour that is reproduced here
fails with an `AttributeError`, as a spelling mistake would in Slicer.
"""

from __future__ import annotations

import importlib
import os
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
# Which Slicer is reproduced: "5.12", or "5.10", which has no slicer.packaging and whose `disconnectGui` leaves an
# observer in the parameter node.
VERSION = os.environ.get("MEDSYNTH_TEST_SLICER", "5.12")

# A folder with Slicer's own Python files, which then take the place of their stand-ins (see ``own_sources.py``).
SOURCES = os.environ.get("MEDSYNTH_TEST_SOURCES", "")


def start() -> None:
    """Start the application, once a process."""
    if "qt" in sys.modules:
        return
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    _importSlicer()
    from application import coremodules, pythonqt, sampledata, slicerapp, sources, uiloader, widgets

    temporary = Path(tempfile.mkdtemp(prefix="medsynth-application-"))
    sys.modules["qt"] = pythonqt.module(temporary)
    sys.modules["ctk"] = widgets.ctkModule()
    uiloader.install(sys.modules["qt"])
    slicerapp.install(temporary)
    widgets.installInSlicer()
    coremodules.install()
    sys.modules["SampleData"] = sampledata.module()
    if SOURCES:
        sources.install(Path(SOURCES))
    for module in ("MedSynthTrain", "MedSynth"):
        sys.path.insert(0, str(ROOT / module))


def _importSlicer() -> None:
    """Import ``slicer`` without the folder of these tests.

    The package takes each folder of its name on the path for a part of itself and imports all modules in it, and
    pytest puts ``Testing``, where a conftest.py is, on the path.
    """
    before = list(sys.path)
    sys.path[:] = [place for place in before if Path(place).resolve() != ROOT / "Testing"]
    try:
        importlib.import_module("slicer")
    finally:
        sys.path[:] = before


def clearScene() -> None:
    """Close the scene and show empty slice views."""
    import slicer

    slicer.mrmlScene.Clear(0)
    slicer.app.layoutManager().createSliceViews()


def followedParameterNodes() -> list[str]:
    """Return the modules whose parameter nodes are still observed.

    Parameter nodes outlive the closing of a scene. The garbage collector takes what observes them from Python where
    nothing else refers to it, and their next change ends the process.
    """
    import slicer

    nodes = slicer.util.getNodesByClass("vtkMRMLScriptedModuleNode")
    return [node.GetName() for node in nodes if node.HasObserver("ModifiedEvent")]


def loadModule(name: str):
    """Return a scripted module's Python module after making its module object, as Slicer does at start-up."""
    import slicer

    from application.coremodules import ModuleObject

    module = importlib.import_module(name)
    if not hasattr(slicer.modules, name.lower()):
        parent = ModuleObject(str(Path(module.__file__)), name)
        setattr(slicer.modules, name.lower(), parent)
        parent.module = getattr(module, name)(parent)
        slicer.app.emitStartupCompleted()
    return module
