"""The difference between a synthetic volume and the volume it was made from."""

import numpy as np
from slicer.i18n import tr as _

from MedSynthLib import volume_bridge as bridge
from MedSynthLib.display import applyDifferenceDisplay, typicalExtreme
from MedSynthLib.linked_volumes import companionOf, fillCompanion

DIFFERENCE = "MedSynth.Difference"


def differenceOf(outputVolume):
    """Return the node with the difference between a result and its input; None if there is none."""
    return companionOf(outputVolume, DIFFERENCE)


def showDifference(inputVolume, outputVolume, inputVoxels: np.ndarray, unit: str):
    """Write output − input to the volume node for the difference, which is created if needed, and return the node.

    Args:
        inputVolume: the volume that the output was made from.
        outputVolume: the result, of the same modality and in the same unit.
        inputVoxels: voxels of the input as it was sent to the worker (k, j, i).
        unit: unit of both volumes.
    """
    voxels = bridge.voxelsOf(outputVolume) - inputVoxels.astype(np.float32, copy=False)
    name = _("{output} difference").format(output=outputVolume.GetName())
    node = fillCompanion(inputVolume, outputVolume, DIFFERENCE, name, voxels, unit, {})
    applyDifferenceDisplay(node, typicalExtreme(voxels))
    return node
