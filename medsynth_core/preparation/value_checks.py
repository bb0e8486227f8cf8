"""Plausibility checks of voxel values: Hounsfield units, SUVbw, activity, or an image at all."""

from __future__ import annotations

import numpy as np

from medsynth_core.io.suv.plausible import implausible_suv
from medsynth_core.modality import modality_name
from medsynth_core.preparation.filled_ct import filled_surroundings

# A negligible share of the voxels.
FEW = 0.001
# A CT counts as clipped to a window if more than this share of its voxels has the lowest value, and that value (HU) is
# above this limit.
CLIPPED_SHARE = 0.05
CLIPPED_ABOVE = -700.0
# From this share on, voxels that are much less dense than tissue are not noise or edges alone.
LIGHT_SHARE = 0.02
# Models clip negative activity to 0. If it exceeds this share of the positive activity, clipping adds bias.
NEGATIVE_SHARE = 0.02
# Values beyond the first limit overflow in single precision once they are squared, and no scanner has them; those of a
# CT are stored in 16 bits.
LARGEST, LOWEST_STORED_HU, HIGHEST_STORED_HU = 1e15, -32768.0, 32767.0


def assumed_unit(unit: str, modality: str) -> str:
    """Return the sentence on the unit that is assumed of a volume that states none."""
    return (
        f"The volume states no unit, so its values are assumed to be {unit} of a {modality_name(modality)}, the unit "
        "that this model takes; they are plausible, but check them: with values in another unit the result is not "
        "valid."
    )


def unusable_ct(voxels: np.ndarray) -> list[str]:
    """Return the reason why voxels cannot be used as a CT in Hounsfield units; [] if they can.

    Besides values that are not Hounsfield units (`not_hounsfield`), these are surroundings filled with tissue.
    """
    return not_hounsfield(voxels) or filled_surroundings(voxels)


def no_activity(voxels: np.ndarray, unit: str) -> list[str]:
    """Return the reason why voxels cannot be activity in ``unit`` (none positive, many negative); [] if they can."""
    positive = float(voxels.sum(where=voxels > 0, dtype=np.float64))
    negative = -float(voxels.sum(where=voxels < 0, dtype=np.float64))
    if positive == 0:
        return ["The volume holds no activity: no voxel is above zero; choose a PET with uptake."]
    if negative > NEGATIVE_SHARE * positive:
        return [
            f"The negative values of the volume amount to {negative / positive:.1%} of the positive ones; the model "
            "would clip them and so overestimate activity; choose a PET reconstructed without negative values (OSEM)."
        ]
    return _not_suv(voxels) if unit == "SUVbw" else []


def _not_suv(voxels: np.ndarray) -> list[str]:
    """Return the reason why values labelled SUVbw cannot be SUVbw (Bq/mL, for example); [] if they can."""
    found = implausible_suv(voxels, "SUVbw")
    if not found:
        return []
    return [f"{found}; check its unit and its rescale slope, and if they are in Bq/mL, convert them from DICOM first."]


def not_synthesizable(voxels: np.ndarray) -> list[str]:
    """Return the reason why voxels (any array) are not a scalar image of finite numbers; [] if they are."""
    if voxels.size < 2 or min(voxels.shape) < 1:
        return [
            f"The volume has {voxels.size} voxel{'s' * (voxels.size != 1)} (shape {voxels.shape}), too few "
            "for synthesis; choose a complete image."
        ]
    if not np.issubdtype(voxels.dtype, np.number):
        return ["The voxels of the volume are not real numbers; choose a scalar image."]
    if np.issubdtype(voxels.dtype, np.floating):
        bad = int(voxels.size - np.count_nonzero(np.isfinite(voxels)))
        if bad:
            return [
                f"{bad} voxel{'s' * (bad != 1)} of the volume {'are' if bad != 1 else 'is'} not finite "
                "(NaN or infinite); repair or crop the volume first."
            ]
    low, high = float(voxels.min()), float(voxels.max())
    if max(-low, high) > LARGEST:
        return [
            f"The values of the volume ({low:g} to {high:g}) are beyond those of any scanner and too large to compute "
            "with; repair the voxels, or choose another image."
        ]
    return []


def not_hounsfield(voxels: np.ndarray) -> list[str]:
    """Check whether values can be Hounsfield units, in which soft tissue is around 0 and air is -1000.

    Returns:
        The reason why ``voxels`` cannot be Hounsfield units, in one sentence; [] if they can.
    """
    low, high = float(voxels.min()), float(voxels.max())

    def share(above: float, below: float) -> float:
        return np.count_nonzero((voxels > above) & (voxels < below)) / voxels.size

    soft = share(-200, 200)
    # Interpolation leaves a few negative voxels at the edges of any image.
    if low > -100 or share(-np.inf, -50) < FEW:
        return [
            f"The values of the volume ({low:g} to {high:g}) are not Hounsfield units, which are negative in "
            "fat and air; choose a CT, or apply its rescale slope and intercept."
        ]
    if low > CLIPPED_ABOVE and np.count_nonzero(voxels == low) > CLIPPED_SHARE * voxels.size:
        return [
            f"Many voxels of the volume have its lowest value, {low:g}, so the CT was clipped to a window and air "
            "cannot be distinguished from tissue; choose the CT with its full range."
        ]
    # Bone becomes rarer the denser it is, unless it was clipped at 1000; with the sign reversed, air makes 1000 common,
    # nothing is as low as air, and muscle is below 0. What is much less dense than tissue is air or lung, which both
    # have values below -700, unless all values are too small or were moved.
    reversed_tissue = share(-80, -10) > share(10, 80) and share(-np.inf, -700) < share(900, 1100)
    inverted = reversed_tissue and share(900, 1100) > max(share(400, 900), FEW)
    without_air = share(-np.inf, -300) > LIGHT_SHARE and share(-np.inf, -700) < FEW
    if inverted or without_air:
        return [
            f"The values of the volume ({low:g} to {high:g}) are not Hounsfield units: "
            + ("1000 is common, so their sign seems to be reversed" if inverted else "air should have about -1000")
            + "; choose the CT as it was scanned, or apply its rescale slope and intercept."
        ]
    # A small animal in a large field of view, or a piece of lung or bone, has little soft tissue; other data have none.
    # Nothing attenuates less than air: values below it are noise, or a single padding value.
    # A padded CT without its rescale intercept has air at 0, tissue around 1000, and nothing but padding near -1000.
    padding = np.count_nonzero(voxels == low) / voxels.size if -1100 < low < -50 else 0.0
    no_intercept = share(800, 1200) > 0.05 and share(-1100, -50) - padding < FEW
    beyond = high > HIGHEST_STORED_HU or low < LOWEST_STORED_HU
    if soft < 0.005 or beyond or high < 0 or share(low, -1100) > 0.05 or no_intercept:
        return [
            f"The values of the volume ({low:g} to {high:g}, {soft:.1%} of them between -200 and 200) do not "
            "look like Hounsfield units of a body; choose a CT that shows the patient."
        ]
    return []
