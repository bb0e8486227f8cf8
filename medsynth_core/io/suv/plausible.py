"""Whether the values of an image can be SUV."""

from __future__ import annotations

import numpy as np

# SUV is 1 for evenly distributed tracer. Values above the first limit count as tissue; the median of tissue is below
# the second in any patient, and no voxel reaches the third, not even at the injection site.
TISSUE, MEDIAN, HIGHEST = 0.05, 20.0, 2000.0
# An image with a smaller share of tissue that nowhere reaches this SUV shows no uptake.
SHARE, UPTAKE = 0.001, 1.0


def implausible_suv(voxels: np.ndarray, unit: str) -> str:
    """Return why the values of a whole image can hardly be SUV, the beginning of a sentence; "" if they can.

    Args:
        voxels: any array; NaN does not count.
        unit: the SUV.
    """
    tissue = voxels[voxels > TISSUE]
    highest = float(np.nanmax(voxels, initial=0))
    many = tissue.size >= max(SHARE * voxels.size, 1)
    if not many and highest < UPTAKE:
        return f"The values of the volume (up to {highest:.4g}) are too low for {unit}, which is about 1 in tissue"
    median = float(np.median(tissue)) if many else 0.0
    if median > MEDIAN or highest > HIGHEST:
        middle = f"median {median:.4g} of those above {TISSUE:g}, " if many else ""
        return (
            f"The values of the volume ({middle}maximum {highest:.4g}) are too high for {unit}, which is about 1 in "
            "tissue"
        )
    return ""


def suv_doubts(voxels: np.ndarray, unit: str) -> list[str]:
    """Return a warning if the values of a whole image can hardly be SUV, as `implausible_suv`; [] if they can."""
    found = implausible_suv(voxels, unit)
    remedy = "; check the unit in which the values are stored (SUV, kBq/mL, Bq/mL), the dose and the weight."
    return [found + remedy] if found else []
