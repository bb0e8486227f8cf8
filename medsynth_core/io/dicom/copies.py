"""Files of a series that state the same SOP Instance UID: copies of one image, or images that contradict each other."""

from __future__ import annotations

import filecmp

import numpy as np
from pydicom.dataset import Dataset, FileDataset

from medsynth_core.errors import MedSynthError
from medsynth_core.io.dicom.errors import DAMAGE, damaged, path_of
from medsynth_core.io.dicom.frames import Frame, frames_of
from medsynth_core.io.dicom.pixels import stored_values
from medsynth_core.io.dicom.series import Series
from medsynth_core.io.suv.tags import named

_DESCRIPTIONS = ("SpecificCharacterSet", "SeriesDescription")


def frames_in(series: Series) -> list[Frame]:
    """Return the frames of a series; of copies of an instance, those of the first.

    Raises:
        MedSynthError: files with one SOP Instance UID differ in what is read of them, or as `frames_of`.
        OSError: a file cannot be opened.
    """
    for first, other in series.copies:
        if not _same_content(first, other):
            raise MedSynthError(
                f"{path_of(first)} and {path_of(other)} have the same {named('SOPInstanceUID')}, but different "
                "content, so one of them is not the original; remove it, or export the series again."
            )
    return [frame for header in series.headers for frame in frames_of(header)]


def _telling(header: FileDataset) -> Dataset:
    """Return the elements of a header that have a value, but for descriptions and the encoding of text.

    Names are corrected in archives; the Patient ID tells the patient.
    """
    unimportant = {*_DESCRIPTIONS, *(("PatientName",) if header.get("PatientID") else ())}
    kept = Dataset()
    for element in header:
        if not element.is_empty and element.keyword not in unimportant:
            kept.add(element)
    return kept


def _same_content(first: FileDataset, other: FileDataset) -> bool:
    """Return whether two files give the same image: they may differ in encoding and in tags that say nothing of it."""
    files = path_of(first), path_of(other)
    if filecmp.cmp(*files, shallow=False):
        return True
    try:
        if _telling(first) != _telling(other):
            return False
    except DAMAGE as error:
        raise damaged(files[1]) from error
    one, two = (stored_values(file) for file in files)
    return np.array_equal(one, two)
