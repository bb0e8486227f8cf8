"""Where each frame of a DICOM instance lies and what its stored values mean."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydicom.dataset import Dataset, FileDataset

from medsynth_core.errors import MedSynthError
from medsynth_core.io.dicom.series import IMAGE_CLASSES, damaged, path_of
from medsynth_core.io.suv.enhanced import classic_tags, real_world_mapping


@dataclass(frozen=True)
class Frame:
    """One slice: its file, its place in LPS millimetres, and the scale of its stored values.

    Attributes:
        file: the file that it lies in.
        index: its number among the frames of that file, from 0.
        size: rows, columns.
        position: centre of the first voxel (3).
        orientation: directions of increasing column and of increasing row (2×3).
        spacing: millimetres between rows, between columns.
        thickness: millimetres, or None where the file does not say.
        slope: value of one stored unit, or None where the file does not say.
        intercept: value of a stored zero, or None where the file does not say.
        rescale_type: what the rescaled values are in, by the file; "" where it does not say.
        tags: what the file says of this slice; of a frame of a PET as classic series put it.
    """

    file: str
    index: int
    size: tuple[int, int]
    position: np.ndarray
    orientation: np.ndarray
    spacing: tuple[float, float]
    thickness: float | None
    slope: float | None
    intercept: float | None
    rescale_type: str
    tags: Dataset


def frames_of(header: FileDataset) -> Iterator[Frame]:
    """Yield the frames of a classic (single-frame) or enhanced (multi-frame) instance in stored order.

    Raises:
        MedSynthError: the place of a frame is not stated, several slices are tiled into one frame, the
            values follow a table, or the file is truncated.
    """
    _refuse_unreadable(header)
    shared = (header.get("SharedFunctionalGroupsSequence") or [Dataset()])[0]
    per_frame = header.get("PerFrameFunctionalGroupsSequence") or [Dataset()]
    if len(per_frame) != int(header.get("NumberOfFrames") or 1):
        raise _unplaced(header)
    for index, own in enumerate(per_frame):
        yield _frame(header, index, [own, shared])


def _frame(header: FileDataset, index: int, groups: list[Dataset]) -> Frame:
    def look_up(sequence: str, keyword: str) -> Any:
        for group in groups:
            if group.get(sequence) and group[sequence].value[0].get(keyword) is not None:
                return group[sequence].value[0].get(keyword)
        return header.get(keyword)

    position = look_up("PlanePositionSequence", "ImagePositionPatient")
    orientation = look_up("PlaneOrientationSequence", "ImageOrientationPatient")
    spacing = look_up("PixelMeasuresSequence", "PixelSpacing")
    thickness = look_up("PixelMeasuresSequence", "SliceThickness") or header.get("SpacingBetweenSlices")
    slope, intercept, rescale_type = (
        look_up("PixelValueTransformationSequence", keyword)
        for keyword in ("RescaleSlope", "RescaleIntercept", "RescaleType")
    )
    tags: Dataset = header
    if IMAGE_CLASSES.get(str(header.get("SOPClassUID"))) == "PT" and "PerFrameFunctionalGroupsSequence" in header:
        tags = classic_tags(header, groups)
        if mapping := real_world_mapping(groups):
            slope, intercept = mapping.RealWorldValueSlope, mapping.get("RealWorldValueIntercept")
    if not (position and orientation and spacing):
        raise _unplaced(header)
    return Frame(
        file=path_of(header),
        index=index,
        size=(int(header.Rows), int(header.Columns)),
        position=np.array(position, dtype=np.float64),
        orientation=np.array(orientation, dtype=np.float64).reshape(2, 3),
        spacing=(float(spacing[0]), float(spacing[1])),
        thickness=_number(thickness),
        slope=_number(slope),
        intercept=_number(intercept),
        rescale_type=str(rescale_type or ""),
        tags=tags,
    )


def _number(value: Any) -> float | None:
    return None if value in (None, "") else float(value)


def _refuse_unreadable(header: FileDataset) -> None:
    if "Rows" not in header or "Columns" not in header:
        raise damaged(path_of(header))
    if "MOSAIC" in (header.get("ImageType") or []):
        raise MedSynthError(
            f"{path_of(header)} is a mosaic, many slices tiled into one image; "
            "convert the series with a tool that knows the scanner's private format (dcm2niix) first."
        )
    if header.get("ModalityLUTSequence"):
        raise MedSynthError(
            f"The values in {path_of(header)} follow a table (Modality LUT Sequence) instead of a slope and "
            "an intercept, which is not supported; export the series with rescaled values."
        )


def _unplaced(header: FileDataset) -> MedSynthError:
    return MedSynthError(
        f"The DICOM file {path_of(header)} does not state where its {int(header.get('NumberOfFrames') or 1)} "
        "frame(s) lie in the patient (position, orientation and pixel spacing), so it is no volume."
    )
