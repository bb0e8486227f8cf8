"""The image series in a folder of DICOM files."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydicom import dcmread
from pydicom.dataset import FileDataset
from pydicom.errors import InvalidDicomError
from pydicom.tag import Tag
from pydicom.uid import MediaStorageDirectoryStorage

from medsynth_core.errors import MedSynthError
from medsynth_core.io.dicom.damage import DAMAGE, damaged, numbers_in, path_of
from medsynth_core.io.dicom.derived_mark import MARK_TAGS
from medsynth_core.io.suv.private import PRIVATE_TAGS

# Screenshots, dose reports, raw data and structures may carry the same modality: the storage class decides.
IMAGE_CLASSES = {
    "1.2.840.10008.5.1.4.1.1.2": "CT",
    "1.2.840.10008.5.1.4.1.1.2.1": "CT",  # enhanced
    "1.2.840.10008.5.1.4.1.1.2.2": "CT",  # legacy converted enhanced
    "1.2.840.10008.5.1.4.1.1.4": "MR",
    "1.2.840.10008.5.1.4.1.1.4.1": "MR",
    "1.2.840.10008.5.1.4.1.1.4.4": "MR",
    "1.2.840.10008.5.1.4.1.1.128": "PT",
    "1.2.840.10008.5.1.4.1.1.130": "PT",
    "1.2.840.10008.5.1.4.1.1.128.1": "PT",
}

_TAGS: list[str | tuple[int, int]] = [
    "SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID",
    "Modality", "SeriesDescription", "ImageType", "Rows", "Columns", "NumberOfFrames", "PixelSpacing",
    "ImagePositionPatient", "ImageOrientationPatient", "SliceThickness", "SpacingBetweenSlices",
    "RescaleSlope", "RescaleIntercept", "RescaleType", "ModalityLUTSequence",
    "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence", "PatientID", "PatientName",
]  # fmt: skip
# What an SUV depends on, what a PET that is derived from it states of decay, and how many slices there should be.
_PET_TAGS: list[str | tuple[int, int]] = [
    "Units", "SUVType", "CorrectedImage", "AttenuationCorrected", "DecayCorrection", "DecayCorrected",
    "DecayCorrectionDateTime", "SeriesDate", "SeriesTime", "AcquisitionDate", "AcquisitionTime", "AcquisitionDateTime",
    "TimezoneOffsetFromUTC", "ActualFrameDuration", "FrameReferenceTime", "DecayFactor", "DoseCalibrationFactor",
    "SeriesType", "NumberOfSlices", "RadiopharmaceuticalInformationSequence", "PatientWeight", "PatientSize",
    "PatientSex", *PRIVATE_TAGS,
]  # fmt: skip
_READ_TAGS = [*(Tag(tag) for tag in _TAGS + _PET_TAGS), *MARK_TAGS]


@dataclass
class Series:
    """The headers (without pixels) of the files that share a SeriesInstanceUID, one for each instance."""

    uid: str
    headers: list[FileDataset] = field(default_factory=list)

    @property
    def modality(self) -> str:
        """``CT``, ``PT`` or ``MR`` for image series, else the Modality that the files state."""
        first = self.headers[0]
        return IMAGE_CLASSES.get(str(first.get("SOPClassUID")), "") or f"other {first.get('Modality', '')}".strip()

    @property
    def description(self) -> str:
        """The SeriesDescription, which may be empty."""
        return str(self.headers[0].get("SeriesDescription") or "")

    @property
    def slices(self) -> int:
        """Number of frames in all instances together."""
        return sum(map(frame_count, self.headers))

    def __str__(self) -> str:
        return f"'{self.description}' ({self.modality}, {self.slices} slices, {self.uid})"


def frame_count(header: FileDataset) -> int:
    """Return how many frames an instance says that it has, 1 where it says nothing.

    Raises:
        MedSynthError: it says something that is no number.
    """
    stated = numbers_in(header, "NumberOfFrames", 1, path_of(header))
    return 1 if stated is None else int(stated[0]) or 1


def find_series(path: Path) -> list[Series]:
    """Return the series in a folder and its subfolders, or the one that a DICOM file belongs to.

    Files that are not DICOM are passed over; of two copies of one instance the first counts.

    Raises:
        MedSynthError: a DICOM file is damaged.
        OSError: a file or folder cannot be opened.
    """
    if path.is_dir():
        return _group(_files_below(path))
    header = _read_header(path)
    if header is None:
        return []
    neighbours = _group(sorted(file for file in path.parent.iterdir() if file.is_file()))
    return [series for series in neighbours if series.uid == str(header.SeriesInstanceUID)]


def series_of(files: Sequence[Path]) -> Series:
    """Return the series that DICOM files are of, with these instances of it and no others.

    Raises:
        MedSynthError: there is none or there are several, or a file is damaged.
        OSError: a file cannot be opened.
    """
    found = _group(list(files))
    if len(found) != 1:
        raise MedSynthError(f"The {len(files)} files are of {len(found)} DICOM series instead of one; load it again.")
    return found[0]


def _files_below(folder: Path) -> Iterator[Path]:
    def complain(error: OSError) -> None:
        raise error

    for place, folders, names in os.walk(folder, onerror=complain):
        folders.sort()
        yield from (Path(place, name) for name in sorted(names))


def _group(files: Iterator[Path] | list[Path]) -> list[Series]:
    found: dict[str, Series] = {}
    seen: set[str] = set()
    for file in files:
        header = _read_header(file)
        if header is None or str(header.SOPInstanceUID) in seen:
            continue
        seen.add(str(header.SOPInstanceUID))
        uid = str(header.SeriesInstanceUID)
        found.setdefault(uid, Series(uid)).headers.append(header)
    return list(found.values())


def _read_header(file: Path) -> FileDataset | None:
    """Return the header of an instance, or None for a file that is none (a directory of a disk, a text)."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # odd values in tags that do not matter here
            header = dcmread(file, stop_before_pixels=True, specific_tags=_READ_TAGS.copy())
    except InvalidDicomError:
        return None
    except DAMAGE as error:
        raise damaged(file) from error
    if header.file_meta.get("MediaStorageSOPClassUID") == MediaStorageDirectoryStorage:
        return None
    if "SeriesInstanceUID" not in header or "SOPInstanceUID" not in header:
        raise damaged(file)
    return header
