"""DICOM files whose values cannot be used: what they raise, and how that is told."""

from __future__ import annotations

import os
import warnings

import numpy as np
from pydicom.dataset import Dataset, FileDataset
from pydicom.errors import BytesLengthException

from medsynth_core.errors import MedSynthError
from medsynth_core.io.suv.tags import named

# What pydicom raises on a file that is damaged, or of a kind that it does not decode, and what follows from its values.
DAMAGE = (
    ValueError, AttributeError, LookupError, TypeError, OverflowError, EOFError, NotImplementedError,
    BytesLengthException,
)  # fmt: skip


def path_of(header: FileDataset) -> str:
    """Return the path of the file that a header was read from."""
    return str(header.filename)


def damaged(file: str | os.PathLike[str]) -> MedSynthError:
    """Return the refusal of a DICOM file that cannot be read to its end."""
    return MedSynthError(f"The DICOM file {file} is damaged or truncated; copy or send it again.")


def invalid(file: str, keyword: str) -> MedSynthError:
    """Return the refusal of a DICOM file for one value that its kind cannot have."""
    return MedSynthError(
        f"The DICOM file {file} has no {named(keyword)} that can be used; correct its header, or export the series "
        "again."
    )


def numbers_in(source: Dataset, keyword: str, count: int, file: str) -> np.ndarray | None:
    """Return the numbers of an element, or None where it is missing or empty.

    Args:
        source: a header, or an item of one.
        keyword: of the element.
        count: how many numbers it must hold.
        file: the path of the file, for the sentence.

    Raises:
        MedSynthError: it holds more or fewer, or something that is no finite number.
    """
    try:
        # pydicom makes numbers of the text when they are asked for, not when the file is read.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # odd values, which are judged here
            found = source.get(keyword)
        if found in (None, "", []):
            return None
        values = np.array(found, dtype=np.float64).ravel()
    except DAMAGE as error:
        raise invalid(file, keyword) from error
    if values.size != count or not np.isfinite(values).all():
        raise invalid(file, keyword)
    return values
