"""The filters are what they say, and the best of them is the one that the cases ask for."""

import numpy as np
import pytest
from builders import axial_matrix, phantom_body_pet
from scipy.ndimage import gaussian_filter

from medsynth_core import simulate_dose
from medsynth_core.experiments.filters import GAUSSIANS, NON_LOCAL_MEANS, Gaussian, NonLocalMeans, best, mean_psnr
from medsynth_core.simulation.settings import DoseSettings
from medsynth_core.volume import Volume


@pytest.fixture(scope="module")
def doses():
    return simulate_dose(phantom_body_pet(), [4, 100], settings=DoseSettings(counts=2e5, subsets=8), seed=1)


def noise(volume, full):
    return float(np.std((volume.voxels - full.voxels)[full.voxels > 0.5]))


def test_a_gaussian_is_as_wide_in_every_direction_of_the_patient():
    point = np.zeros((31, 31, 31), dtype=np.float32)
    point[15, 15, 15] = 1
    made = Gaussian(6.0)(Volume(point, axial_matrix((2.0, 2.0, 4.0)), "PT", "SUVbw")).voxels
    assert made.sum() == pytest.approx(1, abs=1e-4)
    for axis, spacing in enumerate((4.0, 2.0, 2.0)):
        profile = made.sum(axis=tuple(other for other in range(3) if other != axis))
        place = spacing * (np.arange(31) - 15)
        assert np.sqrt((profile * place**2).sum()) == pytest.approx(6.0, rel=0.02)


@pytest.mark.parametrize(("method", "lost"), [(Gaussian(3.0), 0.002), (NonLocalMeans(0.64, 3, 2), 0.05)], ids=str)
def test_a_filter_lowers_the_noise_and_keeps_the_rest(doses, method, lost):
    low = doses.low[100.0]
    made = method(low)
    assert noise(made, doses.full) < 0.7 * noise(low, doses.full)
    assert made.voxels.dtype == np.float32 and made.unit == "SUVbw" and np.array_equal(made.ijk_to_ras, low.ijk_to_ras)
    assert made.voxels.sum() == pytest.approx(low.voxels.sum(), rel=lost)


@pytest.mark.parametrize("candidates", [GAUSSIANS, NON_LOCAL_MEANS], ids=["gaussian", "non-local means"])
def test_the_best_filter_is_stronger_the_lower_the_dose(doses, candidates):
    chosen = {factor: best(candidates, [(low, doses.full)]) for factor, low in doses.low.items()}
    for factor, low in doses.low.items():
        reached = mean_psnr(chosen[factor], [(low, doses.full)])
        assert reached > mean_psnr(lambda volume: volume, [(low, doses.full)])
        assert all(reached >= mean_psnr(other, [(low, doses.full)]) for other in candidates[::5])
    before, after = (noise(chosen[factor](doses.low[100.0]), doses.full) for factor in (4.0, 100.0))
    assert after < before


def test_the_best_width_is_found_where_it_is_known():
    real = phantom_body_pet(3)
    sharp = real.replace(voxels=real.voxels**2)
    width = 5.0 / np.array([3.0, 4.0, 4.0])
    blurred = sharp.replace(voxels=gaussian_filter(sharp.voxels, width))
    assert best(GAUSSIANS, [(sharp, blurred)]) == Gaussian(5.0)


def test_all_cases_count_alike(doses):
    # Of the one case the noisy volume is already the reference, so that every filter harms it.
    low = doses.low[100.0]
    hurt = (doses.low[4.0], doses.low[4.0].replace(voxels=doses.low[4.0].voxels + 1e-3))
    alone, both = best(GAUSSIANS, [(low, doses.full)]), best(GAUSSIANS, [(low, doses.full), hurt, hurt])
    assert both.sigma < alone.sigma
