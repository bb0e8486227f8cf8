"""Geometry and value scale of each frame of a DICOM instance."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np
from pydicom.dataset import Dataset, FileDataset

from medsynth_core.errors import MedSynthError
from medsynth_core.io.dicom.errors import DAMAGE, damaged, invalid, numbers_in, path_of
from medsynth_core.io.dicom.series import IMAGE_CLASSES, frame_count
from medsynth_core.io.suv.enhanced import classic_tags, has_lookup_table, real_world_mappings, with_unit
from medsynth_core.io.suv.tags import named
from medsynth_core.io.suv.ucum import PetUnit


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
        mappings: of enhanced PET, the mappings from stored values to known units, and the units. The scale and the tags
            are those of the first, until `mapped` has chosen the one that the stored values are in the range of.
        between: stated millimetres from slice to slice, or None. Positions count; many programs state the gap.
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
    mappings: tuple[tuple[Dataset, PetUnit], ...] = ()
    between: float | None = None


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


def mapped(frame: Frame, stored: np.ndarray) -> Frame:
    """Return a frame with the scale and unit of the first of its mappings for which all its stored values are valid.

    Args:
        frame: the frame.
        stored: its stored values (rows, columns).

    Raises:
        MedSynthError: there are mappings, but values are outside the range of each.
    """
    if not frame.mappings:
        return frame
    low, high = float(stored.min()), float(stored.max())
    ranges = [_range(mapping, frame.file) for mapping, _ in frame.mappings]
    for (mapping, unit), (first, last) in zip(frame.mappings, ranges, strict=True):
        if first <= low and high <= last:
            slope, intercept = _real_world_scale(mapping, frame.file)
            return replace(frame, slope=slope, intercept=intercept, tags=with_unit(frame.tags, unit))
    listed = " and ".join(dict.fromkeys(f"{first:g} to {last:g}" for first, last in ranges))
    raise MedSynthError(
        f"Frame {frame.index + 1} of {frame.file} has the stored values {low:g} to {high:g}, but its "
        f"{named('RealWorldValueMappingSequence')} defines a unit only for {listed}; export the series again."
    )


def _range(mapping: Dataset, file: str) -> tuple[float, float]:
    """Return the first and the last stored value that a mapping is valid for; infinite if they are not stated."""
    for prefix in ("", "DoubleFloat"):
        ends = [numbers_in(mapping, f"{prefix}RealWorldValue{end}ValueMapped", 1, file) for end in ("First", "Last")]
        if ends[0] is not None and ends[1] is not None:
            return float(ends[0][0]), float(ends[1][0])
    return -np.inf, np.inf


def _real_world_scale(mapping: Dataset, file: str) -> tuple[float | None, float | None]:
    slope, intercept = (numbers_in(mapping, f"RealWorldValue{name}", 1, file) for name in ("Slope", "Intercept"))
    return _single(slope), _single(intercept)


def _frames(header: FileDataset) -> Iterator[Frame]:
    _refuse_unreadable(header)
    shared = (header.get("SharedFunctionalGroupsSequence") or [Dataset()])[0]
    per_frame = header.get("PerFrameFunctionalGroupsSequence") or [Dataset()]
    if len(per_frame) != frame_count(header):
        stated = header.get("PerFrameFunctionalGroupsSequence")
        raise _other_count(header, len(stated)) if stated else _unplaced(header)
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
    between = None
    with suppress(MedSynthError):  # it may be anything
        between = look_up("PixelMeasuresSequence", "SpacingBetweenSlices", 1)
    slope = look_up("PixelValueTransformationSequence", "RescaleSlope", 1)
    intercept = look_up("PixelValueTransformationSequence", "RescaleIntercept", 1)
    types = (source.get("RescaleType") for source in sources("PixelValueTransformationSequence"))
    enhanced_pet = (
        IMAGE_CLASSES.get(str(header.get("SOPClassUID"))) == "PT" and "PerFrameFunctionalGroupsSequence" in header
    )
    frame = Frame(
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
        tags=classic_tags(header, groups) if enhanced_pet else header,
        between=_single(between),
    )
    return _with_mappings(frame, groups) if enhanced_pet else frame


def _with_mappings(frame: Frame, groups: list[Dataset]) -> Frame:
    if has_lookup_table(groups):
        raise _lookup_table(frame.file, "Real World Value LUT Data")
    mappings = tuple(real_world_mappings(groups))
    if not mappings:
        return frame
    mapping, unit = mappings[0]
    slope, intercept = _real_world_scale(mapping, frame.file)
    tags = with_unit(frame.tags, unit)
    return replace(frame, slope=slope, intercept=intercept, tags=tags, mappings=mappings)


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
        raise _lookup_table(path_of(header), "Modality LUT Sequence")


def _lookup_table(file: str, tag: str) -> MedSynthError:
    return MedSynthError(
        f"The values in {file} use a lookup table ({tag}) instead of slope and intercept, which is not supported; "
        "export the series with rescaled values."
    )


def _other_count(header: FileDataset, described: int) -> MedSynthError:
    return MedSynthError(
        f"The DICOM file {path_of(header)} states {frame_count(header)} frame(s) ({named('NumberOfFrames')}), but "
        f"describes {described} ({named('PerFrameFunctionalGroupsSequence')}); export the series again."
    )


def _unplaced(header: FileDataset) -> MedSynthError:
    return MedSynthError(
        f"The DICOM file {path_of(header)} does not state the position, orientation and pixel spacing of its "
        f"{frame_count(header)} frame(s), so it is not a volume."
    )
