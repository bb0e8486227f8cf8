"""Thumbnails of image files: the middle axial slice as a small PGM file."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from medsynth_core.volume import Volume

# Pixels along the longer side.
SIDE = 48
# Window of a CT in HU; for other images, the percentiles shown as black and white.
CT_WINDOW = (-160.0, 240.0)
PERCENTILES = (1.0, 99.0)
# An image with values below this is shown as a CT, whatever its file states.
CT_BELOW = -500.0


def write_thumbnail(file: str | Path, picture: str | Path) -> Path:
    """Write the thumbnail of an image file as PGM and return its path.

    Args:
        file: image in any format that `read_volume` reads.
        picture: file to write; its folder is created if necessary.

    Raises:
        MedSynthError: the image cannot be read, or the thumbnail cannot be written.
    """
    from medsynth_core.io.atomic import atomic_write
    from medsynth_core.io.reading import read_volume

    pixels, picture = thumbnail(read_volume(file)), Path(picture)
    picture.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(picture) as temporary:
        temporary.write_bytes(b"P5 %d %d 255\n" % (pixels.shape[1], pixels.shape[0]) + pixels.tobytes())
    return picture


def thumbnail(volume: Volume) -> np.ndarray:
    """Return the middle axial slice in radiological orientation.

    Voxels are sampled, not averaged, because a thumbnail is made for every file of a data set and must be fast.

    Returns:
        uint8 (row, column), at most `SIDE` pixels per side; the patient's right is on the left, the front at the top.
    """
    directions = volume.ijk_to_ras[:3, :3]
    # For each of R, A and S, the voxel axis (0 for i) closest to its direction.
    across, along, up = _axes(directions)
    moved = np.moveaxis(volume.voxels, (2 - up, 2 - along, 2 - across), (0, 1, 2))
    plane = moved[moved.shape[0] // 2]
    if directions[0, across] > 0:
        plane = plane[:, ::-1]
    if directions[1, along] > 0:
        plane = plane[::-1]
    spacing = np.linalg.norm(directions, axis=0)
    size = np.array([plane.shape[0] * spacing[along], plane.shape[1] * spacing[across]])
    rows, columns = np.maximum(np.round(SIDE * size / size.max()), 1).astype(int)
    picked = plane[np.ix_(_spread(plane.shape[0], rows), _spread(plane.shape[1], columns))].astype(np.float32)
    low, high = CT_WINDOW if picked.min() < CT_BELOW else np.percentile(picked, PERCENTILES)
    return (np.clip((picked - low) / max(high - low, 1e-6), 0, 1) * 255).astype(np.uint8)


def _axes(directions: np.ndarray) -> list[int]:
    free, found = [0, 1, 2], [0, 0, 0]
    for patient_axis in (2, 1, 0):
        found[patient_axis] = max(free, key=lambda axis: abs(directions[patient_axis, axis]))
        free.remove(found[patient_axis])
    return found


def _spread(count: int, picked: int) -> np.ndarray:
    """Return the indices of ``picked`` pixels, evenly spaced over ``count``."""
    return ((np.arange(picked) + 0.5) * count / picked).astype(int)
