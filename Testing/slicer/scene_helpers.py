"""Helpers for tests of the Slicer modules: nodes, matrices and processes."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

import numpy as np
import slicer
import vtk
from application import leaks
from application.eventloop import idle


def patientLikeVolume(matrix: np.ndarray, shape: tuple[int, int, int], name: str = "CT"):
    """Return a CT-like volume node: a body of soft tissue, with fat around and air outside, in HU."""
    grids = np.meshgrid(*[np.linspace(-1, 1, n) if n > 1 else np.zeros(1) for n in shape], indexing="ij")
    radius = np.sqrt(sum(grid**2 for grid in grids))
    voxels = np.select([radius < 0.6, radius < 0.8], [40, -90], -1000).astype(np.int16)
    return slicer.util.addVolumeFromArray(voxels, matrix, name)


def matrixOf(volumeNode) -> np.ndarray:
    """Return the node's own IJK-to-RAS matrix."""
    matrix = vtk.vtkMatrix4x4()
    volumeNode.GetIJKToRASMatrix(matrix)
    return slicer.util.arrayFromVTKMatrix(matrix)


def volumeNames() -> list[str]:
    """Return the names of the scene's volumes."""
    return [node.GetName() for node in slicer.util.getNodesByClass("vtkMRMLVolumeNode")]


def waitUntil(condition, seconds: float = 60.0) -> bool:
    """Keep the window alive until a condition holds; return whether it came to hold in time.

    ``seconds`` are those of a computer that does nothing else; others get four times as many, and a minute at least.
    """
    deadline = time.monotonic() + max(4 * seconds, 60.0)
    while not condition() and time.monotonic() < deadline:
        idle()
    return bool(condition())


def closePanel(panel) -> None:
    """Close a panel as Slicer does when it ends: trainings go on."""
    slicer.app.moduleManager().moduleAboutToBeUnloaded.emit(panel.moduleName)
    # A test may have closed the panel itself.
    with contextlib.suppress(RuntimeError):
        panel.parent.close()
        panel.parent.deleteLater()


def processesOfGroup(group: int) -> list[int]:
    """Return the living processes of a process group (Linux); none for the worker that is kept for the next job."""
    kept = leaks.keptWorker()
    if kept is not None and kept.pid == group:
        return []
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if os.getpgid(int(folder.name)) == group and "State:\tZ" not in (folder / "status").read_text():
                found.append(int(folder.name))
        except (ProcessLookupError, FileNotFoundError):
            continue  # it ended while we looked
    return found


def loadedFromDicom(folder: Path, name: str = "PET"):
    """Return the series in a folder as Slicer loads it: indexed, read by its own reader, below its study."""
    uids = slicer.dicomDatabase.addFiles(folder)
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
    storage = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLVolumeArchetypeStorageNode")
    files = [slicer.dicomDatabase.fileForInstance(uid) for uid in uids]
    storage.SetFileName(files[0])
    for file in files:
        storage.AddFileName(file)
    storage.SetSingleFile(0)
    storage.SetUseOrientationFromFile(1)
    assert storage.ReadData(node)
    slicer.mrmlScene.RemoveNode(storage)
    node.CreateDefaultDisplayNodes()
    node.SetAttribute("DICOM.instanceUIDs", " ".join(uids))
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    patient = hierarchy.CreateSubjectItem(hierarchy.GetSceneItemID(), "Patient")
    hierarchy.CreateItem(hierarchy.CreateStudyItem(patient, "Study"), node)
    return node


def studyOf(node) -> int:
    """Return the item of the subject hierarchy in which a node lies."""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    return hierarchy.GetItemParent(hierarchy.GetItemByDataNode(node))
