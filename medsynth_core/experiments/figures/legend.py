"""Legend below the panels of a figure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D


def add_legend(figure: Figure, lines: Mapping[str, Line2D], top: float, columns: int) -> None:
    """Add a legend to a figure.

    Args:
        figure: figure to draw in.
        lines: sample line or marker for each label; labels may contain any characters.
        top: upper edge of the legend, as a fraction of the figure's height.
        columns: number of columns.
    """
    legend = figure.legend(
        list(lines.values()),
        list(lines),
        loc="upper left",
        bbox_to_anchor=(0.06, top),
        ncols=columns,
        fontsize=8,
        frameon=False,
        borderaxespad=0,
        handlelength=2.6,
    )
    for text in legend.get_texts():
        # Names of runs may contain a dollar sign.
        text.set_parse_math(False)
