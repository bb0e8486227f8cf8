"""Read an image file as the input of a model."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from medsynth_core.io.reading import read_volume
from medsynth_core.preparation.contract import SynthesisContract
from medsynth_core.volume import Volume


def read_input(
    path: str | os.PathLike[str],
    contract: SynthesisContract,
    unit: str = "",
    role: str = "",
    series: Sequence[Path] = (),
) -> Volume:
    """Return the image in a file or DICOM folder as input of a model; the contract is not checked here.

    Args:
        path: as for `read_volume`.
        contract: contract of the model; from several DICOM series the one of its modality is read.
        unit: unit of the values; "" for the one stated in the file. If none is stated, the volume has no unit, and
            `synthesize` reports the unit that it assumes.
        role: role of the input; the first one by default.
        series: all files of the DICOM series, wherever they are, in place of ``path``.

    Returns:
        The volume, in the model's unit where DICOM tags allow conversion, otherwise in its own.

    Raises:
        MedSynthError: as `read_volume`.
    """
    wanted = contract.inputs[role or contract.input_role]

    def read(unit: str) -> Volume:
        if not series:
            return read_volume(path, modality=wanted.modality, unit=unit)
        from medsynth_core.io.dicom.series import series_of
        from medsynth_core.io.dicom.series_reading import read_series

        return read_series(series_of(series), unit)

    volume = read(unit)
    # By default a PET from DICOM is in SUVbw, but a model may need another unit that its tags allow.
    other = not unit and "suv" in volume.metadata and volume.unit != wanted.unit
    return read(wanted.unit) if other else volume
