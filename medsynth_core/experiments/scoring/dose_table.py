"""A table of results for each dose reduction factor."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd

from medsynth_core.experiments.scoring.dose_scores import DOSE_METRICS
from medsynth_core.experiments.scoring.result_table import ResultTable, Scores, write_frame
from medsynth_core.io.table import write_rows
from medsynth_core.metrics.conditions import Conditions, compared

# Metrics that the card of a model and the command show.
SHOWN = ("psnr", "ssim", "nrmse_minmax", "suvmax_error_size", "suvmean_error_size", "activity_ratio")
ACCURACY = "dose_accuracy"


@dataclass(frozen=True)
class DoseTable:
    """Mean ± standard deviation over cases of each method and metric, for each dose reduction factor.

    Attributes:
        scores: dose reduction factor → method → case → metric → value.
        compared: the methods that the others are compared with (paired Wilcoxon tests); the first one in the table.
        folder: where the table is written: ``results.csv``, ``wilcoxon.csv`` and ``cases.csv``.
        conditions: how the values were measured.
    """

    scores: dict[float, Scores]
    compared: tuple[str, ...]
    folder: Path
    conditions: Conditions = field(default_factory=lambda: compared("PT", "PT", "SUVbw"))

    @property
    def path(self) -> Path:
        """File of the table."""
        return self.folder / "results.csv"

    @property
    def cases_path(self) -> Path:
        """File with one line for each factor, method and case."""
        return self.folder / "cases.csv"

    @property
    def columns(self) -> list[str]:
        """Head of the printed table."""
        return ["DRF", *self._of(next(iter(self.scores)), SHOWN).columns]

    def rows(self) -> list[dict[str, Any]]:
        """Return a row for each factor and method, as in `ResultTable`, with the share of cases with the right dose.

        ``dose_accuracy`` is empty for a method that does not name the dose.
        """
        return [
            {"drf": factor, **row, ACCURACY: self._accuracy(self.scores[factor][row["method"]])}
            for factor in self.scores
            for row in self._of(factor).rows()
        ]

    def card_rows(self) -> list[dict[str, Any]]:
        """Return the rows for the card of a model; the method includes the factor."""
        return [
            {**row, "method": f"DRF {factor:g}, {row['method']}"}
            for factor in self.scores
            for row in self._of(factor, SHOWN).rows()
        ]

    def text_rows(self) -> list[list[str]]:
        """Return the printed table."""
        return [[f"{factor:g}", *row] for factor in self.scores for row in self._of(factor, SHOWN).text_rows()]

    def tests(self) -> list[dict[str, Any]]:
        """Return the p of each factor, method and metric against each of the compared methods."""
        return [
            {"drf": factor, **row}
            for factor in self.scores
            for compared in self.compared
            for row in replace(self._of(factor), compared=compared).tests()
        ]

    def part(self, factor: float, methods: tuple[str, ...], metrics: tuple[str, ...]) -> list[dict[str, Any]]:
        """Return the rows of some methods at one factor, compared with the first of them."""
        chosen = {name: self.scores[factor][name] for name in methods}
        return ResultTable(chosen, metrics, methods[0], self.folder, self.conditions).rows()

    def means(self, metric: str) -> dict[str, dict[float, float]]:
        """Return the mean of a metric by method and factor."""
        by_factor = pd.DataFrame({factor: self._of(factor).means(metric) for factor in self.scores})
        return by_factor.to_dict("index")

    def to_dict(self) -> dict[str, Any]:
        """Return the table and the cases as plain data."""
        return {"rows": self.rows(), "cases": {f"{factor:g}": scores for factor, scores in self.scores.items()}}

    def write(self) -> None:
        """Write the three files."""
        cases = pd.concat({factor: self._of(factor).frame for factor in self.scores}, names=["drf"])
        write_rows(self.rows(), self.path)
        write_frame(cases, self.cases_path)
        write_rows(self.tests(), self.folder / "wilcoxon.csv")

    def _of(self, factor: float, metrics: tuple[str, ...] = DOSE_METRICS) -> ResultTable:
        return ResultTable(self.scores[factor], metrics, self.compared[0], self.folder, self.conditions)

    def _accuracy(self, cases: dict[str, dict[str, float]]) -> float | str:
        named = [case[ACCURACY] for case in cases.values() if ACCURACY in case]
        return round(sum(named) / len(named), 4) if named else ""
