"""Names of DICOM studies that tell nothing of the patient.

A file of its own, because Slicer's panel needs it before anything of DICOM is loaded.
"""

from __future__ import annotations

import hashlib


def number_of(study_uid: str) -> str:
    """Return a number of a study, by its *Study Instance UID*."""
    return hashlib.sha256(study_uid.encode()).hexdigest()[:8]


def name_of_number(number: str) -> str:
    """Return the name of a study by `number_of`."""
    return f"study_{number}"
