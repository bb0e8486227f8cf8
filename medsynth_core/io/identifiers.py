"""Removal of what identifies a patient or a study from the facts that are kept with an image.

Images keep no text that people typed and no DICOM identifier. Short digests of the UIDs of series and frame of
reference stay, by which a result finds its series again among those of a study.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

from medsynth_core.text import without_quoted

SERIES, FRAME_OF_REFERENCE = "series_digest", "frame_of_reference_digest"
# Keys of sentences for the user, which quote what others typed.
_REASON, _WARNINGS = "suv_refused", "warnings"
# What earlier versions kept, and what it becomes; "" for nothing.
_REPLACED = {
    "SeriesInstanceUID": SERIES,
    "FrameOfReferenceUID": FRAME_OF_REFERENCE,
    "StudyInstanceUID": "",
    "SOPInstanceUID": "",
    "SeriesDescription": "",
    "StudyDescription": "",
    "PatientID": "",
    "PatientName": "",
}


def digest(uid: str) -> str:
    """Return 8 hexadecimal digits that tell a UID from the others of a study.

    They are so few that trying all serial numbers and times of scanners finds many UIDs with the same digits.
    """
    return blake2b(uid.encode(), digest_size=4).hexdigest() if uid else ""


def without_identifiers(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return facts on an image, and on the images that it was made from, without identifiers and free text."""
    kept: dict[str, Any] = {}
    for key, value in facts.items():
        if key in _REPLACED:
            if _REPLACED[key] and value:
                kept[_REPLACED[key]] = digest(str(value))
        else:
            kept[key] = without_identifiers(value) if isinstance(value, Mapping) else _without_typed(key, value)
    return kept


def _without_typed(key: str, value: Any) -> Any:
    """Return a reason or warning without the values of tags, file names and names of subjects that it quotes."""
    if key == _REASON and isinstance(value, str):
        return without_quoted(value)
    if key == _WARNINGS and isinstance(value, list):
        return [without_quoted(str(warning)) for warning in value]
    return value
