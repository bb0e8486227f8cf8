"""Statistics over cases."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import wilcoxon

from medsynth_core.errors import MedSynthError


@dataclass(frozen=True)
class Summary:
    """One metric over cases, in the metric's unit.

    Attributes:
        count: number of cases with a finite value; the others are ignored.
        mean: mean.
        sd: standard deviation with divisor ``count - ddof``; NaN for too few cases.
        ddof: 1 for the sample standard deviation, 0 for that of the population.
        median: median.
        first_quartile: 25th percentile (linear interpolation).
        third_quartile: 75th percentile (linear interpolation).
    """

    count: int
    mean: float
    sd: float
    ddof: int
    median: float
    first_quartile: float
    third_quartile: float


def summarise(values: Sequence[float], ddof: int = 1) -> Summary:
    """Summarise one metric over cases; the divisor of the standard deviation is the number of cases minus ``ddof``.

    Raises:
        MedSynthError: there is no finite value.
    """
    finite = np.asarray(values, dtype=np.float64)
    finite = finite[np.isfinite(finite)]
    if not finite.size:
        raise MedSynthError("There is no finite value to summarise; check that the cases were evaluated.")
    first, median, third = (float(q) for q in np.percentile(finite, (25, 50, 75)))
    sd = float(finite.std(ddof=ddof)) if finite.size > ddof else math.nan
    return Summary(int(finite.size), float(finite.mean()), sd, ddof, median, first, third)


def paired_wilcoxon(first: Sequence[float], second: Sequence[float]) -> float:
    """Return the two-sided p value of the Wilcoxon signed-rank test for two methods.

    Pairs with a value that is not finite are ignored, as are pairs without a difference (Wilcoxon's original rule);
    p is 1 if no pair differs.

    Args:
        first: a metric of one method, case by case.
        second: the same metric of the other method, with the cases in the same order.

    Raises:
        MedSynthError: the numbers of cases differ.
    """
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if a.shape != b.shape:
        raise MedSynthError(
            f"A paired test needs the same cases for both methods, but there are {a.size} and {b.size} values; "
            "give the values of the same cases."
        )
    both = np.isfinite(a) & np.isfinite(b)
    if np.array_equal(a[both], b[both]):
        return 1.0
    return float(wilcoxon(a[both], b[both]).pvalue)


def t_interval(values: Sequence[float] | np.ndarray, confidence: float = 0.95) -> tuple[float, float]:
    """Return the interval of Student's t for the mean of repeated trainings; NaN for fewer than two finite values.

    It supposes that they are independent and roughly normal, which three to five trainings cannot show.

    Args:
        values: one for each training; those that are not finite are ignored.
        confidence: probability with which such intervals contain the mean.
    """
    from scipy.stats import t

    finite = np.asarray(values, dtype=np.float64)
    finite = finite[np.isfinite(finite)]
    if finite.size < 2:
        return math.nan, math.nan
    half = float(t.ppf((1 + confidence) / 2, finite.size - 1) * finite.std(ddof=1) / math.sqrt(finite.size))
    return float(finite.mean()) - half, float(finite.mean()) + half
