"""Parallel-beam projection of transaxial slices as a sparse matrix, and its exact adjoint.

Implemented here because parallelproj is not on the Python package index, so Slicer cannot install it, and because
scikit-image's ``radon`` takes one slice at a time and lacks the adjoint that OSEM needs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from medsynth_core.errors import MedSynthError

# Sinograms of PET scanners have 168 to 420 angles. Small images need a minimum too, because OSEM divides the angles.
FEWEST_ANGLES, MOST_ANGLES = 96, 320
# Largest number of weights of a matrix, 8 bytes each.
MOST_WEIGHTS = 160e6
# Golden ratio: each multiple, modulo 1, is far from all previous ones.
GOLDEN = (5**0.5 - 1) / 2


@dataclass(frozen=True, eq=False)
class Subset:
    """A subset of the angles of a projector.

    Attributes:
        rows: position of its rays in the full sinogram.
        matrix: (rays, pixels) float32: length of a ray within a pixel in mm, averaged over the bin width.
    """

    rows: slice
    matrix: sparse.csr_array


@dataclass(frozen=True, eq=False)
class Projector:
    """Line integrals through the slices of a grid.

    A weight is the area of overlap between a pixel and a strip one bin wide, divided by the bin width. A slice and its
    projection therefore have the same total activity at any angle and pixel shape.

    Attributes:
        pixel: pixel size in mm along rows and columns (j, i).
        bin_mm: bin width in mm.
        bins: number of bins per angle.
        angles: projection angles in radians, in the order of `subsets`.
        subsets: parts of the matrix, each with angles spread over 180°; consecutive subsets have distant angles, which
            makes OSEM converge faster (Hudson & Larkin, IEEE Trans Med Imaging 13:601, 1994).
    """

    pixel: tuple[float, float]
    bin_mm: float
    bins: int
    angles: np.ndarray
    subsets: tuple[Subset, ...]

    def forward(self, slices: np.ndarray) -> np.ndarray:
        """Return the sinograms (angles × bins, slices), value × mm, of ``slices`` (pixels j × i, slices)."""
        return np.concatenate([part.matrix @ slices for part in self.subsets])

    def adjoint(self, sinograms: np.ndarray) -> np.ndarray:
        """Return the transposed matrix times ``sinograms`` (angles × bins, slices): (pixels j × i, slices)."""
        first, *others = self.subsets
        result = first.matrix.T @ sinograms[first.rows]
        for part in others:
            result += part.matrix.T @ sinograms[part.rows]
        return result


def make_projector(
    shape: tuple[int, int], pixel: tuple[float, float], *, subsets: int = 1, angles: int | None = None
) -> Projector:
    """Return the projector for slices of ``shape`` (rows j, columns i) with pixels of size ``pixel`` (mm; j, i).

    Bins are as wide as the shorter side of a pixel and cover the diagonal of the slice. Unless stated, the number of
    angles over 180° is the number of bins along the longer side of the slice (neighbouring angles are then one bin
    apart at about a third of the radius of the field of view), limited to 96…320.

    Raises:
        MedSynthError: the matrix would need more than 1.3 GB (above about 460 × 460 pixels).
    """
    bin_mm = min(pixel)
    sides = np.array(shape) * pixel
    if angles is None:
        angles = int(np.clip(np.ceil(sides.max() / bin_mm), FEWEST_ANGLES, MOST_ANGLES))
    # Mean number of bins that a pixel projects onto.
    touched = 1 + 2 / np.pi * sum(pixel) / bin_mm
    if shape[0] * shape[1] * angles * touched > MOST_WEIGHTS:
        raise MedSynthError(
            f"A slice of {shape[0]} × {shape[1]} pixels is too large to project; resample the PET to the matrix size "
            "of its scanner (at most about 400 × 400), or choose the method image-space."
        )
    bins = int(np.ceil(np.hypot(*sides) / bin_mm)) + 1
    parts, ordered, row = [], [], 0
    for first in np.argsort(np.arange(subsets) * GOLDEN % 1):
        chosen = np.arange(first, angles, subsets) * np.pi / angles
        rows = slice(row, row + chosen.size * bins)
        parts.append(Subset(rows, _matrix(shape, pixel, chosen, bins, bin_mm)))
        ordered.append(chosen)
        row = rows.stop
    return Projector(pixel, bin_mm, bins, np.concatenate(ordered), tuple(parts))


def _matrix(
    shape: tuple[int, int], pixel: tuple[float, float], angles: np.ndarray, bins: int, bin_mm: float
) -> sparse.csr_array:
    """Return the rows of the matrix for some angles, (angles × bins, pixels)."""
    (dj, di), area = pixel, pixel[0] * pixel[1]
    y, x = np.meshgrid(*[(np.arange(n) - (n - 1) / 2) * d for n, d in zip(shape, pixel, strict=True)], indexing="ij")
    pixels = np.arange(x.size)
    weights, rows, columns = [], [], []
    for number, angle in enumerate(angles):
        wide, narrow = sorted((di * abs(np.cos(angle)), dj * abs(np.sin(angle))), reverse=True)
        # Avoid division by 0 when a side is seen edge-on.
        narrow = max(narrow, 1e-4 * wide)
        centre = (x * np.cos(angle) + y * np.sin(angle)).ravel()
        reach = (wide + narrow) / 2
        first = np.floor((centre - reach) / bin_mm + bins / 2).astype(np.int64)
        touched = first[:, None] + np.arange(int(np.ceil(2 * reach / bin_mm)) + 2)
        share = np.diff(_projected_share((touched - bins / 2) * bin_mm - centre[:, None], wide, narrow), axis=1)
        kept = share > 1e-6
        weights.append((share[kept] * (area / bin_mm)).astype(np.float32))
        rows.append((number * bins + touched[:, :-1][kept]).astype(np.int32))
        columns.append(np.broadcast_to(pixels[:, None], share.shape)[kept].astype(np.int32))
    entries = np.concatenate(weights), (np.concatenate(rows), np.concatenate(columns))
    return sparse.coo_array(entries, shape=(angles.size * bins, x.size)).tocsr()


def _projected_share(place: np.ndarray, wide: float, narrow: float) -> np.ndarray:
    """Return the fraction of a pixel's projection that lies below ``place`` (mm from its centre).

    The projection of a rectangle is that of one side (``wide`` mm) convolved with that of the other (``narrow`` mm).
    """
    outer, inner = (wide + narrow) / 2, (wide - narrow) / 2

    def rise(start: float) -> np.ndarray:
        return np.maximum(place + start, 0) ** 2 / 2

    return (rise(outer) - rise(inner) - rise(-inner) + rise(-outer)) / (wide * narrow)
