"""Whether the values of an image can be those that the model takes; MedSynth itself checks more."""

from __future__ import annotations

import numpy as np

from .averaging import MOST_AVERAGED, averaging_factors
from .preparing import Scan
from .refusal import RefusalError
from .settings import Image, Settings

FEW = 0.001
LOWEST_STORED_HU, HIGHEST_STORED_HU = -32768.0, 32767.0
NEGATIVE_SHARE = 0.02
HIGHEST_SUV, HIGHEST_MEDIAN, TISSUE = 2000.0, 20.0, 0.05
LARGEST = 1e15


def check(scan: Scan, image: Image, settings: Settings) -> None:
    """Refuse an image that the model cannot take.

    Raises:
        RefusalError: its values are not finite or not plausible in the unit, or its voxels have another size than the
            model takes.
    """
    if not np.isfinite(scan.voxels).all():
        raise RefusalError(f"The image for '{image.role}' has voxels that are not finite; repair it first.")
    low, high = float(scan.voxels.min()), float(scan.voxels.max())
    if max(-low, high) > LARGEST:
        raise RefusalError(f"The values of '{image.role}' ({low:g} to {high:g}) are beyond those of any scanner.")
    if image.unit == "HU":
        _check_hounsfield(scan.voxels, image)
    elif image.modality == "PT":
        _check_activity(scan.voxels, image)
    if image is settings.first and averaging_factors(scan.grid, settings.facts["voxel_limits"]) is None:
        _refuse_voxels(scan, settings)


def _check_hounsfield(voxels: np.ndarray, image: Image) -> None:
    low, high = float(voxels.min()), float(voxels.max())
    airless = low > -100 or np.count_nonzero(voxels < -50) < FEW * voxels.size
    if airless or low < LOWEST_STORED_HU or high > HIGHEST_STORED_HU or high < 0:
        raise RefusalError(
            f"The values of '{image.role}' ({low:g} to {high:g}) are not Hounsfield units of a patient; choose a CT, "
            "or apply its rescale slope and intercept."
        )


def _check_activity(voxels: np.ndarray, image: Image) -> None:
    positive = float(voxels.sum(where=voxels > 0, dtype=np.float64))
    negative = -float(voxels.sum(where=voxels < 0, dtype=np.float64))
    if positive == 0 or negative > NEGATIVE_SHARE * positive:
        what = "no voxel above zero" if positive == 0 else "many negative values, which the model would clip"
        raise RefusalError(f"The PET '{image.role}' has {what}; choose another reconstruction.")
    if image.unit == "SUVbw":
        _check_suv(voxels, image)


def _check_suv(voxels: np.ndarray, image: Image) -> None:
    tissue, highest = voxels[voxels > TISSUE], float(voxels.max())
    many = tissue.size >= max(FEW * voxels.size, 1)
    too_low, too_high = not many and highest < 1, highest > HIGHEST_SUV
    if too_low or too_high or (many and float(np.median(tissue)) > HIGHEST_MEDIAN):
        raise RefusalError(
            f"The values of '{image.role}' (up to {highest:.4g}) are not SUVbw, which is about 1 in tissue; convert "
            "the image first."
        )


def _refuse_voxels(scan: Scan, settings: Settings) -> None:
    low, high = settings.facts["voxel_limits"]
    size = " × ".join(f"{side:.2f}" for side in scan.grid.spacing)
    raise RefusalError(
        f"The voxels of the image measure {size} mm, but this model was trained with voxels of {low:g} to {high:g} mm "
        f"and averages at most {MOST_AVERAGED} finer ones along an axis; choose another reconstruction of the scan."
    )
