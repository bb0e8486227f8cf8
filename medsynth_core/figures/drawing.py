"""Drawing of a report's figure with matplotlib's object interface."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from medsynth_core.errors import MedSynthError
from medsynth_core.figures.captions import WARNING, unit_name
from medsynth_core.figures.display import Plane, Window, rounded
from medsynth_core.figures.layout import DPI, WIDTH, Box, Layout
from medsynth_core.io.atomic import atomic_write

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_CONTOUR = "#ff8c00"
_WARNING = "#b3001b"
_FRAME = "#808080"


@dataclass(frozen=True)
class Column:
    """A column of the figure: title, voxels in LPS order, and window."""

    title: str
    voxels: np.ndarray
    window: Window


def new_figure(height: float) -> Figure:
    """Return an empty figure of the standard width and the given ``height`` in inches.

    Raises:
        MedSynthError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MedSynthError(
            "Figures need matplotlib, which is not installed; run: pip install 'medsynth-core[figures]'.",
            kind="output",
        ) from error
    return Figure(figsize=(WIDTH, height), dpi=DPI, facecolor="white")


def write_png(figure: Figure, path: str | Path) -> Path:
    """Write a figure as PNG, 2000 pixels wide, atomically.

    Raises:
        MedSynthError: the file cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    with atomic_write(path) as whole:
        FigureCanvasAgg(figure).print_png(whole)
    return Path(path)


def draw_panel(figure: Figure, place: Box, column: Column, plane: Plane, lesion: np.ndarray | None) -> Axes:
    """Draw a plane of a column in ``place`` (fractions of the figure), with the lesion's contour."""
    axes = figure.add_axes(place)
    axes.imshow(
        plane.cut(column.voxels),
        cmap=column.window.colours,
        vmin=column.window.low,
        vmax=column.window.high,
        aspect=plane.pixel[1] / plane.pixel[0],
        interpolation="bilinear",
    )
    if lesion is not None and plane.cut(lesion).any():
        axes.contour(plane.cut(lesion), levels=[0.5], colors=_CONTOUR, linewidths=0.9)
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set(color=_FRAME, linewidth=0.6)
    return axes


def draw_directions(axes: Axes, plane: Plane, window: Window) -> None:
    """Draw the letters of the patient's sides at the edges of a panel, and a scale bar."""
    from matplotlib.patheffects import withStroke

    # Inverted colour maps have a light background.
    ink, rim = ("black", "white") if window.colours.endswith("_r") else ("white", "black")
    style: dict[str, Any] = {
        "transform": axes.transAxes,
        "color": ink,
        "path_effects": [withStroke(linewidth=1.8, foreground=rim)],
        "parse_math": False,
    }
    left, right, top, bottom = plane.sides
    axes.text(0.02, 0.5, left, ha="left", va="center", fontsize=8, fontweight="bold", **style)
    axes.text(0.98, 0.5, right, ha="right", va="center", fontsize=8, fontweight="bold", **style)
    axes.text(0.5, 0.98, top, ha="center", va="top", fontsize=8, fontweight="bold", **style)
    axes.text(0.5, 0.02, bottom, ha="center", va="bottom", fontsize=8, fontweight="bold", **style)
    width = plane.millimetres[0]
    length = rounded(width / 6)
    axes.plot([0.04, 0.04 + length / width], [0.05, 0.05], transform=axes.transAxes, color=ink, linewidth=2)
    axes.text(0.04, 0.07, f"{length:g} mm", ha="left", va="bottom", fontsize=6.5, **style)


def draw_bar(figure: Figure, place: Box, window: Window) -> None:
    """Draw a horizontal colour bar in ``place`` (fractions of the figure), with its unit."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    axes = figure.add_axes(place)
    values = ScalarMappable(Normalize(window.low, window.high), cmap=window.colours)
    bar = figure.colorbar(values, cax=axes, orientation="horizontal", extend="both" if window.low else "max")
    bar.ax.tick_params(labelsize=7, length=2, width=0.5, pad=1.5)
    bar.outline.set_linewidth(0.5)
    bar.set_label(unit_name(window.unit), fontsize=7.5, labelpad=1, parse_math=False)


def draw_bars(figure: Figure, layout: Layout, columns: list[Column]) -> None:
    """Draw a colour bar below the last row for each window; adjacent columns with the same window share one."""
    first = 0
    for last, column in enumerate(columns):
        if last + 1 < len(columns) and columns[last + 1].window is column.window:
            continue
        draw_bar(figure, layout.fraction(layout.bar(first, last)), column.window)
        first = last + 1


def draw_titles(figure: Figure, layout: Layout, columns: list[Column]) -> None:
    """Draw the warning, the column titles and the row names."""
    height = layout.height
    bold = {"fontsize": 11, "fontweight": "bold", "color": _WARNING}
    figure.text(0.5, 1 - 0.12 / height, WARNING, bold, ha="center", va="top", parse_math=False)
    draw_heads(figure, layout, 0, [column.title for column in columns])
    for row, plane in enumerate(layout.rows):
        left, bottom, _, tall = layout.panel(row, 0)
        x, y = (left - 0.08) / WIDTH, (bottom + tall / 2) / height
        name = plane.name[:1].upper() + plane.name[1:]
        figure.text(x, y, name, ha="right", va="center", rotation=90, fontsize=9, parse_math=False)


def draw_heads(figure: Figure, layout: Layout, row: int, titles: Sequence[str]) -> None:
    """Draw the column titles above a row, in a smaller font if they do not fit."""
    for number, title in enumerate(titles):
        left, bottom, width, tall = layout.panel(row, number)
        x, y = (left + width / 2) / WIDTH, (bottom + tall + 0.06) / layout.height
        # A letter is about 0.6 times as wide as the font size.
        size = min(10.0, max(5.0, 72 * width / (0.6 * max(len(title), 1))))
        figure.text(x, y, title, ha="center", va="bottom", fontsize=size, parse_math=False)


def draw_lines(figure: Figure, layout: Layout, lines: list[str], small: list[str]) -> None:
    """Draw the metrics and the small print below the colour bars."""
    for number, line in enumerate(lines):
        left, top = layout.text(number)
        figure.text(left / WIDTH, top / layout.height, line, va="top", fontsize=8.5, parse_math=False)
    for number, line in enumerate(small):
        left, top = layout.small(number)
        x, y = left / WIDTH, top / layout.height
        figure.text(x, y, line, va="top", fontsize=6, color="#404040", parse_math=False)
