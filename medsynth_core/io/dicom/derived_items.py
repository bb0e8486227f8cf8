"""Small pieces that derived DICOM objects are put together from."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydicom.config import RAISE
from pydicom.datadict import dictionary_VR
from pydicom.dataset import Dataset
from pydicom.valuerep import format_number_as_ds, validate_value


def item(**values: Any) -> Dataset:
    """Return a data set, or an item of a sequence, with values by keyword."""
    made = Dataset()
    for keyword, value in values.items():
        setattr(made, keyword, value)
    return made


def code(concept: tuple[str, str, str]) -> list[Dataset]:
    """Return the code sequence of a concept: value, coding scheme, meaning."""
    value, scheme, meaning = concept
    return [item(CodeValue=value, CodingSchemeDesignator=scheme, CodeMeaning=meaning)]


def value(source: Dataset, keyword: str) -> Any:
    """Return the value of an element; None where it is missing, empty, or nothing that its kind may hold."""
    try:
        found = source.get(keyword)
    except (ValueError, TypeError, AttributeError, OverflowError):
        return None
    return None if found in ("", []) or not _possible(found, dictionary_VR(keyword)) else found


def _possible(found: Any, kind: str) -> bool:
    """Tell whether a number is a number, and a date, time or age one; other kinds are left as they are."""
    if kind in ("DS", "IS"):
        return not isinstance(found, str)
    if kind in ("AS", "DA", "TM"):
        try:
            validate_value(kind, str(found), RAISE)
        except ValueError:
            return False
    return True


def carry(source: Dataset, into: Dataset, keywords: Iterable[str]) -> None:
    """Copy the elements that ``source`` has a value of."""
    for keyword in keywords:
        if value(source, keyword) is not None:
            into[keyword] = source[keyword]


def carry_or_empty(source: Dataset, into: Dataset, keywords: Iterable[str]) -> None:
    """Copy elements of type 2, which must be there and may be empty."""
    for keyword in keywords:
        setattr(into, keyword, [] if dictionary_VR(keyword) == "SQ" else None)
        carry(source, into, [keyword])


def numbers(values: Iterable[float]) -> list[str]:
    """Return decimal strings with as many digits as DICOM allows (16 characters)."""
    return [format_number_as_ds(float(value)) for value in values]


def text(content: str, length: int) -> str:
    """Return one line of ASCII no longer than ``length``: it is right in whatever characters the patient's name is."""
    plain = " ".join(content.replace("\\", "/").split())
    return plain.encode("ascii", "replace").decode()[:length].rstrip()
