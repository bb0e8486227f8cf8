"""The image in a file as the input of a model."""

from __future__ import annotations

import os

from medsynth_core.io.reading import read_volume
from medsynth_core.preparation.contract import Contract
from medsynth_core.volume import Volume


def read_input(path: str | os.PathLike[str], contract: Contract, unit: str = "") -> Volume:
    """Return the image in a file or DICOM folder for the model of a contract, which has yet to check it.

    Args:
        path: as for `read_volume`.
        contract: of the model; of several DICOM series the one of its modality is read.
        unit: of the values; "" for what the file says. Where it says nothing the volume has no unit, so that
            `synthesize` can tell what it takes the values for.

    Returns:
        The volume, in the unit of the model where DICOM tags allow it, otherwise in its own.

    Raises:
        MedSynthError: as `read_volume`.
    """
    wanted = contract.input
    volume = read_volume(path, modality=wanted.modality, unit=unit)
    # Unasked, a PET from DICOM comes in SUVbw, but a model may take another of the units that follow from its tags.
    other = not unit and "suv" in volume.metadata and volume.unit != wanted.unit
    return read_volume(path, modality=wanted.modality, unit=wanted.unit) if other else volume
