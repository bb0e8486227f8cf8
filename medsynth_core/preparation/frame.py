"""Position of a slice in the frame that a 2-D network sees: one rule for training, validation and inference.

Networks with as many halvings as the frame has octaves depend on where in the frame the patient is. Therefore the body
in a slice is always in the middle of the frame, and everything beyond it and its margin is empty. The frame of a slice
depends on this slice alone, so cutting off other slices of a volume does not change it.
"""

from __future__ import annotations

import numpy as np

# First row, row after the last, first column, column after the last.
Box = tuple[int, int, int, int]


def whole_slices(shape: tuple[int, ...]) -> np.ndarray:
    """Return boxes (k, 4) that contain the whole slices of an array (k, j, i)."""
    return np.tile([0, shape[1], 0, shape[2]], (shape[0], 1))


def framed(slices: np.ndarray, side: int, empty: float) -> np.ndarray:
    """Return slices (k, j, i) in the middle of square frames (k, side, side) of the value ``empty``."""
    inside, taken = placed(np.array([0, slices.shape[1], 0, slices.shape[2]]), (side, side))
    frames = np.full((len(slices), side, side), empty, dtype=slices.dtype)
    frames[:, inside[0], inside[1]] = slices[:, taken[0], taken[1]]
    return frames


def body_boxes(body: np.ndarray, margin: np.ndarray) -> np.ndarray:
    """Return the box of the body in each slice.

    Args:
        body: (k, j, i) bool: body mask.
        margin: margin around the body in voxels along (j, i).

    Returns:
        (k, 4) int: first row, row after the last, first column, column after the last; limited to the slice. Four
        zeros for a slice without body.
    """
    rows, columns = np.any(body, axis=2), np.any(body, axis=1)
    reach = np.ceil(margin).astype(int)
    boxes = np.concatenate([_ranges(rows, reach[0]), _ranges(columns, reach[1])], axis=1)
    return boxes * np.any(rows, axis=1)[:, None]


def _ranges(occupied: np.ndarray, margin: int) -> np.ndarray:
    """Return the first occupied position of each line minus the margin, and the one after the last plus the margin."""
    length = occupied.shape[1]
    first = occupied.argmax(axis=1) - margin
    last = length - occupied[:, ::-1].argmax(axis=1) + margin
    return np.stack([np.maximum(first, 0), np.minimum(last, length)], axis=1)


def cut_boxes(boxes: np.ndarray, part: tuple[slice, slice, slice]) -> np.ndarray:
    """Return the boxes within a part (k, j, i) of the volume, relative to that part."""
    slices, *plane = part
    sides = [np.clip(boxes[slices][:, 2 * n : 2 * n + 2], s.start, s.stop) - s.start for n, s in enumerate(plane)]
    inside = np.concatenate(sides, axis=1)
    return inside * ((inside[:, 1] > inside[:, 0]) & (inside[:, 3] > inside[:, 2]))[:, None]


def frame_side(size: int, trained: int, multiple: int) -> int:
    """Return the rows or columns of the frame for a box of ``size``: as in training, or more if it does not fit.

    Args:
        size: rows or columns of the box.
        trained: rows and columns of the frames in training.
        multiple: the network accepts multiples of this.
    """
    return max(trained, size + -size % multiple)


def placed(box: np.ndarray, frame: tuple[int, int]) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Return where a box lies in the middle of its frame: rows and columns of the frame, and those of the slice.

    Args:
        box: first row, row after the last, first column, column after the last.
        frame: rows and columns of the frame; a larger box is cut on all sides.
    """
    rows, columns = (_placed(int(box[2 * n]), int(box[2 * n + 1]), frame[n]) for n in range(2))
    return (rows[0], columns[0]), (rows[1], columns[1])


def _placed(start: int, stop: int, frame: int) -> tuple[slice, slice]:
    # A box of odd size has its additional empty line at the end.
    size = stop - start + (stop - start) % 2
    first = (frame - size) // 2
    inside = slice(max(first, 0), min(first + stop - start, frame))
    return inside, slice(inside.start - first + start, inside.stop - first + start)
