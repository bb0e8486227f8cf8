"""Display of volumes: anatomical planes, windows and colour maps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medsynth_core.grid import Grid, resample_array
from medsynth_core.volume import Volume

# Smallest ratio of a plane's short to its long side; thinner planes are not shown.
_THINNEST = 0.1


@dataclass(frozen=True)
class Window:
    """Colour map, range of values and their unit."""

    colours: str
    low: float
    high: float
    unit: str


@dataclass(frozen=True)
class Plane:
    """A plane through arrays in LPS order (k up, j to the back, i to the left), in radiological orientation.

    Attributes:
        name: ``axial``, ``coronal`` or ``sagittal``.
        axis: axis of the array perpendicular to the plane.
        index: index of the plane along this axis.
        sides: letters of the patient's sides at the left, right, top and bottom of the picture.
        pixel: width and height of a pixel in millimetres.
        pixels: number of columns and rows.
    """

    name: str
    axis: int
    index: int
    sides: tuple[str, str, str, str]
    pixel: tuple[float, float]
    pixels: tuple[int, int]

    @property
    def millimetres(self) -> tuple[float, float]:
        """Width and height of the picture in millimetres."""
        return self.pixel[0] * self.pixels[0], self.pixel[1] * self.pixels[1]

    def cut(self, array: np.ndarray) -> np.ndarray:
        """Return the picture; its first row is the top: front or head."""
        picture = array.take(self.index, axis=self.axis)
        return picture if self.axis == 0 else picture[::-1]


def planes(grid: Grid, centre: tuple[int, int, int]) -> list[Plane]:
    """Return the two planes to show through ``centre`` (k, j, i) of an oriented grid.

    Axial and coronal; if the volume is too thin for one of them, sagittal instead. A single axial slice gives one
    plane.
    """
    i, j, k = (float(step) for step in grid.spacing)
    n_k, n_j, n_i = grid.shape
    every = [
        axial(grid, centre[0]),
        Plane("coronal", 1, centre[1], ("R", "L", "S", "I"), (i, k), (n_i, n_k)),
        Plane("sagittal", 2, centre[2], ("A", "P", "S", "I"), (j, k), (n_j, n_k)),
    ]
    worth = [plane for plane in every if min(plane.millimetres) >= _THINNEST * max(plane.millimetres)]
    return worth[:2] or [max(every, key=lambda plane: min(plane.millimetres))]


def axial(grid: Grid, index: int) -> Plane:
    """Return the axial plane ``index`` (from the feet) of an oriented grid, however thin it is."""
    i, j, _ = (float(step) for step in grid.spacing)
    _, n_j, n_i = grid.shape
    return Plane("axial", 0, index, ("R", "L", "A", "P"), (i, j), (n_i, n_j))


def oriented(array: np.ndarray, grid: Grid) -> np.ndarray:
    """Return ``array`` (k, j, i on ``grid``) with axes reordered and flipped to be closest to LPS, not interpolated."""
    return resample_array(array, grid, grid.oriented(), order="nearest")


def centre_of(lesion: np.ndarray | None, shape: tuple[int, int, int]) -> tuple[int, int, int]:
    """Return the lesion's voxel (k, j, i) nearest to its centroid, or the middle of the volume."""
    if lesion is None:
        return shape[0] // 2, shape[1] // 2, shape[2] // 2
    voxels = np.argwhere(lesion)
    nearest = voxels[((voxels - voxels.mean(axis=0)) ** 2).sum(axis=1).argmin()]
    return int(nearest[0]), int(nearest[1]), int(nearest[2])


def window_for(volume: Volume, pictures: list[np.ndarray]) -> Window:
    """Return the window for ``pictures`` of a volume.

    PET: inverted grey from zero to the 99.9th percentile, rounded up; CT: soft-tissue window; others: from the 1st to
    the 99th percentile.
    """
    shown = np.concatenate([picture.ravel() for picture in pictures])
    if volume.unit.startswith("SUV") or volume.modality == "PT":
        return Window("gray_r", 0.0, rounded(float(np.percentile(shown, 99.9))), volume.unit)
    if volume.unit == "HU" or volume.modality == "CT":
        return Window("gray", -160.0, 240.0, volume.unit)
    low, high = (float(value) for value in np.percentile(shown, (1, 99)))
    return Window("gray", low, high if high > low else low + 1.0, volume.unit)


def difference_window(differences: list[np.ndarray], unit: str) -> Window:
    """Return a symmetric window around 0 for nearly all of the differences: blue is negative, red positive."""
    shown = np.concatenate([np.abs(difference).ravel() for difference in differences])
    reach = rounded(float(np.percentile(shown, 99.5)))
    return Window("RdBu_r", -reach, reach, unit)


def rounded(value: float) -> float:
    """Return ``value`` rounded up to a number that is easy to read on a scale; 1 if it is not above zero."""
    if value <= 0:
        return 1.0
    power = 10.0 ** np.floor(np.log10(value))
    return float(next(step for step in (1, 1.5, 2, 3, 4, 5, 6, 8, 10) if value <= step * power * (1 + 1e-9)) * power)
