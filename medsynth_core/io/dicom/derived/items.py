"""Helpers to build derived DICOM objects."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydicom.config import RAISE
from pydicom.datadict import dictionary_VR
from pydicom.dataset import Dataset
from pydicom.valuerep import format_number_as_ds, validate_value


def item(**values: Any) -> Dataset:
    """Return a data set or sequence item with the given values by keyword."""
    made = Dataset()
    for keyword, value in values.items():
        setattr(made, keyword, value)
    return made


def code(concept: tuple[str, str, str]) -> list[Dataset]:
    """Return the code sequence of a concept: value, coding scheme, meaning."""
    value, scheme, meaning = concept
    return [item(CodeValue=value, CodingSchemeDesignator=scheme, CodeMeaning=meaning)]


def value(source: Dataset, keyword: str) -> Any:
    """Return the value of an element; None if it is missing, empty or invalid for its VR."""
    try:
        found = source.get(keyword)
    except (ValueError, TypeError, AttributeError, OverflowError):
        return None
    return None if found in ("", []) or not _possible(found, dictionary_VR(keyword)) else found


def _possible(found: Any, kind: str) -> bool:
    """Return whether a number, date, time or age is valid; other VRs are not checked."""
    if kind in ("DS", "IS"):
        return not isinstance(found, str)
    if kind in ("AS", "DA", "TM"):
        try:
            validate_value(kind, str(found), RAISE)
        except ValueError:
            return False
    return True


def carry(source: Dataset, into: Dataset, keywords: Iterable[str]) -> None:
    """Copy the elements for which ``source`` has a value."""
    for keyword in keywords:
        if value(source, keyword) is not None:
            into[keyword] = source[keyword]


def carry_or_empty(source: Dataset, into: Dataset, keywords: Iterable[str]) -> None:
    """Copy elements of type 2, which must be present but may be empty."""
    for keyword in keywords:
        setattr(into, keyword, [] if dictionary_VR(keyword) == "SQ" else None)
        carry(source, into, [keyword])


def numbers(values: Iterable[float]) -> list[str]:
    """Return decimal strings with as many digits as DICOM allows (16 characters)."""
    return [format_number_as_ds(float(value)) for value in values]


def text(content: str, length: int) -> str:
    """Return one line of printable ASCII of at most ``length`` characters, valid in any character set."""
    plain = " ".join("".join(one if one.isprintable() else " " for one in content.replace("\\", "/")).split())
    return plain.encode("ascii", "replace").decode()[:length].rstrip()
