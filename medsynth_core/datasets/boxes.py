"""Boxes around the lesions of a case: a small table that the column ``boxes`` of a manifest names.

They are stated in the patient, in mm, not in voxels, so that they stay right when the image is resampled.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from medsynth_core.errors import MedSynthError
from medsynth_core.failures import reason_of
from medsynth_core.io.table import read_rows, write_rows

Three = tuple[float, float, float]

_CENTRE, _SIZE = ("r_mm", "a_mm", "s_mm"), ("size_r_mm", "size_a_mm", "size_s_mm")


@dataclass(frozen=True)
class Box:
    """A box whose sides are parallel to the axes of the patient.

    Attributes:
        centre: mm to the right (R), the front (A) and the head (S), as in 3D Slicer.
        size: lengths in mm along these axes, above 0.
        kind: what it is around, in one word.
    """

    centre: Three
    size: Three
    kind: str

    def __post_init__(self) -> None:
        if not all(np.isfinite([*self.centre, *self.size])) or min(self.size) <= 0:
            raise ValueError("a box needs a finite centre and sizes above 0")

    def in_voxels(self, ijk_to_ras: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return centre and size (i, j, k) in voxels of an image; where its axes are oblique, of the enclosing box.

        Args:
            ijk_to_ras: (4, 4) matrix of the image.
        """
        to_voxels = np.linalg.inv(ijk_to_ras)
        return (to_voxels @ [*self.centre, 1.0])[:3], np.abs(to_voxels[:3, :3]) @ np.array(self.size)


def write_boxes(boxes: Sequence[Box], path: Path) -> Path:
    """Write at least one box as CSV and return its path: a line for each, with centre, size (mm) and kind.

    Raises:
        MedSynthError: the file cannot be written.
    """
    rows = [
        {**dict(zip(_CENTRE, box.centre, strict=True)), **dict(zip(_SIZE, box.size, strict=True)), "kind": box.kind}
        for box in boxes
    ]
    write_rows(rows, path)
    return path


def read_boxes(path: str | Path) -> list[Box]:
    """Return the boxes in a table of `write_boxes`.

    Raises:
        MedSynthError: it cannot be read, lacks a column, or has a cell that is no number.
    """
    try:
        rows = read_rows(Path(path))
        return [Box(_three(row, _CENTRE), _three(row, _SIZE), row["kind"] or "") for row in rows]
    except OSError as error:
        raise MedSynthError(f"The boxes {path} cannot be read: {reason_of(error)}.") from error
    except (KeyError, ValueError) as error:
        raise MedSynthError(
            f"The boxes {path} are not a CSV with numbers in the columns {', '.join((*_CENTRE, *_SIZE))} and a column "
            "kind; correct them."
        ) from error


def _three(row: dict[str, str | None], names: tuple[str, str, str]) -> Three:
    first, second, third = (float(row[name] or "") for name in names)
    return first, second, third
