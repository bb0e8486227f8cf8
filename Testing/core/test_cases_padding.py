"""CTs whose corners outside the round field of view are padded: the value of the padding does not matter."""

import numpy as np
import pytest
from builders import axial_matrix

from medsynth_core import synthesize
from medsynth_core.volume import Volume


@pytest.fixture(scope="module")
def scan():
    """Return a patient who reaches beyond the field of view, and the distance of each voxel from its middle."""
    k, j, i = np.indices((6, 160, 160))
    ellipse = np.hypot((j - 79.5) / 60, (i - 79.5) / 85)
    hu = np.select([ellipse < 0.9, ellipse < 1], [50, -100], -1000) + np.random.default_rng(0).normal(0, 10, k.shape)
    return hu, np.hypot(j - 79.5, i - 79.5)


def synthesized(scan, padding):
    hu, distance = scan
    voxels = np.where(distance > 79, padding, hu).astype(np.int16)
    return synthesize(Volume(voxels, axial_matrix((0.98, 0.98, 3.27)), "CT", "HU"), "ct-to-pet", device="cpu").voxels


@pytest.mark.slow
@pytest.mark.parametrize("padding", [-3024, -2000, -1500])
def test_padding_is_not_mixed_into_tissue(scan, padding):
    plain = synthesized(scan, -1024)
    assert plain.max() > 0.5
    assert np.array_equal(synthesized(scan, padding), plain)
