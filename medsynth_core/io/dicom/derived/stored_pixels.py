"""Conversion of voxels to the 16-bit integers of DICOM images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medsynth_core.errors import MedSynthError
from medsynth_core.io.dicom.derived.items import numbers
from medsynth_core.volume import Volume

_ENOUGH = 1000  # If the brightest voxel is at least this, rounding to integers is precise to 0.5/1000 of it.


@dataclass(frozen=True)
class StoredSlice:
    """Stored values of a slice.

    Attributes:
        values: uint16 or int16 (rows, columns); all slices of a series have the same type.
        slope: rescale slope as a decimal string; the intercept is 0.
    """

    values: np.ndarray
    slope: str


def stored_slices(volume: Volume) -> list[StoredSlice]:
    """Return the stored slices of a volume, in its order.

    PET has a separate slope for each slice, so the rounding error is at most 1/131,070 of the maximum of the slice
    (twice that if the volume has negative values), or less than 1/1000 of any voxel above 1 % (2 %) of the maximum.
    CT is rounded to whole HU, as users expect. MR is rounded to integers if that is precise enough; otherwise it has
    one slope for all slices.

    Raises:
        MedSynthError: voxels are not finite, or CT values exceed 16 bits.
    """
    voxels = volume.voxels
    if not np.isfinite(voxels).all():
        raise MedSynthError(
            "The volume has voxels that are not finite (NaN or infinite), which DICOM cannot store; replace them first."
        )
    kind = np.dtype(np.int16 if volume.modality == "CT" or voxels.min() < 0 else np.uint16)
    if volume.modality == "PT":
        return [_stored(plane, _slope(plane, kind), kind) for plane in voxels]
    slope = "1" if volume.modality == "CT" or _whole_is_enough(voxels, kind) else _slope(voxels, kind)
    if volume.modality == "CT" and _greatest(voxels) > np.iinfo(kind).max:
        raise MedSynthError(
            f"The values of the volume ({voxels.min():g} to {voxels.max():g}) exceed the range of a stored CT, so they "
            "are not Hounsfield units; check the unit of the volume."
        )
    return [_stored(plane, slope, kind) for plane in voxels]


def _whole_is_enough(voxels: np.ndarray, kind: np.dtype) -> bool:
    greatest = _greatest(voxels)
    whole = voxels.dtype.kind in "iu" or bool((np.rint(voxels) == voxels).all())
    return greatest <= np.iinfo(kind).max and (whole or greatest >= _ENOUGH)


def _slope(values: np.ndarray, kind: np.dtype) -> str:
    return numbers([(_greatest(values) or 1.0) / np.iinfo(kind).max])[0]


def _greatest(values: np.ndarray) -> float:
    return float(np.abs(values.astype(np.float64, copy=False)).max())


def _stored(plane: np.ndarray, slope: str, kind: np.dtype) -> StoredSlice:
    # Divide by the slope as written, that is, rounded to a decimal string.
    return StoredSlice(np.rint(plane.astype(np.float64) / float(slope)).astype(kind), slope)
