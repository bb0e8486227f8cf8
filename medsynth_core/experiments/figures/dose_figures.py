"""Figures of low-dose PET: recovered images with maps of their errors, and PSNR against the dose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from medsynth_core.errors import MedSynthError
from medsynth_core.experiments.figures.legend import add_legend
from medsynth_core.figures.display import Window, centre_of, difference_window, oriented, planes, rounded
from medsynth_core.figures.drawing import (
    Column,
    draw_bar,
    draw_directions,
    draw_heads,
    draw_lines,
    draw_panel,
    draw_titles,
    new_figure,
    write_png,
)
from medsynth_core.figures.layout import Layout
from medsynth_core.grid import Grid
from medsynth_core.volume import Volume

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Eight colours that colour-blind people can distinguish (Okabe and Ito); further methods use another stroke.
_COLOURS = ("#000000", "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#b8a800")
_STROKES = ("-", (0, (4, 1.5)))
_DOTS = ("o", "s")
_LEGEND_COLUMNS = 5


def write_dose_comparison(
    full: Volume, rows: Sequence[Mapping[str, Volume]], path: str | Path, *, lesion: Volume | None = None
) -> Path:
    """Draw a coronal plane of each method's result with its error below, and write the figure as PNG.

    Every row begins with the full dose. Images share an inverted grey window up to the 99.5th percentile of the full
    dose in the plane; errors (method minus full dose) share one that is blue below zero and red above.

    Args:
        full: PET of the full dose.
        rows: PET by the title of its method, on the grid of ``full``; the same number in each row.
        path: the PNG, 2000 pixels wide; it is written completely or not at all.
        lesion: its contour is drawn, and the plane goes through it; on the grid of ``full``. Otherwise the plane goes
            through the middle of the volume.

    Raises:
        MedSynthError: nothing to draw, another grid, matplotlib is missing, or the file cannot be written.
    """
    return write_png(draw_dose_comparison(full, rows, lesion=lesion), path)


def draw_dose_comparison(full: Volume, rows: Sequence[Mapping[str, Volume]], *, lesion: Volume | None = None) -> Figure:
    """Return the figure of `write_dose_comparison`."""
    _check(full, rows, lesion)
    grid = Grid.of(full)
    real = oriented(full.voxels, grid)
    spot = None if lesion is None else oriented(lesion.voxels, grid) != 0
    plane = planes(grid.oriented(), centre_of(spot, real.shape))[-1]
    made = [{name: oriented(volume.voxels, grid) for name, volume in row.items()} for row in rows]
    window = Window("gray_r", 0.0, rounded(float(np.percentile(plane.cut(real), 99.5))), full.unit)
    errors = difference_window([plane.cut(one - real) for row in made for one in row.values()], full.unit)
    below = replace(plane, name="error")
    said = "Errors: method minus full dose." + ("" if spot is None else " Orange: contour of the tumour.")
    heads = tuple(range(2, 2 * len(rows), 2))
    layout = Layout(1 + max(map(len, rows)), [plane, below] * len(rows), 0, 1, heads)
    figure = new_figure(layout.height)
    drawn = [
        [Column("Full dose", real, window), *(Column(name, one, window) for name, one in row.items())] for row in made
    ]
    for number, columns in enumerate(drawn):
        for place, column in enumerate(columns):
            axes = draw_panel(figure, layout.fraction(layout.panel(2 * number, place)), column, plane, spot)
            if place == 0:
                draw_directions(axes, plane, window)
                continue
            difference = Column(column.title, column.voxels - real, errors)
            draw_panel(figure, layout.fraction(layout.panel(2 * number + 1, place)), difference, plane, spot)
        if number:
            draw_heads(figure, layout, 2 * number, [column.title for column in columns])
    draw_titles(figure, layout, drawn[0])
    middle = (layout.columns - 1) // 2
    draw_bar(figure, layout.fraction(layout.bar(0, middle)), window)
    draw_bar(figure, layout.fraction(layout.bar(middle + 1, layout.columns - 1)), errors)
    draw_lines(figure, layout, [], [said])
    return figure


def write_dose_curves(means: Mapping[str, Mapping[float, float]], path: str | Path, *, beside: str) -> Path:
    """Draw PSNR, and its difference to one method, against the dose reduction factor, and write both as PNG.

    Args:
        means: mean PSNR in dB by the method's name and the factor; the same factors for every method.
        path: the PNG, 2000 pixels wide; it is written completely or not at all.
        beside: the method that the right panel subtracts from the others.

    Raises:
        MedSynthError: ``beside`` is not one of the methods, matplotlib is missing, or the file cannot be written.
    """
    return write_png(draw_dose_curves(means, beside=beside), path)


def draw_dose_curves(means: Mapping[str, Mapping[float, float]], *, beside: str) -> Figure:
    """Return the figure of `write_dose_curves`."""
    if beside not in means:
        raise MedSynthError(f"There is no method '{beside}' to compare with; choose one of {', '.join(means)}.")
    legend = 0.2 * -(-len(means) // _LEGEND_COLUMNS)
    height = 3.6 + legend
    figure = new_figure(height)
    place = ((legend + 0.65) / height, 2.6 / height)
    left = figure.add_axes((0.07, place[0], 0.41, place[1]))
    right = figure.add_axes((0.565, place[0], 0.41, place[1]))
    for index, (name, values) in enumerate(means.items()):
        _draw(left, name, values, index)
        _draw(right, name, {factor: value - means[beside][factor] for factor, value in values.items()}, index)
    factors = list(means[beside])
    _frame(left, "PSNR (dB)", factors)
    _frame(right, f"PSNR over {beside} (dB)", factors)
    lines = {str(line.get_label()): line for line in left.get_lines()}
    add_legend(figure, lines, (0.15 + legend) / height, _LEGEND_COLUMNS)
    return figure


def _check(full: Volume, rows: Sequence[Mapping[str, Volume]], lesion: Volume | None) -> None:
    if not rows or not all(rows):
        raise MedSynthError("There is no result to compare; give at least one in each row.")
    others = {name: volume for row in rows for name, volume in row.items()}
    if lesion is not None:
        others["lesion"] = lesion
    for name, volume in others.items():
        if not volume.same_grid(full):
            raise MedSynthError(f"'{name}' lies on another grid than the full dose; resample it first.")


def _draw(axes: Axes, name: str, values: Mapping[float, float], index: int) -> None:
    turn = index // len(_COLOURS) % len(_STROKES)
    axes.plot(
        list(values),
        list(values.values()),
        label=name,
        color=_COLOURS[index % len(_COLOURS)],
        linestyle=_STROKES[turn],
        marker=_DOTS[turn],
        markersize=3.5,
        linewidth=1.2,
    )


def _frame(axes: Axes, title: str, factors: list[float]) -> None:
    """Give a panel its title and a logarithmic axis with the factors on it."""
    from matplotlib.ticker import NullLocator

    axes.set_title(title, fontsize=9.5, parse_math=False)  # it may name a method
    axes.set_xscale("log")
    axes.set_xticks(factors, [f"{factor:g}" for factor in factors])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("Dose reduction factor", fontsize=8.5)
    axes.tick_params(labelsize=7.5, length=3, width=0.6)
    axes.grid(color="#dddddd", linewidth=0.5)
    axes.set_axisbelow(True)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_linewidth(0.6)
