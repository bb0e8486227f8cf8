"""The filters are computed correctly, and the best is chosen over all cases."""

import itertools

import numpy as np
import pytest
from builders import axial_matrix, phantom_body_pet
from scipy.ndimage import gaussian_filter

from medsynth_core import read_volume, simulate_dose
from medsynth_core.experiments.baselines.filters import (
    GAUSSIANS,
    LARGEST_DISTANCE,
    LARGEST_PATCH,
    NON_LOCAL_MEANS,
    Gaussian,
    NonLocalMeans,
    found_best,
    mean_psnr,
)
from medsynth_core.simulation.settings import DoseSettings
from medsynth_core.volume import Volume


def best(candidates, pairs):
    return max(candidates, key=lambda candidate: mean_psnr(candidate, pairs))


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


@pytest.fixture(scope="module")
def real(sample_case):
    """A part of the PET of the sample case."""
    pet = read_volume(sample_case / "pet.nii.gz", "PT", "SUVbw")
    return pet.replace(voxels=pet.voxels[:24])


def noisy(real, strength: float):
    noise = np.random.default_rng(0).normal(0, strength, real.shape)
    return real.replace(voxels=(real.voxels + noise).astype(np.float32))


def test_the_weakest_filters_change_nothing(real):
    """Nor does what is narrower than the voxels: 0.5 mm among those of 5 mm."""
    for weak in (Gaussian(0.0), GAUSSIANS[0], NonLocalMeans(1e-5, 3, 2)):
        assert np.allclose(weak(real).voxels, real.voxels, atol=1e-4), weak
    for strong in (GAUSSIANS[-1], NonLocalMeans(NON_LOCAL_MEANS[-1].cutoff, 3, 2)):
        assert np.abs(strong(real).voxels - real.voxels).max() > 1, strong


@pytest.mark.slow
def test_where_there_is_no_noise_the_weakest_filter_is_the_best(real):
    assert best(GAUSSIANS[::-1], [(real, real)]).sigma <= 0.75
    assert best(NON_LOCAL_MEANS[::-1], [(real, real)]).cutoff == min(other.cutoff for other in NON_LOCAL_MEANS)


def test_the_best_gaussian_is_wider_the_more_noise_there_is_in_a_real_pet(real):
    widths = [best(GAUSSIANS, [(noisy(real, strength), real)]).sigma for strength in (0.02, 0.05, 0.1, 0.2, 0.4)]
    assert all(narrow < wide for narrow, wide in itertools.pairwise(widths)), widths
    assert GAUSSIANS[0].sigma < widths[0] and widths[-1] < GAUSSIANS[-1].sigma


@pytest.mark.slow
def test_the_best_non_local_means_cutoff_grows_with_the_noise_of_a_real_pet(real):
    for strength in (0.05, 0.4):
        cutoff = best(NON_LOCAL_MEANS, [(noisy(real, strength), real)]).cutoff
        assert 0.5 * strength < cutoff < 2 * strength, (strength, cutoff)


def test_the_best_gaussian_is_wider_the_lower_the_dose_of_a_real_pet(real, sample_case):
    ct = read_volume(sample_case / "ct.nii.gz", "CT", "HU")
    made = simulate_dose(real, [4, 20, 100], ct=ct, seed=1)
    widths = [best(GAUSSIANS, [(low, made.full)]).sigma for low in made.low.values()]
    assert all(narrow < wide for narrow, wide in itertools.pairwise(widths)), widths


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


def test_the_search_leaves_a_grid_whose_best_lies_at_its_edge(doses):
    pairs = [(doses.low[100.0], doses.full)]
    for start in ([NonLocalMeans(0.02, 3, 1)], [NonLocalMeans(10.24, 7, 3)], [Gaussian(0.5)], [Gaussian(8.0)]):
        found = found_best(start, pairs)
        reached = mean_psnr(found, pairs)
        assert found not in start and not found.limit
        assert all(mean_psnr(other, pairs) <= reached for other in found.neighbours()), found
    assert found == found_best(GAUSSIANS, pairs) == best(GAUSSIANS, pairs)


def test_neighbours_differ_in_one_step_and_stay_within_what_can_be_computed():
    assert set(NonLocalMeans(0.08, 5, 2).neighbours()) == {
        NonLocalMeans(0.04, 5, 2),
        NonLocalMeans(0.16, 5, 2),
        NonLocalMeans(0.08, 3, 2),
        NonLocalMeans(0.08, 7, 2),
        NonLocalMeans(0.08, 5, 1),
        NonLocalMeans(0.08, 5, 3),
    }
    assert Gaussian(1.0).neighbours() == [Gaussian(0.75), Gaussian(1.25)]
    assert Gaussian(0.25).neighbours() == [Gaussian(0.5)]
    smallest, largest = NonLocalMeans(1.0, 1, 1), NonLocalMeans(1.0, LARGEST_PATCH, LARGEST_DISTANCE)
    assert len(smallest.neighbours()) == len(largest.neighbours()) == 4
    assert (smallest.limit, largest.limit) == ("", "patch and distance")
    assert NonLocalMeans(1.0, LARGEST_PATCH, 1).limit == "patch"


def test_a_patch_of_one_voxel_and_the_largest_one_can_be_computed(doses):
    for patch in (1, LARGEST_PATCH):
        made = NonLocalMeans(0.5, patch, 1)(doses.low[100.0])
        assert noise(made, doses.full) < noise(doses.low[100.0], doses.full), patch
