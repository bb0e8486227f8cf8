"""Conversion of a PET series to an image file in SUV."""

from __future__ import annotations

from pathlib import Path

from medsynth_core.errors import MedSynthError
from medsynth_core.io.reading import read_volume
from medsynth_core.io.suv.body import SUV_UNITS
from medsynth_core.io.writing import check_output, write_labelled
from medsynth_core.version import __version__
from medsynth_core.volume import Volume


def write_suv(series: Path, output: Path, unit: str = "SUVbw") -> Volume:
    """Write a PET series in SUV, with the details of the computation in a JSON beside it, and return the volume.

    Args:
        series: folder of a PET series, or one of its files.
        output: image file: ``.nii``, ``.nii.gz``, ``.nrrd`` or ``.mha``.
        unit: one of `SUV_UNITS`.

    Raises:
        MedSynthError: the unit is unknown, ``series`` is not a DICOM series or is a map of errors, its tags do not
            allow SUV, or the file cannot be written.
    """
    if unit not in SUV_UNITS:
        raise MedSynthError(f"'{unit}' is not an SUV unit; use one of {', '.join(SUV_UNITS)}.")
    volume = read_volume(series, modality="PT", unit=unit)
    volume.refuse_error_map("a PET", str(series))
    if "suv" not in volume.metadata:
        raise MedSynthError(f"{series} has no DICOM tags, which are needed to compute SUV; choose the DICOM series.")
    check_output(volume, output)
    volume = volume.replace(metadata={"medsynth_version": __version__, **volume.metadata})
    write_labelled(volume, output)
    return volume
