"""DICOM files, with the preamble that the standard demands or without it."""

from __future__ import annotations

import logging
import os
import warnings
from pathlib import Path
from typing import Any, Literal

from pydicom import dcmread
from pydicom.dataset import FileDataset
from pydicom.errors import InvalidDicomError
from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from medsynth_core.io.regular_file import check_regular, open_regular

# pydicom also logs what it raises; without a handler, Python would print it.
logging.getLogger("pydicom").addHandler(logging.NullHandler())
# A file without preamble begins with an element of one of these groups: file meta information, or identification.
_FIRST_GROUPS = (0x0002, 0x0008)


def is_dicom(path: Path) -> bool:
    """Return whether a file is DICOM, judged by its first bytes.

    Raises:
        OSError: the file cannot be opened.
    """
    with open_regular(path) as file:
        start = file.read(132)
    return start[128:] == b"DICM" or _begins_with_element(start, path.stat().st_size)


def read_dataset(file: str | os.PathLike[str], **options: Any) -> FileDataset | None:
    """Return the data set of a DICOM file; None if it is another kind of file.

    Without file meta information, the transfer syntax is that in which the elements could be read.

    Args:
        file: the file.
        options: of `pydicom.dcmread`.

    Raises:
        DAMAGE: the file is damaged (see `medsynth_core.io.dicom.errors`).
        OSError: the file cannot be opened.
    """
    check_regular(Path(file))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # invalid values in tags that are not needed
        try:
            return dcmread(file, **options)
        except InvalidDicomError:
            if not is_dicom(Path(file)):
                return None
        dataset = dcmread(file, force=True, **options)
        if "TransferSyntaxUID" not in dataset.file_meta:
            dataset.file_meta.TransferSyntaxUID = _syntax_of(dataset)
    # Two letters at the right place are no proof; every DICOM object states its class.
    return dataset if str(dataset.get("SOPClassUID", "")).startswith("1.2.840.10008.") else None


def _begins_with_element(start: bytes, size: int) -> bool:
    """Return whether a file of ``size`` bytes begins with a data element, explicit or implicit, in either order."""
    if len(start) < 8:
        return False
    orders: tuple[Literal["little", "big"], ...] = ("little", "big")
    for order in orders:
        group = int.from_bytes(start[:2], order)
        element = int.from_bytes(start[2:4], order)
        explicit = start[4:6].isalpha() and start[4:6].isupper()
        fits = int.from_bytes(start[4:8], order) <= size - 8
        if group in _FIRST_GROUPS and element < 0x2000 and (explicit or fits):
            return True
    return False


def _syntax_of(dataset: FileDataset) -> UID:
    # pydicom before version 3 states it in other attributes.
    implicit, little = getattr(dataset, "original_encoding", None) or (dataset.is_implicit_VR, dataset.is_little_endian)
    if implicit:
        return ImplicitVRLittleEndian
    return ExplicitVRLittleEndian if little else ExplicitVRBigEndian
