"""Image-space noise has the strength of projection noise and is correlated."""

import numpy as np
import pytest
from dose_phantoms import distance, uniform_pet, water

from medsynth_core.simulation.dose import simulate_dose
from medsynth_core.simulation.settings import DoseSettings

QUICK = DoseSettings(method="image-space")


@pytest.mark.parametrize("attenuated", [False, True])
@pytest.mark.parametrize("filter_mm", [4.0, 6.0])
def test_noise_is_as_strong_as_in_projections(attenuated, filter_mm):
    """Within 15 %: what the full dose lacks for a quarter of it, as a mean of the body."""
    pet, ct = uniform_pet(slices=10, radius=110.0), water(slices=10, radius=110.0) if attenuated else None
    body = distance(64, 4.0) < 105
    quick = simulate_dose(pet, [4], ct=ct, settings=DoseSettings(method="image-space", filter_mm=filter_mm))
    exact = simulate_dose(pet, [4], ct=ct, settings=DoseSettings(reconstruction="fbp", filter_mm=filter_mm))
    added = [(s.low[4].voxels - s.full.voxels)[:, body] for s in (quick, exact)]
    assert added[0].std() == pytest.approx(added[1].std(), rel=0.15)


def test_variance_follows_activity_and_factor():
    pet = uniform_pet(slices=40)
    doubled = pet.replace(voxels=pet.voxels * np.where(np.arange(64) < 32, 1, 3).astype(np.float32))
    simulation = simulate_dose(doubled, [5, 17], settings=QUICK)
    cold, hot = doubled.voxels == 1, doubled.voxels == 3
    strength = simulation.full.metadata["simulation"]["variance_over_activity"]
    for factor, volume in simulation.low.items():
        for place, activity in ((cold, 1), (hot, 3)):
            noise = (volume.voxels - doubled.voxels)[place]
            assert noise.var() == pytest.approx((factor - 1) * strength * activity, rel=0.1)
            assert noise.mean() == pytest.approx(0, abs=0.1 * float(noise.std()))
        assert np.all(volume.voxels[doubled.voxels == 0] == 0)


def test_noise_is_correlated_by_the_filter():
    pet = uniform_pet(slices=48, pixel=2.0, radius=62.0)
    simulation = simulate_dose(pet, [2], settings=DoseSettings(method="image-space", filter_mm=6.0))
    noise = (simulation.low[2].voxels - 1)[:, 11:53, 11:53]
    sigma = 6 / 2.3548
    for axis, step in ((2, 2.0), (1, 2.0), (0, 3.0)):
        for lag in (1, 2, 3):
            last = noise.shape[axis]
            first, second = noise.take(range(last - lag), axis), noise.take(range(lag, last), axis)
            known = np.exp(-((lag * step / sigma) ** 2) / 4)
            assert np.corrcoef(first.ravel(), second.ravel())[0, 1] == pytest.approx(known, abs=0.06)


def test_the_full_dose_is_the_input_and_noise_of_doses_is_nested():
    pet = uniform_pet()
    simulation = simulate_dose(pet, [4, 16], settings=QUICK)
    assert np.array_equal(simulation.full.voxels, pet.voxels)
    less, more = ((simulation.low[factor].voxels - pet.voxels)[pet.voxels > 0] for factor in (4, 16))
    assert np.corrcoef(less, more)[0, 1] == pytest.approx(np.sqrt(3 / 15), abs=0.06)


def test_the_image_states_that_it_is_approximate():
    stated = simulate_dose(uniform_pet(), [4], settings=QUICK).low[4].metadata
    assert stated["simulation"]["approximate"] is True and "approximation" in stated["description"]
    assert not {"reconstruction", "iterations", "counts_kept"} & set(stated["simulation"])


def test_noise_without_correlation_is_refused():
    with pytest.raises(ValueError, match="filter_mm above 0"):
        DoseSettings(method="image-space", filter_mm=0)
