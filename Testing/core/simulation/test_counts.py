"""Counts at lower doses are a Poisson-distributed subset of the counts at full dose."""

import numpy as np
import pytest

from medsynth_core.simulation.counts import draw_counts

FACTORS = (4.0, 10.0, 20.0, 50.0, 100.0)


@pytest.fixture(scope="module")
def counted():
    return draw_counts(np.full((300, 300), 400.0), FACTORS, np.random.default_rng(3))


@pytest.mark.parametrize("number", range(1, 6))
def test_a_factor_keeps_its_fraction_of_the_counts(counted, number):
    total, kept = counted[0].sum(), counted[number].sum()
    share = 1 / FACTORS[number - 1]
    assert abs(kept / total - share) < 4 * np.sqrt(share * (1 - share) / total)


@pytest.mark.parametrize("number", range(6))
def test_counts_of_every_dose_are_poisson_distributed(counted, number):
    counts, mean = counted[number].ravel(), 400 / (1.0, *FACTORS)[number]
    error = np.sqrt(1 / counts.size)
    assert counts.mean() == pytest.approx(mean, abs=4 * np.sqrt(mean) * error)
    assert counts.var() / mean == pytest.approx(1, abs=4 * np.sqrt(2 + 1 / mean) * error)
    assert (counts == 0).mean() == pytest.approx(np.exp(-mean), abs=4 * np.sqrt(np.exp(-mean)) * error)


def test_kept_and_discarded_counts_are_independent(counted):
    kept, left = counted[1].ravel(), (counted[0] - counted[1]).ravel()
    assert abs(np.corrcoef(kept, left)[0, 1]) < 4 / np.sqrt(kept.size)


def test_counts_at_higher_factors_are_a_subset_of_those_at_lower_ones(counted):
    assert (np.diff(counted, axis=0) <= 0).all()
    assert (counted[5] > 0).any()


def test_the_full_dose_does_not_depend_on_the_factors():
    expected = np.full(1000, 7.0)
    alone = draw_counts(expected, (50.0,), np.random.default_rng(1))
    together = draw_counts(expected, FACTORS, np.random.default_rng(1))
    assert np.array_equal(alone[0], together[0])
