"""Volumes that belong to a result, such as its difference to the input: created, updated and removed with it."""

from typing import Any

import numpy as np

from MedSynthLib import provenance
from MedSynthLib import volume_bridge as bridge

RESULT = "MedSynth.Result"


def companionOf(outputVolume, role: str):
    """Return the volume node that a result has in a role; None if there is none."""
    node = outputVolume.GetNodeReference(role)
    # A clone of a result refers to the companion of the original.
    isVolume = node is not None and bridge.isPlain(node)  # not so in any scene of others
    return node if isVolume and node.GetNodeReference(RESULT) is outputVolume else None


def fillCompanion(
    inputVolume, outputVolume, role: str, baseName: str, voxels: np.ndarray, unit: str, facts: dict[str, Any]
):
    """Write voxels to the volume node that a result has in a role, which is created if needed, and return the node.

    Args:
        inputVolume: the volume that the result was made from.
        outputVolume: the result, whose grid, parent transform and study the node shares.
        role: name of the node reference.
        baseName: name of a new node, made unique in the scene.
        voxels: array (k, j, i) of the result's shape.
        unit: unit of the voxels.
        facts: attributes of the node. Not ``model``: a node with that attribute can be exported as a synthetic image.
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
    """Remove the volume node that a result has in a role; return its name, or "" if there is none."""
    node = companionOf(outputVolume, role)
    name = node.GetName() if node is not None else ""
    outputVolume.RemoveNodeReferenceIDs(role)
    if node is not None:
        bridge.removeVolume(node)
    return name


def becomeResult(node) -> None:
    """Unlink a volume node, to which a result is written, from the result it belonged to before.

    That result would otherwise overwrite or remove it.
    """
    node.RemoveNodeReferenceIDs(RESULT)
