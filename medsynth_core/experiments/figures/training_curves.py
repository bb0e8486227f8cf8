"""Validation metrics of several trainings against epochs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.ndimage import median_filter

from medsynth_core.errors import MedSynthError
from medsynth_core.experiments.figures.legend import add_legend
from medsynth_core.figures.drawing import new_figure, write_png
from medsynth_core.metrics.earlier_names import name_among, todays_scores
from medsynth_core.metrics.registry import describe, signed

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Panels for metrics that at least one training recorded; the metric that chose the epoch is added.
_PANELS = ("ssim_2d_wang11", "psnr", "mae")
Rows = Sequence[Mapping[str, Any]]

# Eight colours that colour-blind people can distinguish (Okabe and Ito), darkest first; further runs use other strokes.
_COLOURS = ("#000000", "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#b8a800")
_STROKES = ("-", (0, (4, 1.5)), (0, (1, 1.2)))
_DOTS = ("o", "s", "^")
# From this many epochs on, the line is a running median, with the values faint behind it: metrics vary from epoch to
# epoch, and ten such lines could not be distinguished.
_LONG, _MEDIAN = 30, 9
# Inches: height of a legend's row, width of its sample and of a letter, and of all of it; more than five columns are
# hard to read.
_LEGEND_ROW, _SAMPLE, _LETTER, _LEGEND_WIDTH, _LEGEND_COLUMNS = 0.2, 0.55, 0.075, 9.2, 5
# This share of the epochs does not set the axes: their steep change would compress the rest.
_TRANSIENT = 0.1
_GREY = "#404040"


@dataclass(frozen=True)
class Curve:
    """A validation metric of a run: finite values of the validated epochs, in their order."""

    epochs: list[int]
    values: list[float]

    @classmethod
    def of(cls, rows: Rows, metric: str) -> Curve:
        """Return a curve from rows of a training's ``metrics.csv``; empty and non-finite values are left out.

        Rows of earlier versions may have ``val_ssim`` and ``val_nrmse`` for ``ssim_2d_wang11`` and ``nrmse_minmax``.
        """
        today = [todays_scores(row, "val_") for row in rows]
        read = [(int(row["epoch"]), _number(row.get(f"val_{metric}"))) for row in today]
        kept = sorted((epoch, value) for epoch, value in read if math.isfinite(value))
        return cls([epoch for epoch, _ in kept], [value for _, value in kept])

    def best(self, metric: str) -> int:
        """Return the epoch of the best value, the first of equal ones."""
        return min(zip(self.epochs, self.values, strict=True), key=lambda point: signed(metric, point[1]))[0]


def write_curves(runs: Mapping[str, Rows], path: str | Path, *, choose_by: str = "mae", unit: str = "") -> Path:
    """Draw SSIM, PSNR, MAE and the metric that chose the epoch against epochs, and write a PNG, 2000 pixels wide.

    Args:
        runs: model name → rows of its training log, with ``epoch``, ``val_ssim_2d_wang11``, ``val_psnr``
            and ``val_mae`` as numbers or as text. Epochs without validation have empty values; a metric that a run did
            not record is missing in its panel.
        path: the PNG; it is written completely or not at all.
        choose_by: the registered metric by which each run's epoch was chosen; a dot marks it in every panel.
        unit: unit of the MAE.

    Raises:
        MedSynthError: no run, one without a validated epoch, matplotlib is missing, or the file cannot be written.
    """
    return write_png(draw_curves(runs, choose_by=choose_by, unit=unit), path)


def draw_curves(runs: Mapping[str, Rows], *, choose_by: str = "mae", unit: str = "") -> Figure:
    """Return the figure of `write_curves`: a panel a metric that some run recorded, and a legend below them."""
    choose_by = name_among(_recorded(runs), choose_by)
    titles = {metric: _title(metric, unit) for metric in dict.fromkeys((*_PANELS, choose_by))}
    curves = {name: {metric: Curve.of(rows, metric) for metric in titles} for name, rows in runs.items()}
    _check(curves)
    chosen_by = {name: Curve.of(rows, choose_by) for name, rows in runs.items()}
    chosen = {name: curve.best(choose_by) if curve.epochs else None for name, curve in chosen_by.items()}
    shown = [metric for metric in titles if any(curve[metric].epochs for curve in curves.values())]
    columns = _legend_columns(list(runs))
    legend = _LEGEND_ROW * math.ceil((len(runs) + 1) / columns)
    height = 3.5 + legend + 0.25
    figure = new_figure(height)
    width = (1 - 0.07 - 0.02 - 0.06 * (len(shown) - 1)) / len(shown)
    cut = False
    for number, metric in enumerate(shown):
        place = (0.07 + number * (width + 0.06), (legend + 0.75) / height, width, 2.45 / height)
        axes = figure.add_axes(place)
        axes.set_title(titles[metric], fontsize=9.5)
        for index, (name, curve) in enumerate(curves.items()):
            _draw(axes, curve[metric], name, index, chosen[name])
        cut |= _frame(axes, [curve[metric] for curve in curves.values()])
    _draw_legend(figure, (0.25 + legend) / height, columns, choose_by)
    said = []
    if any(len(one.epochs) >= _LONG for curve in curves.values() for one in curve.values()):
        said.append(f"Lines: running median of {_MEDIAN} validated epochs; faint: the values themselves.")
    if cut:
        said.append("Axes are scaled to the values after the first tenth of the epochs; earlier ones may lie outside.")
    figure.text(0.07, 0.06 / height, " ".join(said), fontsize=6, color=_GREY, va="bottom")
    return figure


def _recorded(runs: Mapping[str, Rows]) -> set[str]:
    """Return the validation metrics of all runs by today's names."""
    keys = {key for rows in runs.values() for row in rows for key in todays_scores(row, "val_")}
    return {key.removeprefix("val_") for key in keys if key.startswith("val_")}


def _title(name: str, unit: str) -> str:
    metric = describe(name)
    said = ", ".join(part for part in (metric.unit_text(unit), metric.direction_text) if part)
    return f"{metric.title}\n({said})"


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.nan


def _check(curves: Mapping[str, Mapping[str, Curve]]) -> None:
    if not curves:
        raise MedSynthError("There is no training to draw; give at least one run.")
    for name, curve in curves.items():
        if not any(one.epochs for one in curve.values()):
            raise MedSynthError(
                f"The training '{name}' has no validated epoch ({', '.join(f'val_{metric}' for metric in curve)}) "
                "to draw; continue the training, or leave it out."
            )


def _draw(axes: Axes, curve: Curve, name: str, index: int, chosen: int | None) -> None:
    """Draw a run's curve, with a dot at the chosen epoch."""
    colour, style = _COLOURS[index % len(_COLOURS)], index // len(_COLOURS) % len(_STROKES)
    line = curve.values
    if len(line) >= _LONG:
        axes.plot(curve.epochs, line, label="_values", color=colour, linewidth=0.6, alpha=0.25)
        line = median_filter(np.array(line), _MEDIAN, mode="nearest").tolist()
    # A single epoch is drawn as a point.
    alone = "." if len(line) == 1 else ""
    axes.plot(curve.epochs, line, label=name, color=colour, linestyle=_STROKES[style], linewidth=1.2, marker=alone)
    if chosen in curve.epochs:
        value = curve.values[curve.epochs.index(chosen)]
        dot: dict[str, Any] = {"marker": _DOTS[style], "markersize": 5.5, "markeredgecolor": "white", "zorder": 3}
        axes.plot([chosen], [value], color=colour, linestyle="", label="_chosen", **dot)


def _frame(axes: Axes, curves: list[Curve]) -> bool:
    """Set the axes of a panel, and return whether early values lie outside them."""
    last = max(curve.epochs[-1] for curve in curves if curve.epochs)
    points = [point for curve in curves for point in zip(curve.epochs, curve.values, strict=True)]
    late = [value for epoch, value in points if epoch > _TRANSIENT * last]
    low, high = min(late), max(late)
    margin = 0.05 * (high - low) or 0.05 * abs(high) or 1.0
    axes.set_ylim(low - margin, high + margin)
    axes.set_xlabel("Epoch", fontsize=8.5)
    axes.locator_params(axis="x", integer=True)
    axes.tick_params(labelsize=7.5, length=3, width=0.6)
    axes.grid(color="#dddddd", linewidth=0.5)
    axes.set_axisbelow(True)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_linewidth(0.6)
    return any(not low - margin <= value <= high + margin for _, value in points)


def _legend_columns(names: list[str]) -> int:
    widest = _SAMPLE + _LETTER * max(map(len, names))
    return max(1, min(_LEGEND_COLUMNS, int(_LEGEND_WIDTH / widest)))


def _draw_legend(figure: Figure, top: float, columns: int, choose_by: str) -> None:
    """Draw the legend of the runs and the dot below the panels."""
    from matplotlib.lines import Line2D

    every = [(str(line.get_label()), line) for axes in figure.axes for line in axes.lines]
    lines = {name: line for name, line in every if name not in ("_values", "_chosen")}
    metric = describe(choose_by)
    order = {"lower": "lowest", "higher": "highest"}.get(metric.direction, metric.direction_text)
    dot = Line2D([], [], linestyle="", marker="o", color=_GREY, markersize=5.5)
    add_legend(figure, {**lines, f"chosen epoch ({order} {metric.title})": dot}, top, columns)
