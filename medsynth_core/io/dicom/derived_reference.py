"""The series that a derived one refers to: what it was made from, or what shares its patient and place."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydicom import dcmread
from pydicom.dataset import FileDataset

from medsynth_core.errors import MedSynthError
from medsynth_core.io.dicom.choice import choose_series, image_series
from medsynth_core.io.dicom.damage import DAMAGE, damaged, path_of
from medsynth_core.io.dicom.derived_items import value
from medsynth_core.io.dicom.frames import Frame, frames_of
from medsynth_core.io.dicom.series import Series, find_series
from medsynth_core.io.dicom.stack import stack_frames
from medsynth_core.volume import Volume

# How far the corners of a grid that has not been moved may lie off, as files round.
_MOVED_MM = 0.1


@dataclass(frozen=True)
class Reference:
    """A series with its whole headers and its grid.

    Attributes:
        series: the series.
        frames: its slices in the order of the grid.
        ijk_to_ras: 4×4 matrix of its grid.
        headers: every tag but the pixels, by file.
        is_source: whether the volume was made from it, as far as is known.
        taken_numbers: numbers of the series that were found beside it, and its own.
    """

    series: Series
    frames: list[Frame]
    ijk_to_ras: np.ndarray
    headers: dict[str, FileDataset]
    is_source: bool
    taken_numbers: set[int]

    @property
    def header(self) -> FileDataset:
        """The header of the first slice, for what all slices share."""
        return self.headers[self.frames[0].file]

    @property
    def is_source_pet(self) -> bool:
        """Whether the volume was made from it and it is a PET, so that what it says of the tracer is true of both."""
        return self.is_source and self.series.modality == "PT"

    def crossed_by(self, volume: Volume, k: int) -> list[Frame]:
        """Return the slices that slice ``k`` of ``volume`` lies in, or the nearest one where it lies beyond them."""
        rows, columns = volume.shape[1:]
        corners = np.array([[i, j, k, 1] for i in (0, columns - 1) for j in (0, rows - 1)])
        found = (np.linalg.inv(self.ijk_to_ras) @ volume.ijk_to_ras @ corners.T)[2]
        first, last = np.clip(np.rint([found.min(), found.max()]), 0, len(self.frames) - 1).astype(int)
        return self.frames[first : last + 1]


def read_reference(path: Path, volume: Volume) -> Reference:
    """Return the series of a folder that ``volume`` refers to: the one it was made from, else the only one.

    Raises:
        MedSynthError: no or several series fit, its slices are no volume, they lie in another space than the
            volume, or their study is unknown.
    """
    try:
        found = find_series(path)
        series = _series(found, path, volume)
        frames, matrix = stack_frames([frame for one in series.headers for frame in frames_of(one)], f"{series}")
        headers = {file: _header(file) for file in dict.fromkeys(frame.file for frame in frames)}
        numbers = {series_number(_header(path_of(one.headers[0]))) for one in found}
    except OSError as error:
        raise MedSynthError(f"The reference {path} cannot be read: {error.strerror or error}.") from error
    reference = Reference(series, frames, matrix, headers, _is_source(series, volume), numbers)
    _check_study(reference)
    _check_place(reference, volume)
    return reference


def source_series(volume: Volume) -> tuple[str, str]:
    """Return the UIDs of study and series that ``volume`` was made from; ``""`` where they are not known."""
    return _source(volume, "StudyInstanceUID"), _source(volume, "SeriesInstanceUID")


def _source(volume: Volume, keyword: str) -> str:
    """Return what the metadata of a result say of its first input, or those of a volume read from DICOM of itself."""
    return str(_history(volume)[-1].get(keyword) or "")


def _history(volume: Volume) -> list[dict[str, Any]]:
    """Return the metadata of a volume, of what it was made from, and so on."""
    found = [volume.metadata]
    while isinstance(found[-1].get("source"), dict):
        found.append(found[-1]["source"])
    return found


def _is_source(series: Series, volume: Volume) -> bool:
    """Tell whether a volume was made from a series; where nothing says from which, from the one that is given."""
    uid = _source(volume, "SeriesInstanceUID")
    inputs = [facts["input_modality"] for facts in _history(volume) if facts.get("input_modality")]
    return uid == series.uid if uid else inputs[-1:] in ([], [series.modality])


def _series(found: list[Series], path: Path, volume: Volume) -> Series:
    source = _source(volume, "SeriesInstanceUID")
    return next((series for series in image_series(found) if series.uid == source), None) or choose_series(found, path)


def _header(file: str) -> FileDataset:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return dcmread(file, stop_before_pixels=True)
    except DAMAGE as error:
        raise damaged(file) from error


def series_number(header: FileDataset) -> int:
    """Return the number of a header's series, 0 where it has none."""
    stated = value(header, "SeriesNumber")
    return int(stated) if isinstance(stated, int) else 0


def _was_moved(reference: Reference, volume: Volume) -> bool:
    """Tell whether a grid is another one's, shifted or turned; crops and resampled grids are others of their own."""
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
    # Readers differ in the order of axes and in which corner is the first.
    apart = np.linalg.norm(ours[:, None] - theirs, axis=2).min(axis=1)
    return bool(apart.max() > _MOVED_MM)


def _corners(shape: tuple[int, ...], ijk_to_ras: np.ndarray) -> np.ndarray:
    k, j, i = shape
    ends = np.array([[a, b, c, 1] for a in (0, i - 1) for b in (0, j - 1) for c in (0, k - 1)])
    return (ijk_to_ras @ ends.T)[:3].T


def _check_study(reference: Reference) -> None:
    if not value(reference.header, "StudyInstanceUID"):
        raise MedSynthError(
            f"The series {reference.series} does not say which study it belongs to (StudyInstanceUID), so nothing "
            "can be added to that; export it again."
        )


def _check_place(reference: Reference, volume: Volume) -> None:
    ours, theirs = _source(volume, "FrameOfReferenceUID"), str(value(reference.header, "FrameOfReferenceUID") or "")
    if ours and theirs and ours != theirs:
        raise MedSynthError(
            f"The volume lies in another space (frame of reference {ours}) than the series {reference.series} "
            f"({theirs}); give the series that it was made from."
        )
    steps = [np.linspace(0, size - 1, 9) for size in reversed(volume.shape)]
    points = np.stack([*(grid.ravel() for grid in np.meshgrid(*steps)), np.ones(9**3)])
    found = (np.linalg.inv(reference.ijk_to_ras) @ volume.ijk_to_ras @ points)[:3]
    rows, columns = reference.frames[0].size
    limits = np.array([[columns], [rows], [len(reference.frames)]]) - 0.5
    if not ((found >= -0.5) & (found <= limits)).all(axis=0).any():
        raise MedSynthError(
            f"The volume does not overlap with the series {reference.series}, so it is of another patient or "
            "place; give the series that it was made from."
        )
    if reference.is_source and _was_moved(reference, volume):
        raise MedSynthError(
            f"The volume has the grid of the series {reference.series} that it was made from, but lies elsewhere: it "
            "was moved since. In the space of that series it would be in the wrong place; undo that."
        )
