"""A DICOM folder as a volume."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from medsynth_core.errors import MedSynthError
from medsynth_core.io.dicom.choice import choose_series
from medsynth_core.io.dicom.derived_mark import is_synthetic
from medsynth_core.io.dicom.frames import Frame, frames_of
from medsynth_core.io.dicom.pixels import stored_values
from medsynth_core.io.dicom.series import Series, find_series
from medsynth_core.io.dicom.stack import refuse_part, stack_frames
from medsynth_core.io.dicom.values import pet_values, rescaled, unit_of
from medsynth_core.io.suv.body import SUV_UNITS
from medsynth_core.volume import Volume

_KEPT_TAGS = ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID", "SeriesDescription")


def read_dicom(path: Path, modality: str = "", unit: str = "") -> Volume:
    """Read one series of a folder, or the series that a DICOM file belongs to.

    Args:
        path: a folder (its subfolders are searched too) or one DICOM file.
        modality: ``CT``, ``PT``, ``MR``, or ``""`` for what the tags say.
        unit: ``HU``; for PET ``SUVbw``, another of `SUV_UNITS`, or ``Bq/mL``; or ``""`` for what the tags say, which
            for PET is SUVbw where they allow it.

    Returns:
        The volume with modality and unit of the tags. Its metadata keep the UIDs of study, series and frame
        of reference, the series description and the number of slices, but nothing that names the patient. Of a
        series that a model made ``synthetic`` is True. Of a PET in SUV they say under ``suv`` how it came about
        (weight and dose included, dates not); of one that could only be read in Bq/mL though no unit was asked for,
        ``suv_refused`` says why.

    Raises:
        MedSynthError: no series or several fit, the slices do not make a volume or the whole one, a header holds values
            that cannot be used, the pixels cannot be decoded, the tags contradict ``modality`` or ``unit``, or do not
            suffice for the SUV that is asked for.
        OSError: a file or folder cannot be opened.
    """
    series = choose_series(find_series(path), path, modality)
    # One file without others of its series is meant as it is: a slice.
    return read_series(series, unit, part=path.is_file() and series.slices == 1)


def read_series(series: Series, unit: str = "", *, part: bool = False) -> Volume:
    """Read the volume of one series, with modality and unit of its tags and metadata as `read_dicom`.

    Args:
        series: the series.
        unit: as for `read_dicom`.
        part: whether a part of a series is meant, so that slices of a PET may be missing at its ends.

    Raises:
        MedSynthError: as `read_dicom`.
        OSError: a file cannot be opened.
    """
    name = f"the series {series}"
    frames, matrix = stack_frames([frame for header in series.headers for frame in frames_of(header)], name)
    if series.modality == "PT":
        if not part:
            refuse_part(frames, name)
        return _read_pet(series, frames, matrix, name, unit)
    stated = unit_of(series, frames)
    if unit and stated and unit != stated:
        raise MedSynthError(f"The values of {name} are in {stated} by its tags, not in {unit}; state {stated}.")
    voxels = rescaled(_stored_slices(frames), frames)
    return Volume(voxels, matrix, series.modality, stated or unit, _metadata(series))


def _read_pet(series: Series, frames: list[Frame], matrix: np.ndarray, name: str, unit: str) -> Volume:
    conversion = pet_values(frames, matrix, name, unit)
    voxels = rescaled(_stored_slices(frames), frames, conversion.factors)
    if conversion.unit in SUV_UNITS and not voxels.any():
        raise MedSynthError(f"All values of {name} are zero, so it shows no uptake; choose another series.")
    return Volume(voxels, matrix, series.modality, conversion.unit, {**_metadata(series), **conversion.metadata})


def _stored_slices(frames: list[Frame]) -> list[Any]:
    files = {file: stored_values(file) for file in {frame.file for frame in frames}}
    return [files[frame.file][frame.index] for frame in frames]


def _metadata(series: Series) -> dict[str, Any]:
    first = series.headers[0]
    kept: dict[str, Any] = {keyword: str(first[keyword].value) for keyword in _KEPT_TAGS if keyword in first}
    return {**kept, "NumberOfSlices": series.slices, **({"synthetic": True} if is_synthetic(first) else {})}
