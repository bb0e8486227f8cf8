"""From images to what the network gets, and back onto the grid of the first image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from .body import PET_SEED_SUV, PET_SMOOTHING, activity_mask, body_box, body_boxes, body_mask
from .grid import EXACT, Grid, overlap, resample
from .memory import check_grid
from .refusal import RefusalError
from .settings import Image, Settings

# Lower values of a CT are padding.
LOWEST_HU = -1024.0
AIR_HU = -1000.0


@dataclass(frozen=True, eq=False)
class Scan:
    """Voxels (k, j, i) in the unit of an input, and their grid."""

    voxels: np.ndarray
    grid: Grid


@dataclass(frozen=True, eq=False)
class Prepared:
    """What the network gets.

    Attributes:
        voxels: (inputs, k, j, i) float32 network values.
        body: (k, j, i) bool.
        grid: grid of ``voxels``.
        source: grid of the first input.
        boxes: (k, 4) rows and columns of each slice that a network for slices sees; None for whole slices.
    """

    voxels: np.ndarray
    body: np.ndarray
    grid: Grid
    source: Grid
    boxes: np.ndarray | None = None

    def restore(self, mapped: np.ndarray, image: Image) -> np.ndarray:
        """Return what the network made of an output (k, j, i), in its unit and on the grid of the first input."""
        values = image.inverse(mapped)
        values[~self.body] = image.nothing
        return resample(values, self.grid, self.source, fill=image.nothing)


def prepare(scans: Mapping[str, Scan], settings: Settings) -> Prepared:
    """Return the scans (by role) as the network gets them.

    Raises:
        RefusalError: two of them do not overlap, a PET shows no patient, or memory does not suffice.
    """
    first, is_activity = scans[settings.first.role], settings.first.modality == "PT"
    grid = _model_grid(first.grid, settings)
    check_grid(grid.shape, len(settings.inputs) + len(settings.outputs))
    made = (_activity if is_activity else _image)(first, grid, settings)
    others = [_beside(scans.get(image.role), image, made) for image in settings.inputs[1:]]
    if is_activity:
        for image, voxels in zip(settings.inputs[1:], others, strict=True):
            voxels[~made.body] = image.empty
    made = replace(made, voxels=np.stack([made.voxels[0], *others]))
    return _narrowed(made, settings) if is_activity and settings.facts["slab"] else made


def _model_grid(grid: Grid, settings: Settings) -> Grid:
    facts = settings.facts
    grid = grid.oriented()
    # A network for volumes relies on noise, which interpolation would smooth.
    if not facts["slab"] and not grid.straight():
        grid = grid.straightened()
    if facts["matrix"]:
        return grid.with_matrix(*facts["matrix"])
    spacing = facts["spacing"]
    if spacing is None or np.allclose(grid.spacing, spacing, rtol=EXACT):
        return grid
    return grid.with_spacing(np.array(spacing))


def _image(scan: Scan, grid: Grid, settings: Settings) -> Prepared:
    """Prepare a CT or MR, cropped to the box of the body unless the model has a matrix."""
    side, is_ct = settings.first, settings.first.modality == "CT"
    voxels = _without_padding(scan.voxels, side)
    fill = AIR_HU if is_ct else float(voxels.min())
    voxels = resample(voxels, scan.grid, grid, fill=fill)
    body = body_mask(voxels) if is_ct else np.ones(grid.shape, dtype=bool)
    if settings.facts["matrix"]:
        return Prepared(side.forward(voxels)[None], body, grid, scan.grid)
    margin = settings.facts["body_margin"] / grid.spacing
    part = grid.part(*body_box(body, margin))
    mapped = side.forward(resample(voxels, grid, part, fill=fill))
    body = resample(body, grid, part)
    return Prepared(mapped[None], body, part, scan.grid, body_boxes(body, margin[1::-1]) if is_ct else None)


def _activity(scan: Scan, grid: Grid, settings: Settings) -> Prepared:
    """Prepare a PET, masked outside the patient."""
    voxels = resample(scan.voxels, scan.grid, grid)
    body = activity_mask(voxels, grid.spacing, settings.facts["body_margin"])
    if not body.any():
        raise RefusalError(
            f"No patient was found in the PET: after smoothing over {PET_SMOOTHING:g} mm, no voxel reaches "
            f"{PET_SEED_SUV:g} SUVbw, the uptake of lung; check its unit."
        )
    voxels[~body] = 0
    whole = settings.facts["slab"] or settings.facts["matrix"]
    boxes = None if whole else body_boxes(body, np.zeros(2))
    return Prepared(settings.first.forward(voxels)[None], body, grid, scan.grid, boxes)


def _beside(scan: Scan | None, image: Image, made: Prepared) -> np.ndarray:
    """Return a further input as network values on the grid of the first one; empty if it is not given."""
    if scan is None:
        return np.full(made.grid.shape, image.empty, dtype=np.float32)
    if not overlap(scan.grid, made.grid):
        raise RefusalError(
            f"The image for '{image.role}' does not overlap with the body in the first input; check that both belong "
            "to the same patient and frame of reference."
        )
    voxels = _without_padding(scan.voxels, image)
    return image.forward(resample(voxels, scan.grid, made.grid, fill=image.nothing))


def _narrowed(made: Prepared, settings: Settings) -> Prepared:
    """Return the box around the patient in a PET, which the estimate of its noise depends on."""
    (i, j, _), (columns, rows, _) = body_box(made.body, np.zeros(3))
    least = settings.facts["slab"]["plane"]
    size = np.array([max(columns, least), max(rows, least), made.grid.shape[0]])
    grid = made.grid.part(np.array([i - (size[0] - columns) // 2, j - (size[1] - rows) // 2, 0]), size)
    cut = [
        resample(voxels, made.grid, grid, fill=image.empty)
        for voxels, image in zip(made.voxels, settings.inputs, strict=True)
    ]
    return Prepared(np.stack(cut), resample(made.body, made.grid, grid), grid, made.source)


def _without_padding(voxels: np.ndarray, image: Image) -> np.ndarray:
    return np.maximum(voxels, np.float32(LOWEST_HU)) if image.unit == "HU" else voxels
