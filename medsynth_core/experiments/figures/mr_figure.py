"""CT, real MR, synthetic MR and their difference for several cases (as Dong et al. 2020 show them)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from medsynth_core.errors import MedSynthError
from medsynth_core.evaluation.alignment import align
from medsynth_core.evaluation.presets import measured_by
from medsynth_core.figures.display import Plane, Window, axial, difference_window, oriented, window_for
from medsynth_core.figures.drawing import (
    Column,
    draw_bars,
    draw_directions,
    draw_lines,
    draw_panel,
    draw_titles,
    new_figure,
    write_png,
)
from medsynth_core.figures.layout import Layout
from medsynth_core.grid import Grid, resample
from medsynth_core.metrics.dong2020 import GREY
from medsynth_core.volume import Volume

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_UNIT = "grey levels"


@dataclass(frozen=True)
class MRCase:
    """Volumes of one case: ``ct`` and the real MR, ``reference``, on any grid, and the ``synthetic`` MR."""

    ct: Volume
    reference: Volume
    synthetic: Volume


@dataclass(frozen=True)
class _Row:
    """Content of a row: a plane, and arrays in LPS order."""

    plane: Plane
    ct: np.ndarray
    real: np.ndarray
    made: np.ndarray

    @property
    def difference(self) -> np.ndarray:
        return self.made - self.real


def write_mr_figure(cases: Mapping[str, MRCase], path: str | Path) -> Path:
    """Draw an axial slice of each case in a row, and write the figure as PNG.

    From left to right: CT, real MR, synthetic MR, and synthetic minus real, blue below zero and red above.
    MR values are grey levels of the preset ``dong2020`` (`presets.measured_by`), so that all cases share
    their windows and colour bars. The slice is the middle one of those in which the real MR is not only background.

    Args:
        cases: cases by name, in the order of the rows.
        path: the PNG, 2000 pixels wide; it is written completely or not at all.

    Raises:
        MedSynthError: no case, volumes of a case that do not overlap, a constant reference, matplotlib is
            missing, or the file cannot be written.
    """
    return write_png(draw_mr_figure(cases), path)


def draw_mr_figure(cases: Mapping[str, MRCase]) -> Figure:
    """Return the figure of `write_mr_figure`."""
    if not cases:
        raise MedSynthError("There is no case to draw; give CT, real and synthetic MR of at least one.")
    rows = [_row(name, case) for name, case in cases.items()]
    ct = window_for(next(iter(cases.values())).ct, [row.plane.cut(row.ct) for row in rows])
    grey = Window("gray", 0.0, GREY, _UNIT)
    spread = difference_window([row.plane.cut(row.difference) for row in rows], _UNIT)
    said = [f"Axial slices; {GREY:g} grey levels are the range of each real MR from its minimum to its maximum."]
    layout = Layout(4, [row.plane for row in rows], 0, len(said))
    figure = new_figure(layout.height)
    for number, row in enumerate(rows):
        columns = [
            Column("CT", row.ct, ct),
            Column("Real MRI", row.real, grey),
            Column("Synthetic MRI", row.made, grey),
            Column("Synthetic − real", row.difference, spread),
        ]
        for place, column in enumerate(columns):
            axes = draw_panel(figure, layout.fraction(layout.panel(number, place)), column, row.plane, None)
            if place == 0:
                draw_directions(axes, row.plane, column.window)
    draw_titles(figure, layout, columns)
    draw_bars(figure, layout, columns)
    draw_lines(figure, layout, [], said)
    return figure


def _row(name: str, case: MRCase) -> _Row:
    pair = measured_by("dong2020", align(case.synthetic, case.reference, None, None))
    grid = Grid.of(pair.reference)
    ct = case.ct
    if not ct.same_grid(pair.reference):
        ct = resample(ct, pair.reference, fill=float(ct.voxels.min()))
    given, real, made = (oriented(volume.voxels, grid) for volume in (ct, pair.reference, pair.synthetic))
    filled = np.flatnonzero(real.any(axis=(1, 2)))
    plane = axial(grid.oriented(), int(filled[0] + filled[-1]) // 2)
    return _Row(replace(plane, name=name), given, real, made)
