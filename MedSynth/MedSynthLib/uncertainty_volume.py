"""The usual error at the values of a synthetic volume, by the errors of its model in validation."""

from typing import Any

import numpy as np
from slicer.i18n import tr as _

from MedSynthLib.display import applyErrorDisplay, typicalExtreme
from MedSynthLib.linked_volumes import companionOf, fillCompanion

UNCERTAINTY = "MedSynth.Uncertainty"
# Facts of the result that the node repeats. The model is stated under another name, see `fillCompanion`.
FACTS = ("notice", "model_version", "weights_sha256", "medsynth_version")
MEANING = (
    "Usual error at this value: root mean square error of the model in its validation cases at voxels where it gave "
    "the same value; not an upper bound, and not specific to this patient or place."
)


def uncertaintyOf(outputVolume):
    """Return the node with the usual error of a result; None if there is none."""
    return companionOf(outputVolume, UNCERTAINTY)


def showUncertainty(inputVolume, outputVolume, voxels: np.ndarray, unit: str, metadata: dict[str, Any]):
    """Write the usual error to the volume node for it, which is created if needed, and return the node.

    Args:
        inputVolume: the volume that the output was made from.
        outputVolume: the result.
        voxels: the error at each voxel of the result (k, j, i), in its unit.
        unit: unit of both.
        metadata: metadata of the result.
    """
    name = _("{output} usual error").format(output=outputVolume.GetName())
    facts = {key: metadata[key] for key in FACTS if key in metadata}
    facts |= {"error_of_model": metadata["model"], "meaning": MEANING}
    node = fillCompanion(inputVolume, outputVolume, UNCERTAINTY, name, voxels, unit, facts)
    applyErrorDisplay(node, typicalExtreme(voxels))
    return node
