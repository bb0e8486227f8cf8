"""A table of results: mean and standard deviation of each method and metric over the same cases."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd

from medsynth_core.errors import MedSynthError
from medsynth_core.evaluation.statistics import paired_wilcoxon
from medsynth_core.io.atomic import atomic_write
from medsynth_core.io.table import write_rows
from medsynth_core.metrics.conditions import Conditions
from medsynth_core.metrics.registry import cell, title

# Fractions such as NRMSE need more decimals than percent.
DIGITS = 6

Scores = dict[str, dict[str, dict[str, float]]]


class Table(Protocol):
    """Result of an experiment: files, and rows for printing, JSON and the card of a model."""

    @property
    def path(self) -> Path:
        """File of the table."""

    @property
    def cases_path(self) -> Path:
        """File of the single cases."""

    @property
    def columns(self) -> list[str]:
        """Head of the printed table."""

    def text_rows(self) -> list[list[str]]:
        """Return the printed table."""

    def card_rows(self) -> list[dict[str, Any]]:
        """Return the rows for the card of a model."""

    def to_dict(self) -> dict[str, Any]:
        """Return the table and the cases as plain data."""


@dataclass(frozen=True)
class ResultTable:
    """Mean ± standard deviation over cases of each method and metric.

    Attributes:
        scores: method → case → metric → value.
        metrics: the metrics shown, in order.
        compared: the method that the others are compared with (paired Wilcoxon test).
        folder: where the table is written: ``results.csv`` and ``cases.csv``.
        conditions: how the values were measured.
    """

    scores: Scores
    metrics: tuple[str, ...]
    compared: str
    folder: Path
    conditions: Conditions = field(default_factory=Conditions)

    @property
    def path(self) -> Path:
        """File of the table."""
        return self.folder / "results.csv"

    @property
    def cases_path(self) -> Path:
        """File with a line for each method and case."""
        return self.folder / "cases.csv"

    @property
    def columns(self) -> list[str]:
        """Head of the printed table."""
        heads = [self.conditions.head(name) for name in self.metrics]
        return ["method", *heads, f"p of {title(self.metrics[0])} against {self.compared}"]

    @cached_property
    def frame(self) -> pd.DataFrame:
        """A row for each method and case (the index), a column for each metric; NaN where it is not defined."""
        rows = {(method, case): values for method, by_case in self.scores.items() for case, values in by_case.items()}
        index = pd.MultiIndex.from_tuples(list(rows), names=["method", "case"])
        return pd.DataFrame(list(rows.values()), index=index).reindex(columns=list(self._columns))

    @property
    def _columns(self) -> dict[str, None]:
        """Every metric of the cases in order of appearance, then those of the table that no case has."""
        found = (name for by_case in self.scores.values() for values in by_case.values() for name in values)
        return dict.fromkeys((*found, *self.metrics))

    def values(self, method: str, metric: str) -> list[float]:
        """Return a metric of a method, case by case; NaN where it is not defined."""
        return self.frame.loc[method, metric].tolist()

    def means(self, metric: str) -> dict[str, float]:
        """Return the mean of a metric by method, over the cases in which it is finite."""
        return self._finite(metric).mean().to_dict()

    def _finite(self, metric: str) -> Any:
        """Return the finite values of a metric, grouped by method."""
        values = self.frame[metric].astype(float).replace([np.inf, -np.inf], np.nan)
        return values.groupby(level="method", sort=False)

    def rows(self) -> list[dict[str, Any]]:
        """Return a row a method: ``METRIC_mean``, ``METRIC_sd`` ("" for one case), ``p`` of the first metric.

        Raises:
            MedSynthError: a metric has no finite value for a method.
        """
        table = pd.DataFrame({"method": list(self.scores)}, index=list(self.scores))
        for metric in self.metrics:
            finite = self._finite(metric)
            lacking = [method for method, count in finite.count().items() if not count]
            if lacking:
                raise MedSynthError(
                    f"The metric '{metric}' of the method '{lacking[0]}' has no finite value to summarise; check that "
                    "the cases were evaluated."
                )
            table[f"{metric}_mean"], table[f"{metric}_sd"] = finite.mean().round(DIGITS), finite.std().round(DIGITS)
        first = self.metrics[0]
        table["p"] = [self._p(method, first) for method in self.scores]
        return table.astype(object).where(table.notna(), "").to_dict("records")

    def _p(self, method: str, metric: str) -> float:
        """Return the p of a metric's paired Wilcoxon test against the compared method."""
        return round(paired_wilcoxon(self.values(method, metric), self.values(self.compared, metric)), 4)

    def card_rows(self) -> list[dict[str, Any]]:
        """Return the rows for the card of a model: all."""
        return self.rows()

    def text_rows(self) -> list[list[str]]:
        """Return the printed table."""
        return [
            [
                row["method"],
                *(cell(metric, row[f"{metric}_mean"], row[f"{metric}_sd"]) for metric in self.metrics),
                "" if row["method"] == self.compared else f"{row['p']:.3f}",
            ]
            for row in self.rows()
        ]

    def tests(self) -> list[dict[str, Any]]:
        """Return a row for each method: p of each metric's paired Wilcoxon test against the compared method."""
        return [
            {"method": method, "against": self.compared, **{metric: self._p(method, metric) for metric in self.metrics}}
            for method in self.scores
            if method != self.compared
        ]

    def write_tests(self) -> None:
        """Write ``wilcoxon.csv``."""
        write_rows(self.tests(), self.folder / "wilcoxon.csv")

    def to_dict(self) -> dict[str, Any]:
        """Return the table and the cases as plain data."""
        return {"rows": self.rows(), "cases": self.scores}

    def write(self) -> None:
        """Write both files."""
        write_rows(self.rows(), self.path)
        write_frame(self.frame, self.cases_path)


def write_frame(frame: pd.DataFrame, path: Path) -> None:
    """Write a data frame with its index as CSV; empty cells stand for NaN.

    Raises:
        MedSynthError: the file cannot be written.
    """
    with atomic_write(path) as temporary:
        frame.to_csv(temporary, lineterminator="\n")
