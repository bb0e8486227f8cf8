"""Noise at lower doses follows the dose reduction factor."""

import numpy as np
import pytest
from dose_phantoms import distance, uniform_pet, water

from medsynth_core.simulation.dose import simulate_dose
from medsynth_core.simulation.settings import DoseSettings

FACTORS = (4, 10, 20, 50, 100)


@pytest.fixture(scope="module")
def counted():
    """A cylinder of 360 mm in 12 slices of 128 × 128 with 2e7 trues each, reconstructed by FBP."""
    pet = uniform_pet(slices=12, size=128, radius=180.0)
    simulation = simulate_dose(pet, FACTORS, settings=DoseSettings(reconstruction="fbp", counts=2e7, filter_mm=0))
    inside = distance(128, 4.0) < 120
    values = {factor: volume.voxels[:, inside] for factor, volume in simulation.low.items()}
    return simulation.full.voxels[:, inside], values, simulation


@pytest.mark.parametrize("factor", FACTORS)
def test_fbp_noise_grows_with_the_square_root_of_the_factor(counted, factor):
    full, low, _ = counted
    assert low[factor].std() / full.std() == pytest.approx(np.sqrt(factor), rel=0.06)


@pytest.mark.parametrize("factor", FACTORS)
def test_the_mean_is_preserved(counted, factor):
    full, low, _ = counted
    assert full.mean() == pytest.approx(1, rel=0.01)
    assert low[factor].mean() == pytest.approx(full.mean(), rel=0.01)


@pytest.mark.parametrize("factor", FACTORS)
def test_the_noise_is_that_of_the_same_counts(counted, factor):
    """Thinned counts, scaled up, correlate by the root of the share that was kept."""
    full, low, _ = counted
    found = np.corrcoef((full - full.mean(axis=0)).ravel(), (low[factor] - low[factor].mean(axis=0)).ravel())[0, 1]
    assert found == pytest.approx(1 / np.sqrt(factor), abs=0.02)


@pytest.mark.parametrize("factor", FACTORS)
def test_the_number_of_counts_is_stated(counted, factor):
    _, _, simulation = counted
    full, low = (volume.metadata["simulation"] for volume in (simulation.full, simulation.low[factor]))
    expected = 12 * 2e7 / (1 - 0.4)
    assert full["counts_kept"] == pytest.approx(expected, abs=4 * np.sqrt(expected))
    assert low["counts_kept"] / full["counts_kept"] == low["counts_fraction"]
    error = np.sqrt((1 - 1 / factor) / factor / full["counts_kept"])
    assert low["counts_fraction"] == pytest.approx(1 / factor, abs=4 * error)


@pytest.mark.parametrize("reconstruction", ["osem", "fbp"])
def test_attenuation_correction_leaves_more_noise_inside_than_at_the_edge(reconstruction):
    pet, ct = uniform_pet(slices=10, radius=115.0), water(slices=10, radius=115.0)
    far = distance(64, 4.0)
    # Without a filter all slices are independent.
    settings = DoseSettings(reconstruction=reconstruction, filter_mm=0, counts=3e6)
    kept = simulate_dose(pet, [4], ct=ct, settings=settings).low[4].voxels
    free = simulate_dose(pet, [4], settings=settings).low[4].voxels
    inside, edge = kept[:, far < 40], kept[:, (far > 80) & (far < 100)]
    assert inside.mean() == pytest.approx(1, rel=0.015) and edge.mean() == pytest.approx(1, rel=0.015)
    assert inside.std() > 1.1 * edge.std()
    assert inside.std() > 1.1 * free[:, far < 40].std()


def test_osem_noise_follows_the_square_root_and_preserves_the_total():
    pet = uniform_pet(slices=8)
    simulation = simulate_dose(pet, [4, 20])
    inside = distance(64, 4.0) < 70
    full = simulation.full.voxels
    for factor, volume in simulation.low.items():
        low = volume.voxels
        assert low.min() >= 0
        assert low[:, inside].std() / full[:, inside].std() == pytest.approx(np.sqrt(factor), rel=0.1)
        assert low[:, inside].mean() == pytest.approx(1, rel=0.02)
        assert low.sum() == pytest.approx(pet.voxels.sum(), rel=0.03)
