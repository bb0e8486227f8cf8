"""Results of several models between their CT and the real PET, with magnified regions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import gaussian_filter

from medsynth_core.errors import MedSynthError
from medsynth_core.figures.display import Plane, axial, centre_of, oriented, window_for
from medsynth_core.figures.drawing import (
    Column,
    draw_bars,
    draw_directions,
    draw_heads,
    draw_lines,
    draw_panel,
    draw_titles,
    new_figure,
    write_png,
)
from medsynth_core.figures.layout import Layout
from medsynth_core.grid import Grid, resample
from medsynth_core.modality import modality_name
from medsynth_core.volume import Volume

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# More models in a row would be too small; they go into another row.
MODELS_IN_A_ROW = 4
# Colours of the boxes, apart from each other and from the lesion's contour.
_COLOURS = ("#0072b2", "#cc3399", "#009e73", "#8c6d00")
_SIZE = 60.0  # mm: side of a region that is chosen automatically, in a slice at least four times as wide
_AROUND = 1.3  # side of a region around a lesion, relative to the lesion
_BLUR = 5.0  # mm: errors on a smaller scale are taken for noise when a region is chosen


@dataclass(frozen=True)
class Region:
    """A square part of the axial slice to magnify.

    Attributes:
        centre: its middle, RAS in millimetres; of the first region it also chooses the slice.
        size: its side in millimetres.
    """

    centre: tuple[float, float, float]
    size: float = _SIZE


@dataclass(frozen=True)
class Part(Plane):
    """A part of a plane: rows ``top``…``bottom`` - 1 and columns ``left``…``right`` - 1 of its picture."""

    box: tuple[int, int, int, int] = (0, 0, 0, 0)

    @classmethod
    def of(cls, plane: Plane, name: str, box: tuple[int, int, int, int]) -> Part:
        """Take the part in ``box`` (top, bottom, left, right) out of a plane."""
        top, bottom, left, right = box
        same = {field.name: getattr(plane, field.name) for field in fields(Plane)}
        return cls(**{**same, "name": name, "pixels": (right - left, bottom - top)}, box=box)

    def cut(self, array: np.ndarray) -> np.ndarray:
        """Return the part's picture."""
        top, bottom, left, right = self.box
        return super().cut(array)[top:bottom, left:right]


def write_comparison(
    ct: Volume,
    reference: Volume,
    results: Mapping[str, Volume],
    path: str | Path,
    *,
    regions: Sequence[Region] | None = None,
    lesion: Volume | None = None,
) -> Path:
    """Draw an axial slice of each model's result between the CT and the real PET, and write the figure as PNG.

    Below each row of images are magnified regions, whose boxes are drawn on the images. Real and synthetic PET share a
    window and a colour bar; all images are shown on the grid of the CT. More than four models take several rows.

    Args:
        ct: input of the models.
        reference: the real PET, on any grid.
        results: synthetic PET by the model's name, on any grid, in the unit of the reference.
        path: the PNG, 2000 pixels wide; it is written completely or not at all.
        regions: regions to magnify. By default the surroundings of the lesion or of the highest uptake in the slice,
            and the place with the largest mean error of the results.
        lesion: its contour is drawn, and the slice goes through its middle. Otherwise the slice goes through the
            first region, or the middle of the volume.

    Raises:
        MedSynthError: no result, one in another unit or elsewhere, an empty lesion, a region outside the CT,
            matplotlib is missing, or the file cannot be written.
    """
    return write_png(draw_comparison(ct, reference, results, regions=regions, lesion=lesion), path)


def draw_comparison(
    ct: Volume,
    reference: Volume,
    results: Mapping[str, Volume],
    *,
    regions: Sequence[Region] | None = None,
    lesion: Volume | None = None,
) -> Figure:
    """Return the figure of `write_comparison`."""
    _check(reference, results)
    grid = Grid.of(ct)
    given = oriented(ct.voxels, grid)
    real = _on(reference, ct)
    made = {name: _on(result, ct) for name, result in results.items()}
    spot = None if lesion is None else _lesion_on(lesion, ct)
    plane = _slice(grid.oriented(), regions, spot)
    chosen = (
        _boxes(grid.oriented(), plane, regions)
        if regions is not None
        else _worth_seeing(plane, real, list(made.values()), spot)
    )
    window = window_for(reference, [plane.cut(real)])
    first = Column(modality_name(ct.modality, "CT"), given, window_for(ct, [plane.cut(given)]))
    last = Column(f"Real {modality_name(reference.modality, 'PET')}", real, window)
    models = [Column(name, voxels, window) for name, voxels in made.items()]
    blocks = [[first, *some, last] for some in _shared_out(models)]
    parts = [Part.of(plane, f"Region {number}", box) for number, box in enumerate(chosen, start=1)]
    return _draw(blocks, plane, parts, spot)


def _draw(blocks: list[list[Column]], plane: Plane, parts: list[Part], lesion: np.ndarray | None) -> Figure:
    rows = [plane, *parts]
    heads = tuple(range(len(rows), len(rows) * len(blocks), len(rows)))
    said = f"Axial slice {plane.index + 1} from the feet; boxes are magnified below." if parts else ""
    layout = Layout(len(blocks[0]), rows * len(blocks), 0, bool(said), heads)
    figure = new_figure(layout.height)
    for block, columns in enumerate(blocks):
        for number, column in enumerate(columns):
            for row, shown in enumerate(rows, start=block * len(rows)):
                axes = draw_panel(figure, layout.fraction(layout.panel(row, number)), column, shown, lesion)
                if shown is plane:
                    _draw_boxes(axes, parts)
                else:
                    _frame(axes, _COLOURS[(row - block * len(rows) - 1) % len(_COLOURS)])
                if number == 0:
                    draw_directions(axes, shown, column.window)
        if block:
            draw_heads(figure, layout, block * len(rows), [column.title for column in columns])
    draw_titles(figure, layout, blocks[0])
    draw_bars(figure, layout, blocks[0])
    draw_lines(figure, layout, [], [said] if said else [])
    return figure


def _draw_boxes(axes: Axes, parts: list[Part]) -> None:
    """Draw where the regions lie on a whole image."""
    from matplotlib.patches import Rectangle

    for number, part in enumerate(parts):
        top, bottom, left, right = part.box
        # Pixels are centred on whole numbers.
        box = Rectangle((left - 0.5, top - 0.5), right - left, bottom - top, fill=False, linewidth=1.1)
        box.set_edgecolor(_COLOURS[number % len(_COLOURS)])
        axes.add_patch(box)


def _frame(axes: Axes, colour: str) -> None:
    for spine in axes.spines.values():
        spine.set(color=colour, linewidth=1.4)


def _check(reference: Volume, results: Mapping[str, Volume]) -> None:
    if not results:
        raise MedSynthError("There is no result to compare; give the synthetic volume of at least one model.")
    for name, result in results.items():
        if result.unit and reference.unit and result.unit != reference.unit:
            raise MedSynthError(
                f"The result of '{name}' is in {result.unit} but the real one is in {reference.unit}; convert one of "
                "them so that both have the same unit."
            )


def _on(volume: Volume, ct: Volume) -> np.ndarray:
    """Return the voxels of a volume on the CT's grid, in LPS order."""
    if not volume.same_grid(ct):
        volume = resample(volume, ct, fill=float(volume.voxels.min()))
    return oriented(volume.voxels, Grid.of(ct))


def _lesion_on(lesion: Volume, ct: Volume) -> np.ndarray:
    marked = lesion.replace(voxels=(lesion.voxels != 0).astype(np.uint8))
    if not lesion.same_grid(ct):
        marked = resample(marked, ct, order="nearest")
    if not marked.voxels.any():
        raise MedSynthError("The lesion marks no voxel of the CT; check that both belong to the same patient.")
    return oriented(marked.voxels, Grid.of(ct)) != 0


def _slice(grid: Grid, regions: Sequence[Region] | None, lesion: np.ndarray | None) -> Plane:
    """Return the axial plane to show of an oriented grid."""
    centre = centre_of(lesion, grid.shape)
    if lesion is None and regions:
        centre = _voxel(grid, regions[0])
    return axial(grid, centre[0])


def _voxel(grid: Grid, region: Region) -> tuple[int, int, int]:
    """Return the voxel (k, j, i) of an oriented grid at a region's centre."""
    i, j, k = (int(n) for n in np.rint(np.linalg.inv(grid.ijk_to_ras) @ [*region.centre, 1])[:3])
    if not all(0 <= n < size for n, size in zip((k, j, i), grid.shape, strict=True)):
        place = ", ".join(f"{value:g}" for value in region.centre)
        raise MedSynthError(f"The region around ({place}) mm lies outside the CT; choose another centre (RAS).")
    return k, j, i


def _boxes(grid: Grid, plane: Plane, regions: Sequence[Region]) -> list[tuple[int, int, int, int]]:
    return [_box(plane, *_voxel(grid, region)[1:], region.size) for region in regions]


def _box(plane: Plane, row: int, column: int, size: float) -> tuple[int, int, int, int]:
    """Return (top, bottom, left, right) of a square of ``size`` mm around a pixel, moved to lie in the picture."""
    (top, bottom), (left, right) = _span(plane, 1, np.array(row), size), _span(plane, 0, np.array(column), size)
    return int(top), int(bottom), int(left), int(right)


def _span(plane: Plane, axis: int, centre: np.ndarray, size: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the first pixel and the one after the last, across (axis 0) or down (1), of squares around pixels."""
    pixels = plane.pixels[axis]
    length = min(max(round(size / plane.pixel[axis]), 2), pixels)
    start = np.clip(centre - length // 2, 0, pixels - length)
    return start, start + length


def _worth_seeing(
    plane: Plane, real: np.ndarray, made: list[np.ndarray], lesion: np.ndarray | None
) -> list[tuple[int, int, int, int]]:
    """Return boxes around the lesion, or the highest uptake, and around the largest error elsewhere."""
    blur = [_BLUR / size for size in reversed(plane.pixel)]
    truth = plane.cut(real).astype(np.float64)
    size = usual = min(_SIZE, min(plane.millimetres) / 4)
    if lesion is not None:
        found = np.argwhere(plane.cut(lesion))
        extent = (np.ptp(found, axis=0) + 1) * plane.pixel[::-1]
        size = max(size, _AROUND * float(extent.max()))
        row, column = (int(n) for n in (found.min(axis=0) + found.max(axis=0)) // 2)
    else:
        row, column = _highest(gaussian_filter(truth, blur))
    first = _box(plane, row, column, size)
    errors = np.mean([np.abs(gaussian_filter(plane.cut(one) - truth, blur)) for one in made], axis=0)
    errors[_meeting(plane, first, usual)] = 0
    return [first, _box(plane, *_highest(errors), usual)] if errors.any() else [first]


def _meeting(plane: Plane, box: tuple[int, int, int, int], size: float) -> np.ndarray:
    """Return around which pixels (bool, rows and columns) a square of ``size`` mm would overlap ``box``."""
    top, bottom, left, right = box
    tops, bottoms = _span(plane, 1, np.arange(plane.pixels[1]), size)
    lefts, rights = _span(plane, 0, np.arange(plane.pixels[0]), size)
    return np.outer((tops < bottom) & (bottoms > top), (lefts < right) & (rights > left))


def _highest(picture: np.ndarray) -> tuple[int, int]:
    row, column = np.unravel_index(int(picture.argmax()), picture.shape)
    return int(row), int(column)


def _shared_out(models: list[Column]) -> list[list[Column]]:
    """Return the models in as few rows as can be, as even as can be."""
    rows = math.ceil(len(models) / MODELS_IN_A_ROW)
    length = math.ceil(len(models) / rows)
    return [models[start : start + length] for start in range(0, len(models), length)]
