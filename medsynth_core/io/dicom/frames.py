"""Geometry and value scale of each frame of a DICOM instance."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from pydicom.dataset import Dataset, FileDataset

from medsynth_core.errors import MedSynthError
from medsynth_core.io.dicom.errors import DAMAGE, damaged, invalid, numbers_in, path_of
from medsynth_core.io.dicom.series import IMAGE_CLASSES, frame_count
from medsynth_core.io.suv.enhanced import classic_tags, real_world_mapping


@dataclass(frozen=True)
class Frame:
    """One slice: its file, its geometry in LPS millimetres, and the scale of its stored values.

    Attributes:
        file: path of the file.
        index: index of the frame in the file, from 0.
        size: rows, columns.
        position: centre of the first voxel (3).
        orientation: directions of increasing column and of increasing row (2×3).
        spacing: millimetres between rows, between columns.
        thickness: slice thickness in millimetres, or None if not stated.
        slope: rescale slope, or None if not stated.
        intercept: rescale intercept, or None if not stated.
        rescale_type: unit of the rescaled values as stated in the file, or "".
        tags: header of this slice; for frames of enhanced PET, in the form of a classic series.
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
        MedSynthError: the position of a frame is not stated, several slices are tiled into one frame, the
            values follow a lookup table, or the file is truncated or has invalid values.
    """
    try:
        yield from _frames(header)
    except DAMAGE as error:
        raise damaged(path_of(header)) from error


def _frames(header: FileDataset) -> Iterator[Frame]:
    _refuse_unreadable(header)
    shared = (header.get("SharedFunctionalGroupsSequence") or [Dataset()])[0]
    per_frame = header.get("PerFrameFunctionalGroupsSequence") or [Dataset()]
    if len(per_frame) != frame_count(header):
        raise _unplaced(header)
    for index, own in enumerate(per_frame):
        yield _frame(header, index, [own, shared])


def _frame(header: FileDataset, index: int, groups: list[Dataset]) -> Frame:
    file = path_of(header)

    def sources(sequence: str) -> list[Dataset]:
        return [*(group[sequence].value[0] for group in groups if group.get(sequence)), header]

    def look_up(sequence: str, keyword: str, count: int) -> np.ndarray | None:
        found = (numbers_in(source, keyword, count, file) for source in sources(sequence))
        return next((values for values in found if values is not None), None)

    position = look_up("PlanePositionSequence", "ImagePositionPatient", 3)
    orientation = look_up("PlaneOrientationSequence", "ImageOrientationPatient", 6)
    spacing = look_up("PixelMeasuresSequence", "PixelSpacing", 2)
    if position is None or orientation is None or spacing is None:
        raise _unplaced(header)
    if spacing.min() <= 0:
        raise invalid(file, "PixelSpacing")
    thickness = look_up("PixelMeasuresSequence", "SliceThickness", 1)
    if thickness is None or not thickness[0]:
        thickness = numbers_in(header, "SpacingBetweenSlices", 1, file)
    slope = look_up("PixelValueTransformationSequence", "RescaleSlope", 1)
    intercept = look_up("PixelValueTransformationSequence", "RescaleIntercept", 1)
    types = (source.get("RescaleType") for source in sources("PixelValueTransformationSequence"))
    tags: Dataset = header
    if IMAGE_CLASSES.get(str(header.get("SOPClassUID"))) == "PT" and "PerFrameFunctionalGroupsSequence" in header:
        tags = classic_tags(header, groups)
        if found := real_world_mapping(groups):
            mapping, _ = found
            slope = numbers_in(mapping, "RealWorldValueSlope", 1, file)
            intercept = numbers_in(mapping, "RealWorldValueIntercept", 1, file)
    return Frame(
        file=file,
        index=index,
        size=(int(header.Rows), int(header.Columns)),
        position=position,
        orientation=orientation.reshape(2, 3),
        spacing=(float(spacing[0]), float(spacing[1])),
        thickness=_single(thickness),
        slope=_single(slope),
        intercept=_single(intercept),
        rescale_type=next((str(stated) for stated in types if stated), ""),
        tags=tags,
    )


def _single(values: np.ndarray | None) -> float | None:
    return None if values is None else float(values[0])


def _refuse_unreadable(header: FileDataset) -> None:
    if "Rows" not in header or "Columns" not in header:
        raise damaged(path_of(header))
    if "MOSAIC" in (header.get("ImageType") or []):
        raise MedSynthError(
            f"{path_of(header)} is a mosaic (many slices tiled into one image); "
            "convert the series first with a tool that supports the scanner's private format (dcm2niix)."
        )
    if header.get("ModalityLUTSequence"):
        raise MedSynthError(
            f"The values in {path_of(header)} use a lookup table (Modality LUT Sequence) instead of slope and "
            "intercept, which is not supported; export the series with rescaled values."
        )


def _unplaced(header: FileDataset) -> MedSynthError:
    return MedSynthError(
        f"The DICOM file {path_of(header)} does not state the position, orientation and pixel spacing of its "
        f"{frame_count(header)} frame(s), so it is not a volume."
    )
