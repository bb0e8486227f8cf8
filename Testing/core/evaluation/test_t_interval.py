"""The interval of a mean over trainings."""

import math

import numpy as np
import pytest

from medsynth_core.evaluation.statistics import t_interval


def test_it_is_that_of_students_table():
    # t of 2 degrees of freedom is 4.302653 for 95 %, of 4 degrees 2.776445.
    assert t_interval([1.0, 2.0, 3.0]) == pytest.approx((2 - 4.302653 / 3**0.5, 2 + 4.302653 / 3**0.5), rel=1e-6)
    low, high = t_interval([0.1, 0.2, 0.3, 0.4, 0.5])
    assert (high - low) / 2 == pytest.approx(2.776445 * 0.158114 / 5**0.5, rel=1e-4)


def test_values_that_are_not_finite_do_not_count_and_one_has_no_interval():
    assert t_interval([1.0, math.nan, 3.0]) == t_interval([1.0, 3.0])
    assert all(math.isnan(end) for end in t_interval([1.0, math.nan]))


def test_it_contains_the_mean_as_often_as_it_says():
    random = np.random.default_rng(0)
    ends = np.array([t_interval(random.normal(0, 1, 3)) for _ in range(2000)])
    assert ((ends[:, 0] < 0) & (ends[:, 1] > 0)).mean() == pytest.approx(0.95, abs=0.015)
