"""The figure of a report: source, reference, synthetic and difference side by side."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from medsynth_core.evaluation.captions import lesion_line, metric_line, modality_name, small_print
from medsynth_core.evaluation.display import Plane, centre_of, difference_window, oriented, planes, window_for
from medsynth_core.evaluation.drawing import (
    Column,
    draw_bars,
    draw_directions,
    draw_lines,
    draw_panel,
    draw_titles,
    new_figure,
    write_png,
)
from medsynth_core.evaluation.layout import Layout
from medsynth_core.preparation.grid import Grid, resample
from medsynth_core.volume import Volume

if TYPE_CHECKING:
    import numpy as np

    from medsynth_core.evaluation.report import Report

_SMALL_PRINT_CHARACTERS = 215


def write_figure(report: Report, path: Path, source: Volume | None = None) -> Path:
    """Draw the figure of a report and write it as PNG, 2000 pixels wide.

    Args:
        report: its pair gives grid, lesion and voxels; its metrics, settings and limits give the text.
        path: the PNG; it appears only when it is whole.
        source: the volume that the synthetic one was made from, on any grid.

    Raises:
        MedSynthError: matplotlib is not installed, the file cannot be written, or the source lies elsewhere.
    """
    grid = Grid.of(report.pair.reference)
    lesion = None if report.pair.lesion is None else oriented(report.pair.lesion, grid)
    rows = planes(grid.oriented(), centre_of(lesion, grid.oriented().shape))
    columns = _columns(report, source, rows)
    lines = [line for line in (metric_line(report), lesion_line(report)) if line]
    small = small_print(report.settings["notes"], report.limits, _SMALL_PRINT_CHARACTERS)
    return _render(path, columns, rows, lesion, lines, small)


def write_preview(source: Volume, synthetic: Volume, path: Path) -> Path:
    """Draw a synthetic volume beside its source, and its uncertainty where it has one, and write it as PNG.

    Args:
        source: the volume that the synthetic one was made from, on the same grid.
        synthetic: its metadata's ``limits`` are printed below.
        path: the PNG; it appears only when it is whole.

    Raises:
        MedSynthError: matplotlib is not installed, or the file cannot be written.
    """
    grid = Grid.of(synthetic)
    rows = planes(grid.oriented(), centre_of(None, grid.oriented().shape))
    shown = [(modality_name(source, "Source"), source), (f"Synthetic {modality_name(synthetic, 'volume')}", synthetic)]
    if synthetic.uncertainty is not None:
        shown.append(("Expected error", synthetic.uncertainty))
    columns = []
    for title, volume in shown:
        voxels = oriented(volume.voxels, grid)
        columns.append(Column(title, voxels, window_for(volume, [plane.cut(voxels) for plane in rows])))
    limits = [str(limit) for limit in synthetic.metadata.get("limits", [])]
    return _render(path, columns, rows, None, [], small_print([], limits, _SMALL_PRINT_CHARACTERS))


def _render(
    path: Path,
    columns: list[Column],
    rows: list[Plane],
    lesion: np.ndarray | None,
    lines: list[str],
    small: list[str],
) -> Path:
    layout = Layout(len(columns), rows, len(lines), len(small))
    figure = new_figure(layout.height)
    for row, plane in enumerate(rows):
        for number, column in enumerate(columns):
            axes = draw_panel(figure, layout.fraction(layout.panel(row, number)), column, plane, lesion)
            if number == 0:
                draw_directions(axes, plane, column.window)
    draw_titles(figure, layout, columns)
    draw_bars(figure, layout, columns)
    draw_lines(figure, layout, lines, small)
    return write_png(figure, path)


def _columns(report: Report, source: Volume | None, rows: list[Plane]) -> list[Column]:
    """Return the columns from left to right; reference and synthetic share one window."""
    pair = report.pair
    grid = Grid.of(pair.reference)
    reference, synthetic = (oriented(v.voxels, grid) for v in (pair.reference, pair.synthetic))
    # Unsigned or narrow integers would wrap around.
    difference = synthetic.astype("float64") - reference
    window = window_for(pair.reference, [plane.cut(reference) for plane in rows])
    name = modality_name(pair.reference, modality_name(pair.synthetic, "volume"))
    shown = difference_window([plane.cut(difference) for plane in rows], window.unit)
    columns = [
        Column(f"Reference {name}", reference, window),
        Column(f"Synthetic {name}", synthetic, window),
        Column("Synthetic − reference", difference, shown),
    ]
    if source is None:
        return columns
    if not source.same_grid(pair.reference):
        source = resample(source, pair.reference, fill=float(source.voxels.min()))
    given = oriented(source.voxels, grid)
    given_window = window_for(source, [plane.cut(given) for plane in rows])
    title = modality_name(source, "Input")
    return [Column(f"Input {name}" if title == name else title, given, given_window), *columns]
