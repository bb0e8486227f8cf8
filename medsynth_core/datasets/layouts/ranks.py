"""What the name of a folder or file looks like, from a group of patients to a patient."""

from __future__ import annotations

import re
from enum import IntEnum
from functools import cache

from medsynth_core.datasets.layouts.visits import has_date, is_visit, may_be_visit, without_visits
from medsynth_core.datasets.layouts.words import PATIENT_WORDS, has_number, is_group


class Rank(IntEnum):
    """What a name looks like, from what is hardly a patient to what is hardly anything else."""

    GROUP = 0  # train, AD, scanner2
    VISIT = 1  # 2020-03-04, baseline
    MAY_BE_VISIT = 2  # scan_001, d7
    SHORT = 3  # 2, B, 2019, a DICOM UID
    NUMBER = 4  # 001
    WORD = 5  # Smith, MyStudy
    NUMBERED = 6  # OAS30001
    PATIENT = 7  # P1, sub-01, case_003


SHORT_DATE = (
    r"(?:\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])|(?:0[1-9]|[12]\d|3[01])(?:0[1-9]|1[0-2])\d\d|"
    r"(?:19|20)\d\d(?:0[1-9]|1[0-2]))"
)
_PATIENT = re.compile(rf"(?:.*[-_.\s])?(?:{PATIENT_WORDS}|s(?=\d{{3}}))[-_.\s]?[a-z]?\d+.*", re.IGNORECASE)
# Dates and DICOM UIDs, which tell a patient only where nothing else does.
_DATED = re.compile(rf"{SHORT_DATE}|(?:19|20)\d\d|\d+(?:\.\d+){{3,}}")
_SHORT = re.compile(rf"{_DATED.pattern}|\d{{1,2}}[a-z]?|[a-z]\d{{0,2}}", re.IGNORECASE)
_NUMBER = re.compile(r"\d{3}")
# A word that is counted, or the seconds since 1970, which people share: Zyklus1, F18, 1583280000.
_COUNTED = re.compile(r"[a-z]+[-_\s]?\d{1,2}[a-z]?|1\d{9}", re.IGNORECASE)


@cache
def rank_of(name: str) -> Rank:
    """Return what a name looks like."""
    if is_group(name):
        return Rank.GROUP
    if is_visit(name):
        return Rank.MAY_BE_VISIT if may_be_visit(name) else Rank.VISIT
    bare = without_visits(name)
    if _PATIENT.fullmatch(bare):
        return Rank.PATIENT
    if may_be_visit(bare):
        return Rank.MAY_BE_VISIT
    if _SHORT.fullmatch(bare):
        return Rank.SHORT
    if _NUMBER.fullmatch(bare):
        return Rank.NUMBER
    # A date comes with the number of the study more often than with that of the patient.
    return Rank.NUMBERED if has_number(bare) and not has_date(name) else Rank.WORD


def cautious_rank(name: str) -> Rank:
    """Return what a name looks like at the least: a counted word may be that of a visit as well as of a patient."""
    rank = rank_of(name)
    return Rank.WORD if rank == Rank.NUMBERED and _COUNTED.fullmatch(without_visits(name)) else rank


def is_dated(name: str) -> bool:
    """Return whether a name is a year, a short date or a DICOM UID."""
    return _DATED.fullmatch(name) is not None
