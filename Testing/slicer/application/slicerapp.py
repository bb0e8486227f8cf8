"""``slicer.app``, ``slicer.mrmlScene`` and what hangs on them."""

from __future__ import annotations

import types
from pathlib import Path

import pydicom
import slicer
import vtk
from PySide6 import QtCore, QtWidgets

from application import VERSION, eventloop
from application.pythonqt import PythonQtObject


class LayoutManager:
    """Three slice views, with Slicer's real slice logic behind each, and Slicer's real layout logic."""

    def __init__(self) -> None:
        self._logics: dict[str, slicer.vtkMRMLSliceLogic] = {}
        self._layoutLogic: slicer.vtkMRMLLayoutLogic | None = None

    def layoutLogic(self) -> slicer.vtkMRMLLayoutLogic:
        if self._layoutLogic is None:
            self._layoutLogic = slicer.vtkMRMLLayoutLogic()
            self._layoutLogic.SetMRMLScene(slicer.mrmlScene)
        return self._layoutLogic

    @property
    def layout(self) -> int:
        return self.layoutLogic().GetLayoutNode().GetViewArrangement()

    def setLayout(self, layout: int) -> None:
        self.layoutLogic().GetLayoutNode().SetViewArrangement(layout)

    def createSliceViews(self) -> None:
        self._logics.clear()
        slicer.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(slicer.mrmlScene)
        for name, orientation in (("Red", "Axial"), ("Yellow", "Sagittal"), ("Green", "Coronal")):
            logic = slicer.vtkMRMLSliceLogic()
            logic.SetMRMLScene(slicer.mrmlScene)
            node = logic.AddSliceNode(name)
            node.SetOrientation(orientation)
            node.SetDimensions(400, 400, 1)
            self._logics[name] = logic

    def sliceViewNames(self) -> tuple[str, ...]:
        return tuple(self._logics)

    def mrmlSliceLogics(self) -> vtk.vtkCollection:
        collection = vtk.vtkCollection()
        for logic in self._logics.values():
            collection.AddItem(logic)
        return collection


class IOManager:
    """Loads volumes and segmentations through MRML's real storage nodes."""

    _CLASSES = {
        "VolumeFile": ("vtkMRMLScalarVolumeNode", "vtkMRMLVolumeArchetypeStorageNode"),
        "SegmentationFile": ("vtkMRMLSegmentationNode", "vtkMRMLSegmentationStorageNode"),
    }

    def loadNodes(self, fileType: str, properties: dict, loaded=None, messages=None) -> bool:
        path = Path(properties["fileName"])
        nodeClass, storageClass = self._CLASSES[fileType]
        name = slicer.mrmlScene.GenerateUniqueName(properties.get("name") or path.name.split(".")[0])
        node = slicer.mrmlScene.AddNewNodeByClass(nodeClass, name)
        storage = slicer.mrmlScene.AddNewNodeByClass(storageClass)
        storage.SetFileName(str(path))
        if not storage.ReadData(node):
            slicer.mrmlScene.RemoveNode(node)
            slicer.mrmlScene.RemoveNode(storage)
            return False
        node.SetAndObserveStorageNodeID(storage.GetID())
        node.CreateDefaultDisplayNodes()
        if loaded is not None:
            loaded.AddItem(node)
        return True


class ModuleManager(PythonQtObject, QtCore.QObject):
    """Tells who listens when a module is unloaded; parent of the timers of `singleShot`."""

    moduleAboutToBeUnloaded = QtCore.Signal(str)
    customSignals = {"moduleAboutToBeUnloaded(QString)": "moduleAboutToBeUnloaded"}

    def module(self, name: str):
        return getattr(slicer.modules, name.lower(), None)


class Application:
    """The part of qSlicerApplication that scripted modules use."""

    applicationName = "TestApplication"
    majorVersion = 5

    def __init__(self, temporary: Path) -> None:
        self.temporaryPath, self.minorVersion = str(temporary), int(VERSION.split(".")[1])
        self._environment = QtCore.QProcessEnvironment.systemEnvironment()
        self._layoutManager, self._ioManager = LayoutManager(), IOManager()
        self._moduleManager, self._startup = ModuleManager(), []

    def processEvents(self) -> None:
        eventloop.processEvents()

    def testingEnabled(self) -> bool:
        return True

    def restoreOverrideCursor(self) -> None:
        QtWidgets.QApplication.restoreOverrideCursor()

    def translate(self, context: str, text: str) -> str:
        return text

    def startupEnvironment(self) -> QtCore.QProcessEnvironment:
        return self._environment

    def topLevelWidgets(self) -> list:
        return []

    def layoutManager(self) -> LayoutManager:
        return self._layoutManager

    def coreIOManager(self) -> IOManager:
        return self._ioManager

    def moduleManager(self) -> ModuleManager:
        return self._moduleManager

    def connect(self, signature: str, slot) -> None:
        if signature != "startupCompleted()":
            raise AttributeError(f"qSlicerApplication has no signal {signature} here")
        self._startup.append(slot)

    def emitStartupCompleted(self) -> None:
        while self._startup:
            self._startup.pop(0)()


class DicomDatabase:
    """The DICOM database, of the files that a test indexes, and of the tags that it puts into ``values``.

    ``values`` is uid → tag → value. As in ctkDICOMDatabase what is not known is an empty string, tags are read from
    the file of an instance, and a file of which there is no file any more is still named.
    """

    isOpen = True

    def __init__(self) -> None:
        self.values: dict[str, dict[str, str]] = {}
        self._files: dict[str, str] = {}

    def addFiles(self, folder: Path) -> list[str]:
        """Index the DICOM files in a folder, as the module DICOM does; return their instance UIDs in order of place."""
        found = {}
        for path in sorted(folder.iterdir()):
            header = pydicom.dcmread(path, stop_before_pixels=True)
            found[str(header.SOPInstanceUID)] = (float(header.ImagePositionPatient[2]), str(path))
        uids = sorted(found, key=lambda uid: found[uid][0])
        self._files.update({uid: found[uid][1] for uid in uids})
        return uids

    def patients(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(self.instanceValue(uid, "0010,0020") for uid in self._files))

    def studiesForPatient(self, patient: str) -> tuple[str, ...]:
        own = [uid for uid in self._files if self.instanceValue(uid, "0010,0020") == patient]
        return tuple(dict.fromkeys(self.instanceValue(uid, "0020,000d") for uid in own))

    def seriesForStudy(self, study: str) -> tuple[str, ...]:
        own = [uid for uid in self._files if self.instanceValue(uid, "0020,000d") == study]
        return tuple(dict.fromkeys(self.instanceValue(uid, "0020,000e") for uid in own))

    def instancesForSeries(self, series: str) -> tuple[str, ...]:
        return tuple(uid for uid in self._files if self.instanceValue(uid, "0020,000e") == series)

    def filesForSeries(self, series: str) -> tuple[str, ...]:
        return tuple(self._files[uid] for uid in self.instancesForSeries(series))

    def fileForInstance(self, uid: str) -> str:
        return self._files.get(uid, "")

    def instanceValue(self, uid: str, tag: str) -> str:
        group, element = (int(part, 16) for part in tag.split(","))
        if uid in self.values:
            return self.values[uid].get(tag, "")
        file = self.fileForInstance(uid)
        if not file or not Path(file).is_file():
            return ""
        found = pydicom.dcmread(file, stop_before_pixels=True).get((group, element))
        return "" if found is None or found.value is None or found.VR == "SQ" else str(found.value)


def install(temporary: Path) -> None:
    """Make the application, its scene and its colours attributes of ``slicer``."""
    slicer.mrmlScene = slicer.vtkMRMLScene()
    slicer.mrmlScene.RegisterNodeClass(slicer.vtkMRMLSequenceBrowserNode())  # as the module Sequences does
    slicer.modules = types.SimpleNamespace()
    slicer.dicomDatabase = DicomDatabase()
    slicer.app = Application(temporary)
    cache = slicer.vtkCacheManager()
    cache.SetRemoteCacheDirectory(str(temporary / "cache"))
    slicer.mrmlScene.SetCacheManager(cache)
    colours = slicer.vtkMRMLColorLogic()
    colours.SetMRMLScene(slicer.mrmlScene)
    slicer.app._colourLogic = colours  # the colour nodes live as long as their logic
    slicer.app.layoutManager().createSliceViews()
