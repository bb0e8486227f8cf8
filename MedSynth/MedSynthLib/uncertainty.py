"""The error to expect of a synthetic volume, by what its model had in validation."""

from typing import Any

import numpy as np
from slicer.i18n import tr as _

from MedSynthLib.companions import companionOf, fillCompanion
from MedSynthLib.display import applyErrorDisplay, typicalExtreme

UNCERTAINTY = "MedSynth.Uncertainty"
# What it says of its origin; the model itself by another name than the result's, see `fillCompanion`.
FACTS = ("notice", "model_version", "weights_sha256", "medsynth_version")
MEANING = (
    "Root mean square error that the model had in its validation cases where it gave the same value; no bound, and it "
    "knows nothing of this patient."
)


def uncertaintyOf(outputVolume):
    """Return the node with the error to expect of a result; None where there is none."""
    return companionOf(outputVolume, UNCERTAINTY)


def showUncertainty(inputVolume, outputVolume, voxels: np.ndarray, unit: str, metadata: dict[str, Any]):
    """Fill the volume node with the error to expect, which is made beside the output if it is not there yet; return it.

    Args:
        inputVolume: what the output was made from.
        outputVolume: the result.
        voxels: the error at each voxel of the result (k, j, i).
        unit: of both.
        metadata: of the result.
    """
    name = _("{output} uncertainty").format(output=outputVolume.GetName())
    facts = {key: metadata[key] for key in FACTS if key in metadata}
    facts |= {"error_of_model": metadata["model"], "meaning": MEANING}
    node = fillCompanion(inputVolume, outputVolume, UNCERTAINTY, name, voxels, unit, facts)
    applyErrorDisplay(node, typicalExtreme(voxels))
    return node
