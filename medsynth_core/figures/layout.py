"""Layout of a report's figure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from medsynth_core.figures.display import Plane

WIDTH = 10.0  # inches
DPI = 200
TOP = 0.66
_LEFT, _RIGHT, _GAP = 0.36, 0.12, 0.08
_BARS, _LINE, _SMALL_LINE, _MARGIN = 0.55, 0.19, 0.125, 0.08
_HEAD = 0.22  # space for column titles above a row other than the first
_TALLEST = 2.2  # largest ratio of a panel's height to its width

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Layout:
    """Boxes as (left, bottom, width, height) in inches from the figure's lower left corner.

    Attributes:
        columns: number of panels per row.
        rows: plane of each row.
        text_lines: number of lines with metrics below the colour bars.
        small_lines: number of lines of small print below the metrics.
        heads: rows after the first with column titles above them.
    """

    columns: int
    rows: Sequence[Plane]
    text_lines: int
    small_lines: int
    heads: tuple[int, ...] = ()

    @property
    def panel_width(self) -> float:
        """Width of every panel."""
        return (WIDTH - _LEFT - _RIGHT - (self.columns - 1) * _GAP) / self.columns

    def panel_height(self, row: int) -> float:
        """Height of the panels in a row, for an isotropic scale."""
        across, down = self.rows[row].millimetres
        return self.panel_width * min(down / across, _TALLEST)

    @property
    def foot(self) -> float:
        """Height of the text below the colour bars."""
        return 2 * _MARGIN + self.text_lines * _LINE + self.small_lines * _SMALL_LINE

    @property
    def height(self) -> float:
        """Height of the figure."""
        return TOP + self._above(len(self.rows)) + _BARS + self.foot

    def _above(self, row: int) -> float:
        """Distance from the top of the first row to the top of ``row``."""
        panels = sum(self.panel_height(r) + _GAP for r in range(row))
        return panels + _HEAD * sum(head <= row for head in self.heads)

    def panel(self, row: int, column: int) -> Box:
        """Return the box of a panel."""
        bottom = self.height - TOP - self._above(row) - self.panel_height(row)
        return _LEFT + column * (self.panel_width + _GAP), bottom, self.panel_width, self.panel_height(row)

    def bar(self, first: int, last: int) -> Box:
        """Return the box of the colour bar below columns ``first``…``last``."""
        left, right = self.panel(0, first)[0], self.panel(0, last)[0] + self.panel_width
        inset = 0.12 * self.panel_width
        return left + inset, self.foot + _BARS - 0.17, right - left - 2 * inset, 0.09

    def text(self, line: int) -> tuple[float, float]:
        """Return the left and top position of a line of metrics."""
        return _LEFT, self.foot - _MARGIN - line * _LINE

    def small(self, line: int) -> tuple[float, float]:
        """Return the left and top position of a line of small print."""
        return _LEFT, self.foot - _MARGIN - self.text_lines * _LINE - line * _SMALL_LINE

    def fraction(self, box: Box) -> Box:
        """Return a box in fractions of the figure, as required by matplotlib."""
        left, bottom, width, height = box
        return left / WIDTH, bottom / self.height, width / WIDTH, height / self.height
