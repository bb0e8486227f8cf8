"""Voxels as the 16-bit integers of DICOM images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medsynth_core.errors import MedSynthError
from medsynth_core.io.dicom.derived_items import numbers
from medsynth_core.volume import Volume

_ENOUGH = 1000  # Whole numbers are precise to 0.5/1000 of the brightest voxel where that is at least so bright.


@dataclass(frozen=True)
class StoredSlice:
    """A slice as it is stored.

    Attributes:
        values: uint16 or int16 (rows, columns); all slices of a series have the same type.
        slope: value of one stored unit, as a decimal string; a stored zero is a zero.
    """

    values: np.ndarray
    slope: str


def stored_slices(volume: Volume) -> list[StoredSlice]:
    """Return the slices of a volume, in its order.

    PET has a slope of its own for each slice, so a voxel differs from its stored value by at most 1/131,070 of
    the greatest in its slice, twice that where the volume has negative values: less than a thousandth of the
    voxel itself where that is at least 1 % (2 %) of the greatest. CT is rounded to whole HU, as its users expect.
    MR is rounded to whole numbers where that is precise enough, else it has one slope for all slices.

    Raises:
        MedSynthError: voxels that are not finite, or a CT beyond 16 bits.
    """
    voxels = volume.voxels
    if not np.isfinite(voxels).all():
        raise MedSynthError(
            "The volume has voxels that are not numbers or infinite, which DICOM cannot store; replace them first."
        )
    kind = np.dtype(np.int16 if volume.modality == "CT" or voxels.min() < 0 else np.uint16)
    if volume.modality == "PT":
        return [_stored(plane, _slope(plane, kind), kind) for plane in voxels]
    slope = "1" if volume.modality == "CT" or _whole_is_enough(voxels, kind) else _slope(voxels, kind)
    if volume.modality == "CT" and _greatest(voxels) > np.iinfo(kind).max:
        raise MedSynthError(
            f"The volume reaches from {voxels.min():g} to {voxels.max():g}, beyond what a CT stores; "
            "its values are hardly Hounsfield units."
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
    # The slope counts as it is written, rounded to the digits of a decimal string.
    return StoredSlice(np.rint(plane.astype(np.float64) / float(slope)).astype(kind), slope)
