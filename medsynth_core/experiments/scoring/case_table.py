"""The table of Dong et al. (2020), CT→MRI: errors over the slices of each case, and over all cases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from medsynth_core.errors import MedSynthError
from medsynth_core.evaluation.alignment import align
from medsynth_core.evaluation.presets import measured_by
from medsynth_core.evaluation.statistics import summarise
from medsynth_core.figures.display import oriented
from medsynth_core.grid import Grid
from medsynth_core.io.table import write_rows
from medsynth_core.metrics.dong2020 import GREY, MAE_255, SSIM_255
from medsynth_core.metrics.pixel import mae
from medsynth_core.metrics.registry import title
from medsynth_core.metrics.ssim import ssim_2d_wang11
from medsynth_core.volume import Volume

TOTAL = "total"
_STATISTICS = ("mean", "sd", "minimum", "maximum")

SliceScores = Mapping[str, Sequence[float]]


def slice_scores(synthetic: Volume, reference: Volume, mask: Volume | None = None) -> dict[str, list[float]]:
    """Return ``mae_255`` and ``ssim_255`` of each axial slice by the preset ``dong2020``, from the feet up.

    ``mae_255`` is the mean absolute error in grey levels over the slice's voxels where the reference is not zero (and
    the mask, if there is one, is not zero either); ``ssim_255`` is that of the whole slice by Wang et al. (2004), with
    k1 0.01, k2 0.03 and L 255, which is the publication's equation 3 in a sliding Gaussian window. Slices that contain
    only background are left out.

    Args:
        synthetic: the synthetic MR; its grid is the one of the comparison.
        reference: the real MR.
        mask: where to compare.

    Raises:
        MedSynthError: as `report.evaluate` with the preset ``dong2020``.
    """
    pair = measured_by("dong2020", align(synthetic, reference, mask, None))
    grid = Grid.of(pair.reference)
    real, made, region = (
        oriented(array, grid) for array in (pair.reference.voxels, pair.synthetic.voxels, np.asarray(pair.region))
    )
    compared = [k for k in range(len(region)) if region[k].any()]
    return {
        MAE_255.name: [mae(real[k], made[k], region[k]) for k in compared],
        SSIM_255.name: [ssim_2d_wang11(real[k : k + 1], made[k : k + 1], GREY) for k in compared],
    }


@dataclass(frozen=True)
class CaseTable:
    """Mean, standard deviation, minimum and maximum of each metric: one line for each case, and one for all.

    The line of a case is over its slices. The last line is over cases: mean and standard deviation of the cases' means,
    and minimum and maximum over all slices. Standard deviations are the population's (ddof 0), as published.

    Attributes:
        scores: case → metric → value of each slice, or of the case as a whole where there is one value only.
    """

    scores: Mapping[str, SliceScores]

    @property
    def metrics(self) -> list[str]:
        """The metrics, in order of first appearance."""
        return list(dict.fromkeys(metric for scores in self.scores.values() for metric in scores))

    @property
    def columns(self) -> list[str]:
        """Head of the table for people."""
        heads = ("mean (SD)", "minimum", "maximum")
        return ["case", *(f"{title(metric)} {head}" for metric in self.metrics for head in heads)]

    def rows(self) -> list[dict[str, Any]]:
        """Return the table's lines: ``case`` and ``METRIC_mean``, ``_sd``, ``_minimum`` and ``_maximum``.

        Raises:
            MedSynthError: there is no case, or one without a finite value of a metric.
        """
        if not self.scores:
            raise MedSynthError("There is no case to put into the table; evaluate at least one.")
        lines = [
            (case, {metric: _of_slices(case, metric, scores) for metric in self.metrics})
            for case, scores in self.scores.items()
        ]
        lines.append((TOTAL, {metric: _of_cases([line[metric] for _, line in lines]) for metric in self.metrics}))
        return [
            {"case": case} | {f"{metric}_{name}": line[metric][name] for metric in self.metrics for name in _STATISTICS}
            for case, line in lines
        ]

    def text_rows(self) -> list[list[str]]:
        """Return the table's lines for people, rounded to two decimals."""
        texts = []
        for row in self.rows():
            cells = [row["case"]]
            for metric in self.metrics:
                mean, sd, minimum, maximum = (row[f"{metric}_{name}"] for name in _STATISTICS)
                cells += [f"{mean:.2f} ({sd:.2f})", f"{minimum:.2f}", f"{maximum:.2f}"]
            texts.append(cells)
        return texts

    def text(self) -> str:
        """Return the table as lines of aligned columns."""
        lines = [self.columns, *self.text_rows()]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        return "\n".join(
            "  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]).rstrip() for line in lines
        )

    def write(self, path: str | Path) -> Path:
        """Write the table as CSV, unrounded.

        Raises:
            MedSynthError: the file cannot be written, or as `rows`.
        """
        write_rows(self.rows(), Path(path))
        return Path(path)


def _of_slices(case: str, metric: str, scores: SliceScores) -> dict[str, float]:
    values = np.asarray(scores.get(metric, ()), dtype=np.float64)
    values = values[np.isfinite(values)]
    if not values.size:
        raise MedSynthError(
            f"The case {case} has no value of {metric}; evaluate it again or leave it out of the table."
        )
    summary = summarise(values.tolist(), ddof=0)
    return dict(zip(_STATISTICS, (summary.mean, summary.sd, float(values.min()), float(values.max())), strict=True))


def _of_cases(cases: list[dict[str, float]]) -> dict[str, float]:
    summary = summarise([case["mean"] for case in cases], ddof=0)
    lowest, highest = min(case["minimum"] for case in cases), max(case["maximum"] for case in cases)
    return dict(zip(_STATISTICS, (summary.mean, summary.sd, lowest, highest), strict=True))
