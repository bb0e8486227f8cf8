"""A table of results: methods against metrics, over the same cases."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from medsynth_core.evaluation.statistics import paired_wilcoxon, summarise
from medsynth_core.io.table import write_rows

Scores = dict[str, dict[str, dict[str, float]]]


class Table(Protocol):
    """What an experiment gives: files, and rows for people, machines and the card of a model."""

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
        folder: where the table is written: ``results.csv`` and, a line a case, ``cases.csv``.
    """

    scores: Scores
    metrics: tuple[str, ...]
    compared: str
    folder: Path

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
        return ["method", *self.metrics, f"p of {self.metrics[0]} against {self.compared}"]

    def values(self, method: str, metric: str) -> list[float]:
        """Return a metric of a method, case by case; NaN where it is not defined."""
        return [case.get(metric, math.nan) for case in self.scores[method].values()]

    def rows(self) -> list[dict[str, Any]]:
        """Return a row a method: ``METRIC_mean``, ``METRIC_sd`` ("" for one case), ``p`` of the first metric."""
        rows = []
        for method in self.scores:
            row: dict[str, Any] = {"method": method}
            for metric in self.metrics:
                summary = summarise(self.values(method, metric))
                row[f"{metric}_mean"], row[f"{metric}_sd"] = round(summary.mean, 4), _rounded(summary.sd)
            first = self.metrics[0]
            row["p"] = round(paired_wilcoxon(self.values(method, first), self.values(self.compared, first)), 4)
            rows.append(row)
        return rows

    def card_rows(self) -> list[dict[str, Any]]:
        """Return the rows for the card of a model: all."""
        return self.rows()

    def text_rows(self) -> list[list[str]]:
        """Return the printed table."""
        return [
            [
                row["method"],
                *(_shown(row[f"{metric}_mean"], row[f"{metric}_sd"]) for metric in self.metrics),
                "" if row["method"] == self.compared else f"{row['p']:.3f}",
            ]
            for row in self.rows()
        ]

    def tests(self) -> list[dict[str, Any]]:
        """Return a row a method: the p of each metric's paired Wilcoxon test against the compared method."""
        return [
            {
                "method": method,
                "against": self.compared,
                **{
                    metric: round(paired_wilcoxon(self.values(method, metric), self.values(self.compared, metric)), 4)
                    for metric in self.metrics
                },
            }
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
        cases = [
            {"method": method, "case": case, **values}
            for method, by_case in self.scores.items()
            for case, values in by_case.items()
        ]
        write_rows(self.rows(), self.path)
        write_rows(cases, self.cases_path)


def _rounded(sd: float) -> float | str:
    return round(sd, 4) if math.isfinite(sd) else ""


def _shown(mean: float, sd: float | str) -> str:
    return f"{mean:.3f}" if sd == "" else f"{mean:.3f} ± {sd:.3f}"
