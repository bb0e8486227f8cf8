"""The result lies exactly on the input's grid in any orientation, with the real worker and model."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
from scene_helpers import matrixOf, patientLikeVolume

from MedSynth import MedSynthLogic

pytestmark = pytest.mark.slow


def rotation(axis: tuple[float, float, float], degrees: float) -> np.ndarray:
    x, y, z = np.array(axis) / np.linalg.norm(axis)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    angle = np.radians(degrees)
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def grid(directions, spacing, origin=(-31.7, 12.3, -840.0)) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, :3] = np.array(directions, float) * np.array(spacing)
    matrix[:3, 3] = origin
    return matrix


LPS = np.diag([-1.0, -1.0, 1.0])
GRIDS = {
    "axial": (grid(LPS, (2, 2, 3.27)), (10, 40, 36)),
    "sagittal": (grid([[0, 0, -1], [-1, 0, 0], [0, -1, 0]], (2, 2, 3)), (14, 36, 40)),
    "coronal": (grid([[-1, 0, 0], [0, 0, 1], [0, -1, 0]], (2, 2, 3)), (14, 36, 40)),
    "oblique": (grid(rotation((1, 2, 3), 23) @ LPS, (2, 2, 3)), (12, 38, 34)),
    "left-handed": (grid(np.diag([1.0, -1.0, 1.0]), (2, 2, 3)), (10, 40, 36)),
    "anisotropic": (grid(LPS, (0.7, 3.1, 8)), (6, 24, 90)),
    "single slice": (grid(LPS, (2, 2, 5)), (1, 40, 36)),
}


@pytest.mark.parametrize("name", GRIDS)
def test_ResultHasTheMatrixOfItsInput(name):
    matrix, shape = GRIDS[name]
    ct = patientLikeVolume(matrix, shape)
    pet = MedSynthLogic().synthesize(ct, device="cpu")
    assert np.array_equal(matrixOf(pet), matrixOf(ct))
    assert slicer.util.arrayFromVolume(pet).shape == shape
    assert pet.GetTransformNodeID() is None


def test_ResultHasTheParentTransformOfItsInput():
    ct = patientLikeVolume(*GRIDS["axial"])
    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "registration")
    moved = np.eye(4)
    moved[:3, :3] = rotation((0, 0, 1), 12)
    moved[:3, 3] = (5, -7, 11)
    slicer.util.updateTransformMatrixFromArray(transform, moved)
    ct.SetAndObserveTransformNodeID(transform.GetID())
    pet = MedSynthLogic().synthesize(ct, device="cpu")
    assert pet.GetParentTransformNode() is transform
    assert np.array_equal(matrixOf(pet), matrixOf(ct))


def test_BodyIsWhereTheInputHasIt():
    """Values must not only have the right grid, but the right place in it: the body fills one corner."""
    matrix, _ = GRIDS["oblique"]
    voxels = np.full((12, 40, 44), -1000, np.int16)
    voxels[2:10, 4:20, 24:40] = 40
    ct = slicer.util.addVolumeFromArray(voxels, matrix, "corner")
    pet = slicer.util.arrayFromVolume(MedSynthLogic().synthesize(ct, device="cpu"))
    far = np.ones_like(voxels, bool)
    far[:, 0:26, 18:] = False
    assert not pet[far].any()
    assert pet[2:10, 4:20, 24:40].mean() > 0
