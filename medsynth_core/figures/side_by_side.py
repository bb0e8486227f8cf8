"""Source, reference, synthetic image and difference side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from medsynth_core.errors import MedSynthError
from medsynth_core.figures.captions import small_print
from medsynth_core.figures.display import Plane, centre_of, difference_window, oriented, planes, window_for
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
from medsynth_core.io.atomic import check_place
from medsynth_core.modality import modality_name
from medsynth_core.volume import Volume

if TYPE_CHECKING:
    import numpy as np

_SMALL_PRINT_CHARACTERS = 215


@dataclass(frozen=True, eq=False)
class Compared:
    """A synthetic volume and its reference, with the text of their figure.

    Attributes:
        reference: the real volume.
        synthetic: the synthetic volume, on the same grid.
        lesion: bool (k, j, i) on the same grid, or None.
        lines: lines below the images.
        notes: notes, in small print below the lines.
        limits: the model's limits, in small print below the notes.
    """

    reference: Volume
    synthetic: Volume
    lesion: np.ndarray | None = None
    lines: Sequence[str] = ()
    notes: Sequence[str] = ()
    limits: Sequence[str] = ()


def check_figure(path: Path) -> None:
    """Check, before long work, that a figure can be written to ``path``, and that the file there is no image or table.

    Raises:
        MedSynthError: the name does not end with ``.png``, or the file cannot be written.
    """
    if path.suffix.lower() != ".png":
        raise MedSynthError(f"{path} cannot be written: the name of a figure must end with .png.", kind="output")
    check_place(path)


def write_figure(parts: Compared, path: Path, source: Volume | None = None) -> Path:
    """Draw reference, synthetic image and their difference side by side and write them as PNG, 2000 pixels wide.

    Args:
        parts: the volumes and the text below them.
        path: PNG file to write, atomically.
        source: the input of the synthesis, on any grid; drawn first.

    Raises:
        MedSynthError: matplotlib is not installed, the file cannot be written, or the source does not overlap the
            reference.
    """
    grid = Grid.of(parts.reference)
    lesion = None if parts.lesion is None else oriented(parts.lesion, grid)
    rows = planes(grid.oriented(), centre_of(lesion, grid.oriented().shape))
    columns = _columns(parts, source, rows)
    small = small_print(parts.notes, parts.limits, _SMALL_PRINT_CHARACTERS)
    return _render(path, columns, rows, lesion, list(parts.lines), small)


def write_preview(source: Volume, synthetic: Volume, path: Path) -> Path:
    """Draw a synthetic volume beside its source, and its usual error if it has one, and write them as PNG.

    Args:
        source: the input of the synthesis, on the same grid.
        synthetic: the synthetic volume; the ``limits`` in its metadata are printed below.
        path: PNG file to write, atomically.

    Raises:
        MedSynthError: matplotlib is not installed, or the file cannot be written.
    """
    grid = Grid.of(synthetic)
    rows = planes(grid.oriented(), centre_of(None, grid.oriented().shape))
    shown = [
        (modality_name(source.modality, "Source"), source),
        (f"Synthetic {modality_name(synthetic.modality, 'volume')}", synthetic),
    ]
    if synthetic.uncertainty is not None:
        shown.append(("Usual error at this value", synthetic.uncertainty))
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


def _columns(parts: Compared, source: Volume | None, rows: list[Plane]) -> list[Column]:
    """Return the columns from left to right; reference and synthetic share one window."""
    grid = Grid.of(parts.reference)
    reference, synthetic = (oriented(v.voxels, grid) for v in (parts.reference, parts.synthetic))
    # Unsigned or small integers would overflow.
    difference = synthetic.astype("float64") - reference
    window = window_for(parts.reference, [plane.cut(reference) for plane in rows])
    name = modality_name(parts.reference.modality, modality_name(parts.synthetic.modality, "volume"))
    shown = difference_window([plane.cut(difference) for plane in rows], window.unit)
    columns = [
        Column(f"Reference {name}", reference, window),
        Column(f"Synthetic {name}", synthetic, window),
        Column("Synthetic − reference", difference, shown),
    ]
    if source is None:
        return columns
    if not source.same_grid(parts.reference):
        source = resample(source, parts.reference, fill=float(source.voxels.min()))
    given = oriented(source.voxels, grid)
    given_window = window_for(source, [plane.cut(given) for plane in rows])
    title = modality_name(source.modality, "Input")
    return [Column(f"Input {name}" if title == name else title, given, given_window), *columns]
