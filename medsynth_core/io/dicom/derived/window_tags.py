"""Default display window of a synthetic series."""

from __future__ import annotations

import numpy as np
from pydicom.dataset import Dataset

from medsynth_core.io.dicom.derived.items import carry, item, numbers, value
from medsynth_core.io.dicom.derived.reference import Reference
from medsynth_core.volume import Volume

_KEYWORDS = ("WindowCenter", "WindowWidth")
_HIGHEST_SUV = 10.0
_SOFT_TISSUE = (-135.0, 215.0)  # HU
_PERCENTILES = (0.5, 99.5)


def window(volume: Volume, reference: Reference) -> Dataset:
    """Return window center and width in the unit of the volume, the same for all slices.

    PET: SUV 0 to 10, or to the maximum if that is lower. CT: the window of the reference if it is a CT with a window,
    otherwise soft tissue. MR: 0.5 to 99.5 percentile.
    """
    if volume.modality == "PT":
        greatest = float(volume.voxels.max())
        return _window(0.0, min(greatest, _HIGHEST_SUV) if greatest > 0 else _HIGHEST_SUV)
    if volume.modality == "CT":
        return _carried(reference) or _window(*_SOFT_TISSUE)
    low, high = np.percentile(volume.voxels, _PERCENTILES)
    if low == high:
        low, high = volume.voxels.min(), volume.voxels.max()
    return _window(float(low), float(high) if high > low else float(low) + 1)


def _window(low: float, high: float) -> Dataset:
    center, width = numbers([(low + high) / 2, high - low])
    # Without EXACT a width of 10 shows 0 to 9, and one below 1 is forbidden (PS3.3 C.11.2.1.2).
    return item(WindowCenter=center, WindowWidth=width, VOILUTFunction="LINEAR_EXACT")


def _carried(reference: Reference) -> Dataset:
    made = Dataset()
    if reference.series.modality != "CT":
        return made
    try:
        centers, widths = (np.atleast_1d(np.array(value(reference.header, key), np.float64)) for key in _KEYWORDS)
    except (TypeError, ValueError):
        return made
    if centers.shape == widths.shape and np.isfinite(centers).all() and (widths >= 1).all():
        carry(reference.header, made, [*_KEYWORDS, "VOILUTFunction"])
    return made
