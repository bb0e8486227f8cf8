"""Statistics over cases, and the table that holds them."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.stats import wilcoxon

from medsynth_core.errors import MedSynthError
from medsynth_core.io.atomic import atomic_write

Cases = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class Summary:
    """One metric over cases, in the metric's unit.

    Attributes:
        count: cases with a finite value; the others are left out.
        mean: their mean.
        sd: their standard deviation with ``ddof`` degrees of freedom taken off; NaN for too few cases.
        ddof: 1 for the sample's standard deviation, 0 for the population's.
        median: their median.
        first_quartile: a quarter of them lie below (linear interpolation).
        third_quartile: three quarters of them lie below.
    """

    count: int
    mean: float
    sd: float
    ddof: int
    median: float
    first_quartile: float
    third_quartile: float

    @property
    def iqr(self) -> float:
        """The interquartile range."""
        return self.third_quartile - self.first_quartile


def summarise(values: Sequence[float], ddof: int = 1) -> Summary:
    """Summarise one metric over cases; the standard deviation takes ``ddof`` off the count.

    Raises:
        MedSynthError: no finite value.
    """
    finite = np.asarray(values, dtype=np.float64)
    finite = finite[np.isfinite(finite)]
    if not finite.size:
        raise MedSynthError("There is no finite value to summarise; check that the cases were evaluated.")
    first, median, third = (float(q) for q in np.percentile(finite, (25, 50, 75)))
    sd = float(finite.std(ddof=ddof)) if finite.size > ddof else math.nan
    return Summary(int(finite.size), float(finite.mean()), sd, ddof, median, first, third)


def summarise_cases(cases: Cases, ddof: int = 1) -> dict[str, Summary]:
    """Summarise each metric of ``cases`` (case → metric → value) that has a finite value somewhere."""
    columns = {name: [row[name] for row in cases.values() if name in row] for name in _metric_names(cases)}
    return {
        name: summarise(column, ddof)
        for name, column in columns.items()
        if any(math.isfinite(value) for value in column)
    }


def paired_wilcoxon(first: Sequence[float], second: Sequence[float]) -> float:
    """Return the two-sided p of the Wilcoxon signed-rank test that two methods do equally well.

    Args:
        first: a metric of one method, case by case.
        second: the same metric of the other method, in the same order of cases. Pairs with a value that is
            not finite are left out, and pairs without a difference do not count (Wilcoxon's own rule);
            p is 1 if no pair differs.

    Raises:
        MedSynthError: the two do not have the same number of cases.
    """
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if a.shape != b.shape:
        raise MedSynthError(
            f"A paired test needs the same cases on both sides, but there are {a.size} and {b.size} values; "
            "give both methods' values of the same cases."
        )
    both = np.isfinite(a) & np.isfinite(b)
    if np.array_equal(a[both], b[both]):
        return 1.0
    return float(wilcoxon(a[both], b[both]).pvalue)


def write_cases(cases: Cases, path: str | Path) -> Path:
    """Write a CSV with one line a case: ``case`` and every metric; a missing metric is an empty cell.

    The file appears only when it is whole.

    Raises:
        MedSynthError: the file cannot be written.
    """
    with atomic_write(path) as whole, whole.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, ["case", *_metric_names(cases)], restval="", lineterminator="\n")
        table.writeheader()
        table.writerows({"case": case, **row} for case, row in cases.items())
    return Path(path)


def _metric_names(cases: Cases) -> list[str]:
    """Return every metric that some case has, in the order of first appearance."""
    return list(dict.fromkeys(name for row in cases.values() for name in row))
