"""The image series in a folder of DICOM files."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydicom.dataset import Dataset, FileDataset
from pydicom.tag import Tag
from pydicom.uid import MediaStorageDirectoryStorage
from pydicom.valuerep import VR

from medsynth_core.errors import MedSynthError
from medsynth_core.io.dicom.errors import DAMAGE, damaged, numbers_in, path_of
from medsynth_core.io.dicom.files import read_dataset
from medsynth_core.io.dicom.synthetic_mark import MARK_TAGS
from medsynth_core.io.suv.private import PRIVATE_TAGS

# Screenshots, dose reports, raw data and structures may state the same modality, so the storage class decides.
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
    # Without it, pydicom reads numbers of the kind of the pixels (US or SS) as positive ones.
    "PixelRepresentation",
    "ImagePositionPatient", "ImageOrientationPatient", "SliceThickness", "SpacingBetweenSlices",
    "RescaleSlope", "RescaleIntercept", "RescaleType", "ModalityLUTSequence",
    "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence", "PatientID", "PatientName",
    "OtherPatientIDs", "OtherPatientIDsSequence", "PatientBirthDate", "StudyDate",
]  # fmt: skip
# Tags needed to compute SUV, for the decay tags of a derived PET, and to check the number of slices.
_PET_TAGS: list[str | tuple[int, int]] = [
    "Units", "SUVType", "CorrectedImage", "AttenuationCorrected", "AttenuationCorrectionMethod", "DecayCorrection",
    "DecayCorrected", "DecayCorrectionDateTime", "SeriesDate", "SeriesTime", "AcquisitionDate", "AcquisitionTime",
    "AcquisitionDateTime", "TimezoneOffsetFromUTC", "ActualFrameDuration", "FrameReferenceTime", "DecayFactor",
    "DoseCalibrationFactor", "SeriesType", "NumberOfSlices", "RadiopharmaceuticalInformationSequence", "PatientWeight",
    "PatientSize", "PatientSex", "PatientSpeciesDescription", "PatientSpeciesCodeSequence", *PRIVATE_TAGS,
]  # fmt: skip
_READ_TAGS = [*(Tag(tag) for tag in _TAGS + _PET_TAGS), *MARK_TAGS]
_TYPES = {kind.value for kind in VR}


@dataclass
class Series:
    """The headers (without pixels) of the instances that share a SeriesInstanceUID.

    Attributes:
        uid: the SeriesInstanceUID.
        headers: one of each instance.
        copies: of each further file of an instance, the header in ``headers`` and its own.
    """

    uid: str
    headers: list[FileDataset] = field(default_factory=list)
    copies: list[tuple[FileDataset, FileDataset]] = field(default_factory=list)

    @property
    def modality(self) -> str:
        """``CT``, ``PT`` or ``MR`` for image series, otherwise ``other`` and the stated Modality."""
        first = self.headers[0]
        return IMAGE_CLASSES.get(str(first.get("SOPClassUID")), "") or f"other {first.get('Modality', '')}".strip()

    @property
    def description(self) -> str:
        """The SeriesDescription, which may be empty."""
        return str(self.headers[0].get("SeriesDescription") or "")

    @property
    def slices(self) -> int:
        """Total number of frames in all instances."""
        return sum(map(frame_count, self.headers))

    def __str__(self) -> str:
        return f"'{self.description}' ({self.modality}, {self.slices} slices, {self.uid})"


def frame_count(header: FileDataset) -> int:
    """Return the stated number of frames of an instance; 1 if it is not stated.

    Raises:
        MedSynthError: the stated value is not a number.
    """
    stated = numbers_in(header, "NumberOfFrames", 1, path_of(header))
    return 1 if stated is None else int(stated[0]) or 1


def find_series(path: Path) -> list[Series]:
    """Return the series in a folder and its subfolders, or the series that a DICOM file belongs to.

    Files that are not DICOM are ignored.

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


def series_in(files: Iterable[Path], damage: Callable[[Path, MedSynthError], None]) -> list[Series]:
    """Return the series of files; those that are not DICOM are ignored.

    Args:
        files: the files.
        damage: called with each damaged file and what is wrong with it; it is left out.

    Raises:
        OSError: a file cannot be opened.
    """
    return _group(files, damage)


def series_of(files: Sequence[Path]) -> Series:
    """Return the series of DICOM files, with these instances only.

    Raises:
        MedSynthError: the files belong to no series or to several, or a file is damaged.
        OSError: a file cannot be opened.
    """
    found = _group(list(files))
    if len(found) != 1:
        raise MedSynthError(
            f"The {len(files)} files belong to {len(found)} DICOM series instead of one; load the series again."
        )
    return found[0]


def _files_below(folder: Path) -> Iterator[Path]:
    def complain(error: OSError) -> None:
        raise error

    for place, folders, names in os.walk(folder, onerror=complain):
        folders.sort()
        # Pipes and sockets are passed over as other files that are not DICOM.
        yield from (file for name in sorted(names) if (file := Path(place, name)).is_file() or not file.exists())


def _group(files: Iterable[Path], damage: Callable[[Path, MedSynthError], None] | None = None) -> list[Series]:
    found: dict[str, Series] = {}
    seen: dict[tuple[str, str], FileDataset] = {}
    for file in files:
        try:
            header = _read_header(file)
        except MedSynthError as error:
            if damage is None:
                raise
            damage(file, error)
            continue
        if header is None:
            continue
        uid = str(header.SeriesInstanceUID)
        series = found.setdefault(uid, Series(uid))
        first = seen.setdefault((uid, str(header.SOPInstanceUID)), header)
        if first is header:
            series.headers.append(header)
        else:
            series.copies.append((first, header))
    return list(found.values())


def _read_header(file: Path) -> FileDataset | None:
    """Return the header of an instance, or None for other files (a DICOMDIR, a text)."""
    try:
        header = read_dataset(file, stop_before_pixels=True, specific_tags=_READ_TAGS.copy())
        if header is None:
            return None
        known = _has_known_types(header.file_meta) and _has_known_types(header)
    except DAMAGE as error:
        raise damaged(file) from error
    if not known:
        raise damaged(file)
    if header.file_meta.get("MediaStorageSOPClassUID") == MediaStorageDirectoryStorage:
        return None
    if "SeriesInstanceUID" not in header or "SOPInstanceUID" not in header:
        raise damaged(file)
    return header


def _has_known_types(header: Dataset) -> bool:
    """Return whether pydicom, which converts values on access, knows the type (VR) of each element."""
    stated = (getattr(header.get_item(tag), "VR", None) for tag in header.keys())  # noqa: SIM118 - no conversion
    return all(kind is None or kind in _TYPES for kind in stated)
