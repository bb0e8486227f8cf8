"""Attenuation at 511 keV from CT."""

import numpy as np
import pytest
from dose_phantoms import matrix, uniform_pet, water

from medsynth_core.errors import MedSynthError
from medsynth_core.simulation.attenuation import attenuation_map, attenuation_on, survival
from medsynth_core.simulation.projector import make_projector


def test_coefficients_at_511_kev():
    found = attenuation_map(np.array([-1024, -1000, 0, 47, 1000], dtype=np.int16))
    assert found.dtype == np.float32
    assert np.allclose(found, [0, 0, 0.096, 0.1005, 0.1491], atol=1e-4)


def test_the_attenuation_map_is_continuous_at_the_break():
    around = attenuation_map(np.array([46.99, 47.01]))
    assert abs(around[1] - around[0]) < 1e-4


def test_rays_through_a_cylinder_of_water():
    ct = water(slices=1)
    projector = make_projector(ct.shape[1:], (4.0, 4.0))
    passing = survival(projector, attenuation_map(ct.voxels).reshape(1, -1).T).reshape(projector.angles.size, -1)
    middle = passing[:, projector.bins // 2]
    assert np.abs(-np.log(middle) / (0.096 * 18) - 1).max() < 0.03
    assert float(-np.log(middle).mean()) / (0.096 * 18) == pytest.approx(1, abs=0.01)
    assert np.all(passing[:, 0] == 1)


def test_a_ct_on_another_grid_is_resampled_to_the_pet():
    fine = water(slices=8, size=256, pixel=1.0)
    lps = matrix(1.0, 1.5)
    lps[:3, 3] = matrix()[:3, 3] - matrix()[:3, :3] @ [0.375, 0.375, 0.25]
    found = attenuation_on(fine.replace(ijk_to_ras=lps), uniform_pet())
    assert found.shape == (4, 64, 64)
    assert found[:, 32, 32] == pytest.approx(0.096, abs=1e-4)
    assert found.sum() == pytest.approx(attenuation_map(water().voxels).sum(), rel=0.01)


def test_a_ct_that_covers_only_part_of_the_activity_is_refused():
    part = water().replace(voxels=water().voxels[:2])
    with pytest.raises(MedSynthError, match="covers only 50% of the activity"):
        attenuation_on(part, uniform_pet())
