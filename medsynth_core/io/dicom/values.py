"""What the values of a DICOM series are, and in which unit."""

from __future__ import annotations

import numpy as np
from pydicom.dataset import FileDataset

from medsynth_core.errors import MedSynthError
from medsynth_core.io.dicom.frames import Frame
from medsynth_core.io.dicom.series import Series, path_of


def unit_of(series: Series, frames: list[Frame]) -> str:
    """Return ``HU``, ``SUVbw``, ``Bq/mL``, or ``""`` where the tags leave it open (MR; unspecified CT).

    Raises:
        MedSynthError: the tags state a unit that is none of these, the slices state different ones, or a CT
            lacks the scale that makes its values HU.
    """
    if series.modality == "CT":
        stated = {_ct_unit(frame) for frame in frames}
    elif series.modality == "PT":
        stated = {_pet_unit(header) for header in series.headers}
    else:
        return ""
    if len(stated) > 1:
        raise MedSynthError(f"The slices of the series {series} are in different units; give slices of one kind only.")
    return stated.pop()


def rescaled(stored: list[np.ndarray], frames: list[Frame]) -> np.ndarray:
    """Return the volume (k, j, i) of stored slices (j, i), each with its own slope and intercept applied.

    Whole numbers of 16 bits stay whole: int16 where they fit, int32 else. Everything else becomes float32.
    """
    scales = [(_or(frame.slope, 1.0), _or(frame.intercept, 0.0)) for frame in frames]
    whole = all(slope == 1 and intercept.is_integer() for slope, intercept in scales)
    whole = whole and all(values.dtype.itemsize <= 2 for values in stored)
    volume = np.empty((len(frames), *frames[0].size), np.int32 if whole else np.float32)
    for slot, values, (slope, intercept) in zip(volume, stored, scales, strict=True):
        slot[...] = values * np.float64(slope) + intercept
    bounds = np.iinfo(np.int16)
    if whole and bounds.min <= volume.min() and volume.max() <= bounds.max:
        return volume.astype(np.int16)
    return volume


def _or(value: float | None, default: float) -> float:
    return default if value is None else value


def _ct_unit(frame: Frame) -> str:
    if frame.slope is None or frame.intercept is None:
        raise MedSynthError(
            f"The CT slice {frame.file} has no rescale slope and intercept, so its values cannot be turned "
            "into Hounsfield units; export the series again."
        )
    if frame.rescale_type not in ("", "HU", "US"):
        raise MedSynthError(
            f"The CT slice {frame.file} is in '{frame.rescale_type}' (Rescale Type), not in Hounsfield units; "
            "give the series in Hounsfield units."
        )
    return "" if frame.rescale_type == "US" else "HU"


def _pet_unit(header: FileDataset) -> str:
    units = str(header.get("Units") or "")
    kind = str(header.get("SUVType") or "")
    if units == "GML" and kind in ("", "BW"):
        return "SUVbw"
    if units == "BQML":
        return "Bq/mL"
    raise MedSynthError(
        f"The PET slice {path_of(header)} is in '{units or 'no stated unit'}' (Units"
        f"{f', SUV type {kind}' if kind else ''}), which cannot be read as SUVbw or Bq/mL; "
        "export the series in one of these."
    )
