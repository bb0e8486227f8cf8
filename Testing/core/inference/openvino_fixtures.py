"""What the tests of OpenVINO share."""

from __future__ import annotations

import numpy as np
import pytest

from medsynth_core import Volume, read_volume
from medsynth_core.compute.openvino import is_installed
from medsynth_core.resources import resource_folder

needs_openvino = pytest.mark.skipif(not is_installed(), reason="OpenVINO (medsynth-core[fast]) is not installed")
SAMPLE = resource_folder() / "SampleCase"
TOLERANCE = 2e-5


def cropped(volume: Volume, part: tuple[slice, slice, slice]) -> Volume:
    """Return a part (k, j, i) of a volume, at another place, which does not matter here."""
    return volume.replace(voxels=np.ascontiguousarray(volume.voxels[part]))


def sample_ct(slices: slice = slice(30, 35)) -> Volume:
    """Return some slices of the sample CT."""
    whole = slice(None)
    return cropped(read_volume(SAMPLE / "ct.nii.gz", modality="CT", unit="HU"), (slices, whole, whole))


def difference(one: Volume, other: Volume) -> float:
    """Return the greatest difference of two volumes as a share of the range of the second."""
    return float(np.abs(one.voxels - other.voxels).max() / np.ptp(other.voxels))
