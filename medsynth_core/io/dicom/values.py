"""Rescaled values of a DICOM series, and their unit."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from pydicom.uid import PositronEmissionTomographyImageStorage

from medsynth_core.errors import MedSynthError
from medsynth_core.io.dicom.frames import Frame
from medsynth_core.io.dicom.series import Series
from medsynth_core.io.dicom.synthetic_mark import is_synthetic
from medsynth_core.io.suv.conversion import Conversion, pet_conversion


def unit_of(series: Series, frames: list[Frame]) -> str:
    """Return ``HU`` for a CT, or ``""`` if the tags do not state the unit (MR; unspecified CT).

    Raises:
        MedSynthError: the tags state another unit, the units of slices differ, or a CT lacks rescale slope and
            intercept.
    """
    if series.modality != "CT":
        return ""
    stated = {_ct_unit(frame) for frame in frames}
    if len(stated) > 1:
        raise MedSynthError(f"The slices of the series {series} are in different units; choose slices in one unit.")
    return stated.pop()


def pet_values(frames: list[Frame], matrix: np.ndarray, name: str, unit: str) -> Conversion:
    """Return the conversion of the rescaled values of PET slices to ``unit``; `pet_conversion` describes the rules.

    Args:
        frames: the slices in order.
        matrix: 4×4 matrix from voxels to millimetres.
        name: name of the series for messages.
        unit: requested unit; ``""`` for SUVbw if the tags allow it, else Bq/mL.

    Raises:
        MedSynthError: the values cannot be converted, or a slice lacks its rescale slope.
    """
    for frame in frames:
        if not frame.slope or not math.isfinite(frame.slope):
            raise MedSynthError(
                f"The PET slice {frame.file} has no Rescale Slope (0028,1053), so its values cannot be interpreted; "
                "export the series again."
            )
        if frame.intercept and frame.tags.get("SOPClassUID") == PositronEmissionTomographyImageStorage:
            raise MedSynthError(
                f"The PET slice {frame.file} has the Rescale Intercept (0028,1052) {frame.intercept:g}, which must be "
                "0 in a PET; export the series again."
            )
    voxel_ml = abs(float(np.linalg.det(matrix[:3, :3]))) / 1000
    slices = [frame.tags for frame in frames]
    return pet_conversion(slices, voxel_ml, name, unit, synthetic=is_synthetic(slices[0]))


def rescaled(stored: list[np.ndarray], frames: list[Frame], factors: Sequence[float] = ()) -> np.ndarray:
    """Return the volume (k, j, i) of stored slices (j, i), each rescaled with its own slope and intercept.

    Integers of 16 bits remain integers if possible: int16 if they fit, otherwise int32. All others become float32.

    Args:
        stored: slices (j, i) of stored values.
        frames: the frames with slope and intercept.
        factors: additional factor for each slice, if any.
    """
    scales = [(_or(frame.slope, 1.0), _or(frame.intercept, 0.0)) for frame in frames]
    if factors:
        scales = [(slope * by, intercept * by) for (slope, intercept), by in zip(scales, factors, strict=True)]
    whole = all(slope == 1 and intercept.is_integer() and abs(intercept) < 2**30 for slope, intercept in scales)
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
            f"The CT slice {frame.file} has no rescale slope and intercept, so its values cannot be converted "
            "to Hounsfield units; export the series again."
        )
    if frame.rescale_type not in ("", "HU", "US"):
        raise MedSynthError(
            f"The CT slice {frame.file} is in '{frame.rescale_type}' (Rescale Type), not in Hounsfield units; "
            "choose a series in Hounsfield units."
        )
    return "" if frame.rescale_type == "US" else "HU"
