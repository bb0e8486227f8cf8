"""The object in a simulated scanner."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class ScannedObject:
    """Activity and attenuation of the scanned object.

    Attributes:
        activity: (k, j, i) with transaxial slices; not negative, and positive somewhere.
        attenuation: attenuation map per cm at 511 keV, same shape; None for no attenuation.
        spacing: voxel spacing in mm along (i, j, k).
    """

    activity: np.ndarray
    attenuation: np.ndarray | None
    spacing: np.ndarray
