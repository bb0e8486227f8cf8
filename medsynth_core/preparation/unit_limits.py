"""Values that a unit allows, for words about an image that leaves them."""

from __future__ import annotations

import numpy as np

from medsynth_core.io.suv.plausible import HIGHEST as HIGHEST_SUV
from medsynth_core.modality import LOWEST_HU, modality_name

# Lowest value of a CT, and highest one that 16 bits can store; metal on an extended scale comes near it.
HU_LIMITS = (float(LOWEST_HU), 32767.0)
SUV_LIMITS = (0.0, HIGHEST_SUV)
NOT_NEGATIVE = (0.0, np.inf)
# The noise of a scan falls below the value of air, where the scale of its CT numbers is extended, and interpolation
# makes negative values beside bright ones, here as a share of the usual highest values.
SCANNED_HU_LIMITS = (-1500.0, HU_LIMITS[1])
SCANNED_NEGATIVE = 0.05
# No voxel of a patient or of a small animal has this activity concentration, not even at the injection site.
HIGHEST_ACTIVITY = {"Bq/mL": 1e9, "kBq/mL": 1e6}
# On a scale without a limit, a voxel is doubted if it is so many times as bright as this percentage of the voxels.
BRIGHTER, USUAL = 1000.0, 99.9
LOOKED_AT = 1_000_000
# Padding outside the field of view of a CT is one value below this (HU), in at least this share of the voxels; noise
# has many values.
PADDING_BELOW = -1100.0
PADDING_SHARE = 1e-4


def unit_limits(modality: str, unit: str) -> tuple[float, float]:
    """Return the lowest and the highest value that an image of this modality and unit can have; infinite if unknown."""
    if unit == "HU":
        return HU_LIMITS
    if unit.startswith("SUV"):
        return SUV_LIMITS
    if unit in HIGHEST_ACTIVITY:
        return 0.0, HIGHEST_ACTIVITY[unit]
    # PET on other scales, and the magnitude images of MR, whose values have no common upper limit.
    return NOT_NEGATIVE if modality in ("PT", "MR") else (-np.inf, np.inf)


def ct_padding(voxels: np.ndarray) -> np.ndarray | None:
    """Return where a CT is padding outside its field of view, or was mixed with it; None if it has no padding.

    Args:
        voxels: (k, j, i) CT in Hounsfield units; NaN is no padding.

    Returns:
        bool (k, j, i), the voxels below `modality.LOWEST_HU`, if the lowest value is that of padding.
    """
    low = float(np.nanmin(voxels, initial=0.0))
    if low >= PADDING_BELOW or np.count_nonzero(voxels == low) < max(PADDING_SHARE * voxels.size, 2):
        return None
    return voxels < LOWEST_HU


def absurd_values(voxels: np.ndarray, unit: str) -> list[str]:
    """Return the reason why voxels cannot be an image in ``unit``, because one is beyond all patients; [] if they can.

    Args:
        voxels: any array of finite values.
        unit: unit of the values.
    """
    limit = unit_limits("", unit)[1]
    low, high = float(voxels.min(initial=0)), float(voxels.max(initial=0))
    if max(-low, high) <= limit:
        return []
    return [
        f"The values of the volume ({low:g} to {high:g}) are beyond {limit:g}, which no voxel of an image in "
        f"{unit} reaches; check whether it is in another unit, or repair the voxels."
    ]


def scan_doubts(voxels: np.ndarray, modality: str, unit: str, what: str) -> list[str]:
    """Return a sentence for each limit that an image of a scanner exceeds, as `unit_doubts` for one that was computed.

    Args:
        voxels: any array of finite values.
        modality: DICOM modality, or "" if unknown.
        unit: unit of the values, or "" if unknown.
        what: name of the image in the sentence.
    """
    usual = _usual_highest(voxels)
    low, high = unit_limits(modality, unit)
    if unit == "HU":
        low, high = SCANNED_HU_LIMITS
    elif modality == "MR":
        low = -np.inf
    elif low == 0:
        low = -SCANNED_NEGATIVE * usual
    outlier = _outlier(voxels, usual, what) if np.isinf(high) else []
    return _doubts(voxels, (low, high), _kind(modality, unit), what) or outlier


def _usual_highest(voxels: np.ndarray) -> float:
    """Return the value that `USUAL` per cent of the voxels are below."""
    some = voxels.ravel()[:: max(voxels.size // LOOKED_AT, 1)]
    return float(np.percentile(some, USUAL)) if some.size else 0.0


def _outlier(voxels: np.ndarray, usual: float, what: str) -> list[str]:
    """Return a sentence if a voxel is far from all others, as a damaged one is; [] if none is."""
    furthest = max(float(voxels.min(initial=0)), float(voxels.max(initial=0)), key=abs)
    if usual <= 0 or abs(furthest) <= BRIGHTER * usual:
        return []
    return [
        f"A voxel of the {what} is {furthest:g}, but {USUAL:g} % of its voxels are below {usual:.4g}: do not rely on "
        "such values."
    ]


def unit_doubts(voxels: np.ndarray, modality: str, unit: str, what: str = "result") -> list[str]:
    """Return a sentence for each limit of the unit that voxels exceed; [] if all are within.

    Args:
        voxels: any array of finite values.
        modality: DICOM modality, or "" if unknown.
        unit: unit of the values, or "" if unknown.
        what: name of the image in the sentence.
    """
    return _doubts(voxels, unit_limits(modality, unit), _kind(modality, unit), what)


def _kind(modality: str, unit: str) -> str:
    name = modality_name(modality, "image")
    return f"{name} in {unit}" if unit not in ("", "1") else name


def _doubts(voxels: np.ndarray, limits: tuple[float, float], kind: str, what: str) -> list[str]:
    low, high = limits
    lowest, highest = float(voxels.min(initial=0)), float(voxels.max(initial=0))
    # Counted only where there is something to count, as an image may take gigabytes.
    below = [(int(np.count_nonzero(voxels < low)), "below", low, lowest)] if lowest < low else []
    above = [(int(np.count_nonzero(voxels > high)), "above", high, highest)] if highest > high else []
    return [
        f"{count} of {voxels.size} voxels of the {what} are {side} {limit:g} ({extreme:g} at the extreme), which no "
        f"{kind} has: do not rely on values there."
        for count, side, limit, extreme in (*below, *above)
    ]
