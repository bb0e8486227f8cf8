"""Reading of header values, and errors for missing or invalid ones."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from pydicom.datadict import dictionary_description, dictionary_VR, tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.tag import Tag

from medsynth_core.errors import MedSynthError
from medsynth_core.text import quoted


def named(keyword: str) -> str:
    """Return the display name of a tag: ``Patient's Weight (0010,1030)``."""
    tag = Tag(tag_for_keyword(keyword) or 0)
    return f"{dictionary_description(tag)} ({tag.group:04X},{tag.element:04X})"


def missing(keyword: str, remedy: str = "correct the header, or send the series again") -> MedSynthError:
    """Return the error for a tag that is missing or empty or, if numeric, zero."""
    lacking = "missing or 0" if dictionary_VR(keyword) in ("DS", "IS", "FD") else "missing"
    return MedSynthError(f"{named(keyword)} is {lacking}; {remedy}")


def text(dataset: Dataset, keyword: str) -> str:
    """Return the text of a tag, or of its first value if it has several; "" if it is missing."""
    try:
        return plain(dataset.get(keyword))
    except (ValueError, TypeError, OverflowError) as error:
        raise MedSynthError(f"{named(keyword)} has no valid value; correct the header") from error


def plain(value: Any) -> str:
    """Return a value of any type, including unknown VR (bytes), as text without padding."""
    if isinstance(value, MultiValue | list):
        value = value[0] if value else None
    if isinstance(value, bytes):
        value = value.decode("ascii", "replace")
    return "" if value is None else str(value).strip("\0 ")


def listed(dataset: Dataset, keyword: str) -> set[str]:
    """Return all values of a multi-valued tag."""
    values = dataset.get(keyword) or []
    return {str(value) for value in (values if isinstance(values, MultiValue | list) else [values])}


def number(dataset: Dataset, keyword: str) -> float | None:
    """Return the number of a tag, or None if it is missing or 0, which scanners write for unknown values.

    Raises:
        MedSynthError: the value is not a finite number.
    """
    return as_number(text(dataset, keyword), named(keyword)) or None


def as_number(content: str, name: str) -> float:
    """Return ``content`` as a number; 0 if it is empty.

    Raises:
        MedSynthError: the content is not a finite number.
    """
    try:
        value = float(content or 0)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise MedSynthError(f"{name} is {quoted(content)}, which is not a number; correct the header")
    return value


def agreed(slices: Sequence[Dataset], keyword: str) -> str:
    """Return the text of a tag that must be the same in all slices; "" if it is missing.

    Raises:
        MedSynthError: the text differs between slices.
    """
    return same([text(dataset, keyword) for dataset in slices], named(keyword))


def same(contents: Sequence[str], name: str) -> str:
    """Return the common text of the tag ``name`` in all slices.

    Raises:
        MedSynthError: the text differs between slices.
    """
    found = sorted(set(contents))
    if len(found) > 1:
        raise _different(name, found)
    return found[0]


def agreed_number(slices: Sequence[Dataset], keyword: str) -> float | None:
    """Return the number of a tag that must be the same in all slices, or None as `number` does.

    Raises:
        MedSynthError: the value differs between slices, or is not a number.
    """
    found = sorted({as_number(text(dataset, keyword), named(keyword)) for dataset in slices})
    if len(found) > 1:
        raise _different(named(keyword), found)
    return found[0] or None


def _different(name: str, found: Sequence[Any]) -> MedSynthError:
    listed = ", ".join(quoted(str(value)) if str(value) else "nothing" for value in found[:4])
    # Dates and times are not repeated: the message may be kept with the image, and dates of patients must not be.
    values = "" if "Date" in name or "Time" in name else f" ({listed})"
    return MedSynthError(f"{name} differs between its slices{values}; provide slices with the same value only")
