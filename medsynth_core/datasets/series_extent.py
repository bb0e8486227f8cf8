"""Where in the patient a series lies."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from medsynth_core.errors import MedSynthError
from medsynth_core.io.dicom.frames import Frame, frames_of
from medsynth_core.io.dicom.series import Series
from medsynth_core.io.suv.tags import text

SAME_FRAME, UNKNOWN_FRAME, OTHER_FRAME = 0, 1, 2


@dataclass(frozen=True)
class Extent:
    """The space that a series covers.

    Attributes:
        frame: Frame of Reference UID; "" if it is not stated.
        box: lowest and highest corner (2×3) in LPS millimetres; None if the slices do not state their position.
    """

    frame: str
    box: np.ndarray | None

    def frame_rank(self, other: Extent) -> int:
        """Return whether positions can be compared with those of another series, the best first."""
        if not (self.frame and other.frame):
            return UNKNOWN_FRAME
        return SAME_FRAME if self.frame == other.frame else OTHER_FRAME

    def overlap(self, other: Extent) -> float:
        """Return the Dice coefficient of both boxes: 1 if they are the same, 0 if they are apart or not comparable."""
        if self.box is None or other.box is None or self.frame_rank(other) == OTHER_FRAME:
            return 0.0
        return 2 * _volume(_common(self.box, other.box)) / (_volume(self.box) + _volume(other.box))

    def share_of_length(self, other: Extent) -> float:
        """Return the share of the length of ``other`` along the patient that this series covers; 1 if not known."""
        if self.box is None or other.box is None:
            return 1.0
        common = _common(self.box, other.box)
        return float(max(common[1, 2] - common[0, 2], 0.0) / max(other.box[1, 2] - other.box[0, 2], 1e-3))


def extent_of(series: Series) -> Extent:
    """Return where a series lies; without a box if its headers do not say so."""
    frame = text(series.headers[0], "FrameOfReferenceUID")
    try:
        corners = np.concatenate([_corners(each) for header in series.headers for each in frames_of(header)])
    except (MedSynthError, ValueError):
        return Extent(frame, None)  # the reader of the series gives the reason
    return Extent(frame, np.stack([corners.min(0), corners.max(0)]))


def _corners(frame: Frame) -> np.ndarray:
    """Return the corners (8×3) of a slice with its thickness."""
    row, column = frame.orientation
    normal = np.cross(row, column) * abs(frame.thickness or 0.0) / 2
    right = row * frame.spacing[1] * np.array([[-0.5], [frame.size[1] - 0.5]])
    down = column * frame.spacing[0] * np.array([[-0.5], [frame.size[0] - 0.5]])
    return np.concatenate([frame.position + a + b + side for a in right for b in down for side in _sides(normal)])


def _sides(normal: np.ndarray) -> Iterable[np.ndarray]:
    return (normal[None], -normal[None])


def _common(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return np.stack([np.maximum(one[0], other[0]), np.minimum(one[1], other[1])])


def _volume(box: np.ndarray) -> float:
    return float(np.prod(np.maximum(box[1] - box[0], 0.0)))
