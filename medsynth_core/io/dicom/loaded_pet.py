"""Conversion of a PET loaded in a viewer to SUV, with the tags of its DICOM series.

The volume may have been rounded, cropped, masked, resampled, moved or converted to another unit since it was loaded, so
it is compared with the series first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from medsynth_core.errors import MedSynthError
from medsynth_core.failures import reason_of
from medsynth_core.io.dicom.series import series_of
from medsynth_core.io.dicom.series_reading import read_series
from medsynth_core.volume import Volume

SUV = "SUVbw"
# Tolerances for readers that round rescaled values to whole numbers, and for single precision (relative to the highest
# value).
ROUNDING = 1.0
PRECISION = 1e-4
# Units (0054,1001) of series that store SUV.
STORED_SUV = ("GML", "CM2ML")
# In the unit of the series, values differ from it by less than this factor, even if denoised, resampled or masked; in
# another unit they differ by more.
FAR = 10.0
# A volume and its series are compared at up to PLACES and at least FEW voxels; they show the same if the correlation is
# above ALIKE.
PLACES, FEW, ALIKE = 200_000, 100, 0.5


@dataclass(frozen=True, eq=False)
class ConvertedPet:
    """A loaded PET in SUVbw.

    Attributes:
        voxels: (k, j, i) float32, in SUVbw, on the grid of the loaded volume.
        metadata: metadata of the series; ``suv`` describes how the SUV was computed.
        from_files: whether the voxels are those of the files, which may be more precise than those in the viewer.
    """

    voxels: np.ndarray
    metadata: dict[str, Any]
    from_files: bool
    unit: str = SUV


def read_pet_in_suv(files: Sequence[Path]) -> Volume:
    """Return the PET series in files, in SUVbw.

    Raises:
        MedSynthError: a file cannot be read, the files belong to several series, the series is a map of errors, or the
            tags do not allow SUVbw.
    """
    try:
        volume = read_series(series_of(list(files)), SUV)
    except OSError as error:
        raise MedSynthError(
            f"The DICOM file {error.filename} cannot be read: {reason_of(error)}; import the series again."
        ) from error
    volume.refuse_error_map("a PET", "The series")
    return volume


def convert_loaded_pet(volume: Volume, series: Volume) -> ConvertedPet:
    """Return the voxels of a loaded PET in SUVbw.

    A volume that equals the series voxel by voxel, at any position, gets the values of the files. A volume that was
    cropped, resampled or changed is multiplied by the factor of the series, if that is the same for all slices and the
    values are still in the unit of the series.

    Args:
        volume: the loaded volume, in the unit of the series (usually Bq/mL); its ``unit`` may be empty.
        series: the series it was loaded from, as returned by `read_pet_in_suv`.

    Raises:
        MedSynthError: the volume is in another unit than its series, or it was changed and the slices of the series
            have different factors.
    """
    _check_unit(volume.unit, series)
    low, high = _factors(series)
    if _is_whole(volume, series, (low, high)):
        voxels, whole = series.voxels, True
    elif low == high:
        _check_scale(volume, series, low)
        voxels, whole = volume.voxels * np.float32(low), False
    else:
        raise MedSynthError(
            "The volume was cropped, resampled or changed since it was loaded, and the slices of its DICOM series have "
            f"different factors to {SUV} ({low:.4g} to {high:.4g}); convert the whole series, then crop it."
        )
    return ConvertedPet(voxels.astype(np.float32, copy=False), series.metadata, whole)


def _factors(series: Volume) -> tuple[float, float]:
    """Return the lowest and the highest factor of the slices from rescaled values to SUV."""
    factor = series.metadata["suv"]["factor"]
    low, high = factor if isinstance(factor, list) else (factor, factor)
    return low, high


def _check_unit(unit: str, series: Volume) -> None:
    if unit.startswith("SUV") and series.metadata["suv"]["units"] not in STORED_SUV:
        raise MedSynthError(
            f"The values of the volume are already SUV ({unit}), but those of its DICOM series are not, so the factor "
            f"of the series to {SUV} does not apply; convert the volume as it was loaded from the series."
        )


def _check_scale(volume: Volume, series: Volume, factor: float) -> None:
    """Refuse values in another unit than the series (SUV or kBq/mL, for example), as far as the values show it.

    Values are compared voxel by voxel, because a cropped volume may lack the hottest voxels. If the volume was moved,
    its maximum is compared: it must neither exceed that of the series by far nor be as low as an SUV.
    """
    found, own = _in_place(volume, series, factor)
    if _alike(found, own):
        ratio = float(found.sum() / own.sum())
        far = not 1 / FAR <= ratio <= FAR
    else:
        highest, limit = _highest(volume.voxels) * factor, _highest(series.voxels)
        ratio = highest / limit if limit else 1.0
        far = ratio > FAR or (factor < 1 / FAR and 0 < ratio <= factor)
    if far:
        raise MedSynthError(
            f"The values of the volume are about {ratio:.2g} times those of its DICOM series, so they seem to be in "
            f"another unit, and the factor of the series to {SUV} does not apply; convert the volume as it was "
            "loaded from the series."
        )


def _in_place(volume: Volume, series: Volume, factor: float) -> tuple[np.ndarray, np.ndarray]:
    """Return absolute values of a volume, times a factor, and those of the series at the same positions.

    Zeros are omitted: they may come from a mask and do not show the scale.
    """
    step = max(1, int(np.ceil((volume.voxels.size / PLACES) ** (1 / 3))))
    values = volume.voxels[::step, ::step, ::step]
    k, j, i = (step * axis.ravel() for axis in np.indices(values.shape))
    to_series = np.linalg.inv(series.ijk_to_ras) @ volume.ijk_to_ras
    there = np.rint(to_series @ np.stack([i, j, k, np.ones_like(i)])).astype(np.int64)[2::-1]
    inside = ((there >= 0) & (there < np.array(series.shape)[:, np.newaxis])).all(axis=0)
    found = np.abs(values.ravel()[inside].astype(np.float64) * factor)
    own = np.abs(series.voxels[tuple(there[:, inside])].astype(np.float64))
    both = (found > 0) & (own > 0)
    return found[both], own[both]


def _alike(found: np.ndarray, own: np.ndarray) -> bool:
    """Return whether two sets of values correlate, regardless of scale."""
    if found.size < FEW or not found.std() > 0 or not own.std() > 0:
        return False
    return bool(np.corrcoef(found, own)[0, 1] > ALIKE)


def _highest(voxels: np.ndarray) -> float:
    return max(float(voxels.max()), -float(voxels.min()))


def _is_whole(volume: Volume, series: Volume, factors: tuple[float, float]) -> bool:
    """Return whether the voxels of a volume equal the rescaled voxels of the series."""
    if volume.shape != series.shape:
        return False
    bounds = [series.voxels / np.float32(factor) for factor in factors]
    whole_numbers = volume.voxels.dtype.kind in "iu"
    slack = (ROUNDING if whole_numbers else 0.0) + PRECISION * float(np.abs(bounds[0]).max())
    above = (volume.voxels >= np.minimum(*bounds) - slack).all()
    return bool(above and (volume.voxels <= np.maximum(*bounds) + slack).all())
