"""Values of a series' headers, and the sentences about those that are missing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from pydicom.datadict import dictionary_description, dictionary_VR, tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.tag import Tag

from medsynth_core.errors import MedSynthError


def named(keyword: str) -> str:
    """Return a tag as users know it: ``Patient's Weight (0010,1030)``."""
    tag = Tag(tag_for_keyword(keyword) or 0)
    return f"{dictionary_description(tag)} ({tag.group:04X},{tag.element:04X})"


def missing(keyword: str, remedy: str = "correct the header, or send the series again") -> MedSynthError:
    """Return the refusal for a tag that is empty, not there or, of numbers, zero."""
    lacking = "missing or 0" if dictionary_VR(keyword) in ("DS", "IS", "FD") else "missing"
    return MedSynthError(f"{named(keyword)} is {lacking}; {remedy}")


def text(dataset: Dataset, keyword: str) -> str:
    """Return the text of a tag, its first value where it has several; "" where it is missing."""
    try:
        return plain(dataset.get(keyword))
    except (ValueError, TypeError, OverflowError) as error:
        raise MedSynthError(f"{named(keyword)} holds no valid value; correct the header") from error


def plain(value: Any) -> str:
    """Return a value of any kind, also of unknown VR (bytes), as text without padding."""
    if isinstance(value, MultiValue | list):
        value = value[0] if value else None
    if isinstance(value, bytes):
        value = value.decode("ascii", "replace")
    return "" if value is None else str(value).strip("\0 ")


def listed(dataset: Dataset, keyword: str) -> set[str]:
    """Return all values of a tag that may have several."""
    values = dataset.get(keyword) or []
    return {str(value) for value in (values if isinstance(values, MultiValue | list) else [values])}


def number(dataset: Dataset, keyword: str) -> float | None:
    """Return the number of a tag, or None where it is missing or zero, which scanners write for unknown.

    Raises:
        MedSynthError: it holds something else than a finite number.
    """
    return as_number(text(dataset, keyword), named(keyword)) or None


def as_number(content: str, name: str) -> float:
    """Return the number that ``content`` states, 0 for an empty one.

    Raises:
        MedSynthError: it is no finite number.
    """
    try:
        value = float(content or 0)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise MedSynthError(f"{name} is '{content}', which is no number; correct the header")
    return value


def agreed(slices: Sequence[Dataset], keyword: str) -> str:
    """Return the text of a tag that must be the same in all slices; "" where it is missing.

    Raises:
        MedSynthError: it differs between slices.
    """
    return same([text(dataset, keyword) for dataset in slices], named(keyword))


def same(contents: Sequence[str], name: str) -> str:
    """Return the one text that a tag, called ``name``, has in all slices.

    Raises:
        MedSynthError: it differs between slices.
    """
    found = sorted(set(contents))
    if len(found) > 1:
        raise _different(name, found)
    return found[0]


def agreed_number(slices: Sequence[Dataset], keyword: str) -> float | None:
    """Return the number of a tag that must be the same in all slices, or None as `number` does.

    Raises:
        MedSynthError: it differs between slices, or is no number.
    """
    found = sorted({as_number(text(dataset, keyword), named(keyword)) for dataset in slices})
    if len(found) > 1:
        raise _different(named(keyword), found)
    return found[0] or None


def _different(name: str, found: Sequence[Any]) -> MedSynthError:
    listed = ", ".join(str(value) or "nothing" for value in found[:4])
    return MedSynthError(f"{name} is different in its slices ({listed}); give slices of one kind only")
