"""Helpers for tests of generated images: a tiny generator in the library, and what lies in the subject hierarchy."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
from builders import axial_matrix, phantom_ct
from generation_builders import shared_package
from train_helpers import nodeOf

from medsynth_core.generation import available
from medsynth_core.models.library import import_model

BUNDLED = "multimodal-sts"


def sharedGenerator(factory: pytest.TempPathFactory) -> None:
    """Put a tiny generator of CT and PET into the library, trained once for the tests of all files and processes."""
    import_model(shared_package(factory))


def hideBundled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave only the library's tiny generators, which are quick, and of which one is the first."""
    found = available.list_generators
    monkeypatch.setattr(available, "list_generators", lambda: [one for one in found() if one.name != BUNDLED])


def enteredWithoutFilter(panel):
    """Return the entered panel with a fixed seed and without the filter, which tiny models do not pass."""
    panel.enter()
    panel.ui.generateSeedSpinBox.value = 5
    panel.ui.generateFilteredCheckBox.checked = False
    return panel


def phantomCT(name: str = "CT"):
    """Return a CT like those of the training as a volume node in HU, on another grid."""
    return nodeOf(phantom_ct((3, 60, 52), axial_matrix((3.0, 3.0, 4.0)), seed=7), name)


def lesionMask(volumeNode, corner: tuple[int, int, int] = (1, 26, 22), side: int = 6) -> np.ndarray:
    """Return a label of a lesion of some rows and columns in a slice of a volume."""
    mask = np.zeros(slicer.util.arrayFromVolume(volumeNode).shape, np.uint8)
    k, j, i = corner
    mask[k, j : j + side, i : i + side] = 1
    return mask


def lesionLabelMap(volumeNode, mask: np.ndarray):
    """Return a label map node of a lesion on a volume."""
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "My lesion")
    slicer.util.updateVolumeFromArray(node, mask)
    matrix = slicer.vtk.vtkMatrix4x4()
    volumeNode.GetIJKToRASMatrix(matrix)
    node.SetIJKToRASMatrix(matrix)
    node.CreateDefaultDisplayNodes()
    return node


def folders() -> dict[str, list[str]]:
    """Return the names in each folder of the subject hierarchy by the folder's path."""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    found: dict[str, list[str]] = {}

    def visit(item: int, path: str) -> None:
        children: list[int] = []
        hierarchy.GetItemChildren(item, children, False)
        for child in children:
            name = hierarchy.GetItemName(child)
            if hierarchy.GetItemLevel(child) == "Folder":
                found[path + name] = []
                visit(child, f"{path}{name}/")
            elif path:
                found[path[:-1]].append(name)

    visit(hierarchy.GetSceneItemID(), "")
    return found
