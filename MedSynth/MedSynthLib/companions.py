"""Volumes that belong to a synthetic one, as its difference to the input does: made, updated and removed with it."""

from typing import Any

import numpy as np

from MedSynthLib import provenance
from MedSynthLib import volume_bridge as bridge

RESULT = "MedSynth.Result"


def companionOf(outputVolume, role: str):
    """Return the volume node that a result has in a role; None where there is none."""
    node = outputVolume.GetNodeReference(role)
    # A copy of a result, which Slicer can make, refers to what belongs to the original.
    return node if node is not None and node.GetNodeReference(RESULT) is outputVolume else None


def fillCompanion(
    inputVolume, outputVolume, role: str, baseName: str, voxels: np.ndarray, unit: str, facts: dict[str, Any]
):
    """Fill the volume node that a result has in a role, made beside the result if it is not there yet; return it.

    Args:
        inputVolume: what the result was made from.
        outputVolume: the result, whose grid, parent transform and study the node shares.
        role: name of the node reference.
        baseName: name of a new node, made unique in the scene.
        voxels: array (k, j, i) of the result's shape.
        unit: of the voxels.
        facts: what the node says of itself; ``model`` is not among them, for what states it can be exported as image.
    """
    geometry, node = bridge.geometryOf(outputVolume), companionOf(outputVolume, role)
    if node is None:
        node = bridge.addResultVolume(outputVolume, geometry, voxels, baseName)
        outputVolume.SetNodeReferenceID(role, node.GetID())
        node.SetNodeReferenceID(RESULT, outputVolume.GetID())
    else:
        bridge.fillResultVolume(node, outputVolume, geometry, voxels)
    provenance.setProvenance(node, inputVolume, {"output_name": outputVolume.GetName(), **facts})
    bridge.setUnit(node, unit)
    return node


def removeCompanion(outputVolume, role: str) -> str:
    """Remove the volume node that a result has in a role; return its name, "" where there is none."""
    node = companionOf(outputVolume, role)
    name = node.GetName() if node is not None else ""
    outputVolume.RemoveNodeReferenceIDs(role)
    if node is not None:
        bridge.removeVolume(node)
    return name


def becomeResult(node) -> None:
    """Part a volume node that a result overwrites from what it belonged to, which would overwrite or remove it."""
    node.RemoveNodeReferenceIDs(RESULT)
