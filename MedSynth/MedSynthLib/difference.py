"""The difference between a synthetic volume and what it was made from."""

import numpy as np
from slicer.i18n import tr as _

from MedSynthLib import provenance
from MedSynthLib import volume_bridge as bridge
from MedSynthLib.display import applyDifferenceDisplay

DIFFERENCE = "MedSynth.Difference"


def differenceOf(outputVolume):
    """Return the node with the difference of a result to its input; None where there is none."""
    return outputVolume.GetNodeReference(DIFFERENCE)


def showDifference(inputVolume, outputVolume, inputVoxels: np.ndarray, unit: str):
    """Fill the volume node with output − input, which is made beside the output if it is not there yet; return it.

    Args:
        inputVolume: what the output was made from.
        outputVolume: the result, of the same modality and in the same unit.
        inputVoxels: of the input as the worker was given it (k, j, i).
        unit: of both.
    """
    voxels = bridge.voxelsOf(outputVolume) - inputVoxels.astype(np.float32, copy=False)
    geometry, node = bridge.geometryOf(outputVolume), differenceOf(outputVolume)
    if node is None:
        name = _("{output} difference").format(output=outputVolume.GetName())
        node = bridge.addResultVolume(outputVolume, geometry, voxels, name)
        outputVolume.SetNodeReferenceID(DIFFERENCE, node.GetID())
    else:
        bridge.fillResultVolume(node, outputVolume, geometry, voxels)
    provenance.setProvenance(node, inputVolume, {"output_name": outputVolume.GetName()})
    bridge.setUnit(node, unit)
    applyDifferenceDisplay(node, _typicalExtreme(voxels))
    return node


def _typicalExtreme(voxels: np.ndarray) -> float:
    """Return the size that one in a thousand of the differences exceeds, air apart; 1 where there is none."""
    sizes = np.abs(voxels[voxels != 0])
    return float(np.percentile(sizes, 99.9)) if sizes.size else 1.0
