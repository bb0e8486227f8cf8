"""The difference between a synthetic volume and what it was made from."""

import numpy as np
from slicer.i18n import tr as _

from MedSynthLib import volume_bridge as bridge
from MedSynthLib.companions import companionOf, fillCompanion
from MedSynthLib.display import applyDifferenceDisplay, typicalExtreme

DIFFERENCE = "MedSynth.Difference"


def differenceOf(outputVolume):
    """Return the node with the difference of a result to its input; None where there is none."""
    return companionOf(outputVolume, DIFFERENCE)


def showDifference(inputVolume, outputVolume, inputVoxels: np.ndarray, unit: str):
    """Fill the volume node with output − input, which is made beside the output if it is not there yet; return it.

    Args:
        inputVolume: what the output was made from.
        outputVolume: the result, of the same modality and in the same unit.
        inputVoxels: of the input as the worker was given it (k, j, i).
        unit: of both.
    """
    voxels = bridge.voxelsOf(outputVolume) - inputVoxels.astype(np.float32, copy=False)
    name = _("{output} difference").format(output=outputVolume.GetName())
    node = fillCompanion(inputVolume, outputVolume, DIFFERENCE, name, voxels, unit, {})
    applyDifferenceDisplay(node, typicalExtreme(voxels))
    return node
