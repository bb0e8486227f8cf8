"""Errors for damaged or invalid DICOM files."""

from __future__ import annotations

import os
import struct
import warnings
import zlib

import numpy as np
from pydicom.dataset import Dataset, FileDataset
from pydicom.errors import BytesLengthException

from medsynth_core.errors import MedSynthError
from medsynth_core.io.suv.tags import named

# Exceptions raised by pydicom, or by the use of its values, on files that are damaged or not supported.
DAMAGE = (
    ValueError, AttributeError, LookupError, TypeError, OverflowError, EOFError, RuntimeError, struct.error, zlib.error,
    BytesLengthException,
)  # fmt: skip


def path_of(header: FileDataset) -> str:
    """Return the path of the file that a header was read from."""
    return str(header.filename)


def damaged(file: str | os.PathLike[str]) -> MedSynthError:
    """Return the error for a DICOM file that cannot be read completely."""
    return MedSynthError(f"The DICOM file {file} is damaged or truncated; copy or send it again.")


def invalid(file: str, keyword: str) -> MedSynthError:
    """Return the error for a DICOM file with an invalid value."""
    return MedSynthError(
        f"The DICOM file {file} has no valid {named(keyword)}; correct its header, or export the series again."
    )


def numbers_in(source: Dataset, keyword: str, count: int, file: str) -> np.ndarray | None:
    """Return the numbers of an element, or None if it is missing or empty.

    Args:
        source: a header, or an item of a sequence.
        keyword: keyword of the element.
        count: required number of values.
        file: path of the file, for messages.

    Raises:
        MedSynthError: the number of values is wrong, or a value is not a finite number.
    """
    try:
        # pydicom converts text to numbers on access, not when the file is read.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # invalid values are checked below
            found = source.get(keyword)
        if found in (None, "", []):
            return None
        values = np.array(found, dtype=np.float64).ravel()
    except DAMAGE as error:
        raise invalid(file, keyword) from error
    if values.size != count or not np.isfinite(values).all():
        raise invalid(file, keyword)
    return values
