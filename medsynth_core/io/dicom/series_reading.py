"""Reading of a DICOM series as a volume.

Implemented here with pydicom because ITK's reader accepts missing slices with only a warning and does not handle PET
units.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from medsynth_core.errors import MedSynthError
from medsynth_core.io.dicom.copies import frames_in
from medsynth_core.io.dicom.frames import Frame, mapped
from medsynth_core.io.dicom.pixels import stored_values
from medsynth_core.io.dicom.series import Series, find_series
from medsynth_core.io.dicom.series_choice import choose_series
from medsynth_core.io.dicom.stack import doubt_spacing, refuse_part, stack_frames
from medsynth_core.io.dicom.synthetic_mark import is_error_map, is_synthetic
from medsynth_core.io.dicom.values import pet_values, rescaled, unit_of
from medsynth_core.io.facts import doubts_of
from medsynth_core.io.identifiers import without_identifiers
from medsynth_core.io.suv.body import SUV_UNITS
from medsynth_core.io.suv.plausible import suv_doubts
from medsynth_core.volume import Volume


def read_dicom(path: Path, modality: str = "", unit: str = "") -> Volume:
    """Read one series of a folder, or the series that a DICOM file belongs to.

    Args:
        path: a folder (subfolders are included) or one DICOM file.
        modality: ``CT``, ``PT``, ``MR``, or ``""`` for that stated by the tags.
        unit: ``HU``; for PET ``SUVbw``, another of `SUV_UNITS`, or ``Bq/mL``; or ``""`` for that stated by the tags,
            which for PET is SUVbw if they allow it.

    Returns:
        The volume with the modality and unit of the tags. Its metadata have digests of the UIDs of series and frame of
        reference and the number of slices, but no identifier, date or free text (`io.identifiers`). For a series made
        by a model, ``synthetic`` is True, and ``error_map`` if it shows the errors of one. For a PET in SUV, ``suv``
        states how it was computed (including weight and dose, but no dates); for a PET that could only be read in Bq/mL
        without a requested unit, ``suv_refused`` states why. ``warnings`` are doubts about the slices.

    Raises:
        MedSynthError: no series or several match, the slices do not form a complete volume, a header has invalid
            values, the pixels cannot be decoded, or the tags contradict ``modality`` or ``unit`` or do not suffice for
            the requested SUV.
        OSError: a file or folder cannot be opened.
    """
    series = choose_series(find_series(path), path, modality)
    # A single file without others of its series is read as a single slice.
    return read_series(series, unit, part=path.is_file() and series.slices == 1)


def read_series(series: Series, unit: str = "", *, part: bool = False) -> Volume:
    """Read the volume of one series, with the modality and unit of its tags and metadata as `read_dicom`.

    Args:
        series: the series.
        unit: as for `read_dicom`.
        part: whether to accept a part of a series: slices of a PET may then be missing at its ends.

    Raises:
        MedSynthError: as `read_dicom`.
        OSError: a file cannot be opened.
    """
    name = f"the series {series}"
    frames, matrix = stack_frames(frames_in(series), name)
    if series.modality == "PT":
        if not part:
            refuse_part(frames, name)
        volume = _read_pet(series, frames, matrix, name, unit)
        # A part of an image, and a map of errors, may have low values everywhere.
        looked_at = "suv" in volume.metadata and not part and not volume.is_error_map
        doubts = suv_doubts(volume.voxels, volume.unit) if looked_at else []
        return _with_doubts(volume, doubts + doubt_spacing(frames))
    stated = unit_of(series, frames)
    if unit and stated and unit != stated:
        raise MedSynthError(f"The values of {name} are in {stated} according to its tags, not in {unit}; use {stated}.")
    voxels = rescaled(_stored_slices(frames), frames)
    volume = Volume(voxels, matrix, series.modality, stated or unit, _metadata(series))
    return _with_doubts(volume, doubt_spacing(frames))


def _read_pet(series: Series, frames: list[Frame], matrix: np.ndarray, name: str, unit: str) -> Volume:
    stored = _stored_slices(frames)
    frames = [mapped(frame, values) for frame, values in zip(frames, stored, strict=True)]
    conversion = pet_values(frames, matrix, name, unit)
    voxels = rescaled(stored, frames, conversion.factors)
    if conversion.unit in SUV_UNITS and not voxels.any():
        raise MedSynthError(f"All values of {name} are zero, so it shows no uptake; choose another series.")
    return Volume(voxels, matrix, series.modality, conversion.unit, {**_metadata(series), **conversion.metadata})


def _with_doubts(volume: Volume, doubts: list[str]) -> Volume:
    """Return a volume that keeps doubts: a PET in SUV among those of the computation."""
    if not doubts:
        return volume
    warnings = {"warnings": doubts_of(volume.metadata) + doubts}
    kept = {"suv": {**volume.metadata["suv"], **warnings}} if "suv" in volume.metadata else warnings
    return volume.replace(metadata={**volume.metadata, **kept})


def _stored_slices(frames: list[Frame]) -> list[Any]:
    files = {file: stored_values(file) for file in {frame.file for frame in frames}}
    return [files[frame.file][frame.index] for frame in frames]


def _metadata(series: Series) -> dict[str, Any]:
    first = series.headers[0]
    uids = {keyword: str(first.get(keyword) or "") for keyword in ("SeriesInstanceUID", "FrameOfReferenceUID")}
    kept = {**without_identifiers(uids), "NumberOfSlices": series.slices}
    marks = {"synthetic": is_synthetic(first), "error_map": is_error_map(first)}
    return {**kept, **{mark: True for mark, found in marks.items() if found}}
