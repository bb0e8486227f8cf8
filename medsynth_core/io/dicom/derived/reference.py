"""The reference of a derived series: its source, or another series of the same patient and frame of reference."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import FileDataset

from medsynth_core.errors import MedSynthError
from medsynth_core.failures import reason_of
from medsynth_core.io.dicom.copies import frames_in
from medsynth_core.io.dicom.derived.items import value
from medsynth_core.io.dicom.errors import DAMAGE, damaged, path_of
from medsynth_core.io.dicom.files import read_dataset
from medsynth_core.io.dicom.frames import Frame
from medsynth_core.io.dicom.series import Series, find_series
from medsynth_core.io.dicom.series_choice import choose_series, image_series
from medsynth_core.io.dicom.stack import stack_frames
from medsynth_core.io.identifiers import FRAME_OF_REFERENCE, SERIES, digest, without_identifiers
from medsynth_core.volume import Volume

# Tolerance for the corners of a grid that was not moved, because files round positions.
_MOVED_MM = 0.1


@dataclass(frozen=True)
class Reference:
    """A series with its complete headers and its grid.

    Attributes:
        series: the series.
        frames: slices in the order of the grid.
        ijk_to_ras: 4×4 matrix of the grid.
        headers: all tags except the pixels, by file.
        is_source: whether the volume was made from this series, as far as known.
        taken_numbers: series numbers already in use, including its own.
    """

    series: Series
    frames: list[Frame]
    ijk_to_ras: np.ndarray
    headers: dict[str, FileDataset]
    is_source: bool
    taken_numbers: set[int]

    @property
    def header(self) -> FileDataset:
        """The header of the first slice, for tags that all slices share."""
        return self.headers[self.frames[0].file]

    @property
    def is_source_pet(self) -> bool:
        """Whether the volume was made from this series and it is a PET, so that its tracer applies to the volume."""
        return self.is_source and self.series.modality == "PT"

    def crossed_by(self, volume: Volume, k: int) -> list[Frame]:
        """Return the slices that slice ``k`` of ``volume`` intersects, or the nearest one if it is outside."""
        rows, columns = volume.shape[1:]
        corners = np.array([[i, j, k, 1] for i in (0, columns - 1) for j in (0, rows - 1)])
        found = (np.linalg.inv(self.ijk_to_ras) @ volume.ijk_to_ras @ corners.T)[2]
        first, last = np.clip(np.rint([found.min(), found.max()]), 0, len(self.frames) - 1).astype(int)
        return self.frames[first : last + 1]


def read_reference(path: Path, volume: Volume) -> Reference:
    """Return the reference series for ``volume`` in a folder: its source, or the only series.

    Raises:
        MedSynthError: no series or several match, the slices do not form a volume, the series does not share the
            volume's frame of reference or does not overlap with it, or its study is unknown.
    """
    try:
        found = find_series(path)
        series = _series(found, path, volume)
        frames, matrix = stack_frames(frames_in(series), f"{series}")
        headers = {file: _header(file) for file in dict.fromkeys(frame.file for frame in frames)}
        numbers = {series_number(_header(path_of(one.headers[0]))) for one in found}
    except OSError as error:
        raise MedSynthError(f"The reference {path} cannot be read: {reason_of(error)}.") from error
    reference = Reference(series, frames, matrix, headers, _is_source(series, volume), numbers)
    _check_study(reference)
    _check_place(reference, volume)
    return reference


def source_series(volume: Volume) -> tuple[str, str]:
    """Return the UIDs of the study and series that ``volume`` was made from; ``""`` unless the caller states them."""
    return _source(volume, "StudyInstanceUID"), _source(volume, "SeriesInstanceUID")


def _source(volume: Volume, keyword: str) -> str:
    """Return a fact on the original input of a result, or on the volume itself if it was read from DICOM."""
    return str(_history(volume)[-1].get(keyword) or "")


def _source_digest(volume: Volume, key: str) -> str:
    return str(without_identifiers(_history(volume)[-1]).get(key) or "")


def _history(volume: Volume) -> list[dict[str, Any]]:
    """Return the metadata of a volume, of its source, and so on."""
    found = [volume.metadata]
    while isinstance(found[-1].get("source"), dict):
        found.append(found[-1]["source"])
    return found


def _is_source(series: Series, volume: Volume) -> bool:
    """Return whether a volume was made from a series; if its source is unknown, the given series is assumed."""
    source = _source_digest(volume, SERIES)
    inputs = [facts["input_modality"] for facts in _history(volume) if facts.get("input_modality")]
    return source == digest(series.uid) if source else inputs[-1:] in ([], [series.modality])


def _series(found: list[Series], path: Path, volume: Volume) -> Series:
    source = _source_digest(volume, SERIES)
    own = (series for series in image_series(found) if digest(series.uid) == source)
    return next(own, None) or choose_series(found, path)


def _header(file: str) -> FileDataset:
    try:
        header = read_dataset(file, stop_before_pixels=True)
    except DAMAGE as error:
        raise damaged(file) from error
    if header is None:
        raise damaged(file)
    return header


def series_number(header: FileDataset) -> int:
    """Return the series number of a header; 0 if it has none."""
    stated = value(header, "SeriesNumber")
    return int(stated) if isinstance(stated, int) else 0


def _was_moved(reference: Reference, volume: Volume) -> bool:
    """Return whether the volume has the grid of the reference, but moved; crops and resampled grids do not count."""
    rows, columns = reference.frames[0].size
    shapes = (volume.shape, (len(reference.frames), rows, columns))
    grids = (volume.ijk_to_ras, reference.ijk_to_ras)
    sides = [
        sorted(zip(shape[::-1], np.linalg.norm(grid[:3, :3], axis=0), strict=True))
        for shape, grid in zip(shapes, grids, strict=True)
    ]
    if not np.allclose(sides[0], sides[1], rtol=1e-3):
        return False
    ours, theirs = (_corners(shape, grid) for shape, grid in zip(shapes, grids, strict=True))
    # Readers differ in the order of axes and in the first corner.
    apart = np.linalg.norm(ours[:, None] - theirs, axis=2).min(axis=1)
    return bool(apart.max() > _MOVED_MM)


def _corners(shape: tuple[int, ...], ijk_to_ras: np.ndarray) -> np.ndarray:
    k, j, i = shape
    ends = np.array([[a, b, c, 1] for a in (0, i - 1) for b in (0, j - 1) for c in (0, k - 1)])
    return (ijk_to_ras @ ends.T)[:3].T


def _check_study(reference: Reference) -> None:
    if not value(reference.header, "StudyInstanceUID"):
        raise MedSynthError(
            f"The series {reference.series} does not state its study (StudyInstanceUID), so no series can be added to "
            "the study; export it again."
        )


def _check_place(reference: Reference, volume: Volume) -> None:
    ours = _source_digest(volume, FRAME_OF_REFERENCE)
    theirs = digest(str(value(reference.header, "FrameOfReferenceUID") or ""))
    if ours and theirs and ours != theirs:
        raise MedSynthError(
            f"The volume has another frame of reference than the series {reference.series}; choose the series that it "
            "was made from."
        )
    steps = [np.linspace(0, size - 1, 9) for size in reversed(volume.shape)]
    points = np.stack([*(grid.ravel() for grid in np.meshgrid(*steps)), np.ones(9**3)])
    found = (np.linalg.inv(reference.ijk_to_ras) @ volume.ijk_to_ras @ points)[:3]
    rows, columns = reference.frames[0].size
    limits = np.array([[columns], [rows], [len(reference.frames)]]) - 0.5
    if not ((found >= -0.5) & (found <= limits)).all(axis=0).any():
        raise MedSynthError(
            f"The volume does not overlap with the series {reference.series}, so it shows another patient or "
            "body region; choose the series that it was made from."
        )
    if reference.is_source and _was_moved(reference, volume):
        raise MedSynthError(
            f"The volume has the grid of its source series {reference.series}, but was moved since, so it would be "
            "exported at the wrong position; undo the transform."
        )
