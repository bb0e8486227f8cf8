"""Statistics over cases."""

from __future__ import annotations

import math

import pytest
from scipy.stats import wilcoxon

from medsynth_core.errors import MedSynthError
from medsynth_core.evaluation.statistics import paired_wilcoxon, summarise

# Mean absolute errors of the eight cases of Dong et al. (2020), who report 73.68 ± 10.99.
PUBLISHED = [81.06, 58.16, 96.88, 67.12, 74.77, 75.84, 70.41, 65.18]


def test_mean_and_standard_deviation_of_a_publication() -> None:
    population, sample = summarise(PUBLISHED, ddof=0), summarise(PUBLISHED)
    assert population.mean == sample.mean == pytest.approx(73.68, abs=0.005)
    assert population.sd == pytest.approx(10.99, abs=0.005)
    assert sample.sd == pytest.approx(11.74, abs=0.01)
    assert (population.ddof, sample.ddof) == (0, 1)


def test_median_and_quartiles() -> None:
    summary = summarise([4, 1, 3, 2, 5])
    assert (summary.median, summary.first_quartile, summary.third_quartile) == (3, 2, 4)


def test_values_that_are_not_finite_are_left_out_of_the_count() -> None:
    summary = summarise([1.0, math.inf, 3.0, math.nan])
    assert (summary.count, summary.mean) == (2, 2.0)


def test_one_case_has_no_sample_deviation() -> None:
    assert math.isnan(summarise([2.0]).sd)
    assert summarise([2.0], ddof=0).sd == 0


def test_nothing_to_summarise_is_refused() -> None:
    with pytest.raises(MedSynthError, match="no finite value"):
        summarise([math.nan])


def test_wilcoxon_finds_a_consistent_difference_and_none_in_noise() -> None:
    better = [value - 1 - 0.1 * number for number, value in enumerate(PUBLISHED)]
    assert paired_wilcoxon(PUBLISHED, better) == pytest.approx(2 / 2**8)
    assert paired_wilcoxon(PUBLISHED, better) == wilcoxon(PUBLISHED, better).pvalue
    mixed = [value + (-1) ** number * (1 + number) for number, value in enumerate(PUBLISHED)]
    assert paired_wilcoxon(PUBLISHED, mixed) > 0.5


def test_wilcoxon_of_equal_methods_is_one_and_gaps_are_left_out() -> None:
    assert paired_wilcoxon(PUBLISHED, PUBLISHED) == 1.0
    gaps = [*PUBLISHED, math.nan]
    assert paired_wilcoxon(gaps, [value + 1 for value in [*PUBLISHED, 3]]) == pytest.approx(2 / 2**8)


def test_wilcoxon_needs_pairs() -> None:
    with pytest.raises(MedSynthError, match="there are 8 and 7 values"):
        paired_wilcoxon(PUBLISHED, PUBLISHED[1:])
