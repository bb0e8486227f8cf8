"""Dates and visits in the names of folders and files.

What is left of a name without them is the patient: ``P07_2021-03-04``, ``20210304_P07`` and ``P07_pre_treatment`` are
visits of ``P07``. No library knows the names that researchers give to visits.
"""

from __future__ import annotations

import re
from functools import cache

from medsynth_core.datasets.layouts.words import PATIENT_WORDS, has_number, is_patient_word, without_kind

_SEPARATOR = r"[-_.\s]"
_MONTH_NAME = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6}"
_YEAR, _MONTH, _DAY = r"(?:19|20)\d{2}", r"(?:0[1-9]|1[0-2])", r"(?:0[1-9]|[12]\d|3[01])"
# The parts of a date have one separator: sub-01_Mar2020 is not the first of March.
_SEPARATED = "|".join(
    rf"{_YEAR}{mark}\d{{1,2}}{mark}\d{{1,2}}(?:t\d+)?|[0-3]?\d{mark}[0-3]?\d{mark}{_YEAR}|{_YEAR}{mark}{_MONTH}|"
    rf"[0-3]?\d{mark}{_MONTH_NAME}{mark}(?:{_YEAR}|\d{{2}})|{_YEAR}{mark}{_MONTH_NAME}{mark}[0-3]?\d|"
    rf"{_MONTH_NAME}{mark}{_YEAR}|{_YEAR}{mark}{_MONTH_NAME}"
    for mark in ("-", "_", r"\.", r"\s")
)
_DATE = rf"""(?:
    {_YEAR}{_MONTH}{_DAY}(?:t?\d{{4,6}})? | {_DAY}{_MONTH}{_YEAR} | {_MONTH}{_DAY}{_YEAR} | {_SEPARATED}
    | {_YEAR}{_SEPARATOR}?[qw]\d{{1,2}} | [0-3]?\d{_MONTH_NAME}(?:{_YEAR}|\d{{2}}) | {_MONTH_NAME}{_YEAR}
    | {_YEAR}{_MONTH_NAME}(?:[0-3]?\d)?
)"""
# Words that come with a number or letter: visit1, visit-A, ses-02, week_000.
_COUNTED = (
    r"ses|sess|session|visit|vis|tp|timepoint|time[-_]point|time|scan|rescan|study|exam|frame|fu|follow[-_]?up|cycle|"
    r"weeks?|wk|months?|mon?|days?|years?|yr|hours?|hr|min|fraction|fx|run|rep|repeat|acq|series|event|"
    r"baseline|pre|post|before|after|test|retest|plan|replan|anat|mr|mri|ct|pet|cbct"
)
_TREATMENT = (
    r"op|operative|operation|surgery|surgical|treatment|treat|therapy|rt|radiotherapy|radiation|chemo|chemotherapy|crt|"
    r"nac|tx|rx|contrast|transplant|implant|injection|intervention|dose"
)
# Words that tell a visit by themselves.
_ALONE = (
    rf"(?:pre|post|intra|mid|during|before|after){_SEPARATOR}?(?:{_TREATMENT})?|follow{_SEPARATOR}?up|fu|baseline|bl|"
    r"screening|screen|sc|initial|init|first|second|third|last|final|early|late|delayed|interim|prior|current|"
    r"rest|stress|test|retest|rescan|repeat|repeated|acute|chronic|diagnosis|staging|restaging|relapse|recurrence|"
    r"progression|admission|discharge|prone|supine|vor|nach|avant|apr[eè]s|(?:re)?plan(?:ning)?|simulation|eot|left|right"
)
_WITH_UNIT = r"\d{1,4}(?:m|mo|mos|months?|w|wks?|weeks?|d|days?|y|yrs?|years?|h|hrs?|hours?|min)|\d(?:st|nd|rd|th)"
_STRONG = rf"""(?:
    {_DATE} | (?:{_COUNTED}){_SEPARATOR}?\d{{1,2}} | [vtwm]{_SEPARATOR}?\d{{1,2}}
    | (?:ses|session|visit|timepoint|tp){_SEPARATOR}[a-z] | (?:visit|tp|timepoint|scan)[a-e] | ses-[a-z0-9]+ | {_ALONE}
)"""
# Forms that are visits only behind what can be told apart as a patient: scan_001 may be a patient by itself.
_WEAK = rf"""(?:
    (?:{_COUNTED}){_SEPARATOR}?\d{{1,4}} | [vtwmdy]\d{{1,4}} | [vtwmdyse]{_SEPARATOR}?\d{{1,2}} | c\d+d\d+
    | {_WITH_UNIT} | i{{1,3}}|iv|v
)"""
_FLAGS = re.IGNORECASE | re.VERBOSE
_OF_EITHER = r"(?:scan|study|exam|frame|series|image)[-_.\s]?\d"
_IS_VISIT = re.compile(rf"(?:{_STRONG})(?:{_SEPARATOR}*{_STRONG}|{_SEPARATOR}+(?:\d\d?|\d{{4}}|\d{{6}}))*", _FLAGS)
# pre_01 and post_01 are visits of 01, if no other name is there to tell the patient.
_NUMBERED_WORD = re.compile(rf"(?:{_ALONE}){_SEPARATOR}+(?P<rest>\d+)", _FLAGS)
_VISIT_INSIDE = re.compile(rf"(?<![a-z0-9])(?:{_STRONG})(?![a-z0-9])", _FLAGS)
_DATE_INSIDE = re.compile(rf"(?<![a-z0-9]){_DATE}(?![a-z0-9])", _FLAGS)
_PARTS = rf"(?:{_SEPARATOR}\d+)*"
_ENDS_STRONG = re.compile(
    rf"(?P<rest>.*[^-_.\s]){_SEPARATOR}+(?:(?:{_COUNTED}){_SEPARATOR}?\d{{1,2}}{_PARTS}|{_STRONG})", _FLAGS
)
_ENDS_WEAK = re.compile(
    rf"(?P<rest>.*[^-_.\s]){_SEPARATOR}+(?:(?:{_COUNTED}){_SEPARATOR}?\d{{1,4}}{_PARTS}|{_WEAK})", _FLAGS
)
_BEGINS = re.compile(
    rf"(?!test|train)(?:(?:{_COUNTED}){_SEPARATOR}?\d{{1,4}}|{_ALONE}){_SEPARATOR}+(?P<rest>.+)", _FLAGS
)
# In front these may as well be the number of a hospital: a patient by them would be too fine, a case too coarse.
_MAY_BEGIN = re.compile(
    rf"(?:{_STRONG}|{_WEAK}|test|{_YEAR}|\d{{2}}{_MONTH}{_DAY}|{_DAY}{_MONTH}\d{{2}}){_SEPARATOR}+"
    rf"(?P<rest>.*[a-z].*\d.*|\d{{3}}|\d{{5}}|\d{{7,}})|(?:\d{{1,3}}|[a-e]){_SEPARATOR}+(?P<patient>(?:{PATIENT_WORDS}){_SEPARATOR}?\d.*)",
    _FLAGS,
)
# Without a separator only long words, and v1 and t1, which no hexadecimal number ends with.
_GLUED = re.compile(
    r"(?P<rest>.*\d)(?:(?:ses|sess|session|visit|tp|timepoint|time|scan|fu|followup|day|week|month|year|baseline|pre|"
    rf"post)(?:{_TREATMENT})?\d*|[vt]\d{{1,2}})",
    _FLAGS,
)
_MAY_BE_VISIT = re.compile(rf"{_OF_EITHER}+|(?:{_STRONG}|{_WEAK})", _FLAGS)
_TIME_BEFORE = re.compile(
    rf"^(?:(?:\d{{1,2}}|\d{{4}}|\d{{6}}){_SEPARATOR}+)+(?=.*[a-z].*\d|(?:\d{{3}}|\d{{5}}|\d{{7,}})$)", _FLAGS
)
_NUMBERS = re.compile(rf"(?:{_SEPARATOR}*t?\d+)*(?:am|pm)?", _FLAGS)


@cache
def is_visit(name: str) -> bool:
    """Return whether a name is a date or visit and nothing else."""
    return _IS_VISIT.fullmatch(name) is not None


def may_be_visit(name: str) -> bool:
    """Return whether a name may be a visit or as well the number of a patient: ``scan_001``, ``d12``."""
    return _MAY_BE_VISIT.fullmatch(name) is not None and (
        not is_visit(name) or re.match(_OF_EITHER, name, re.I) is not None
    )


def has_date(name: str) -> bool:
    """Return whether a name has a date anywhere."""
    return _DATE_INSIDE.search(name) is not None


def visit_in(name: str) -> str:
    """Return the first date or visit in the name of a file; "" if there is none."""
    found = _VISIT_INSIDE.search(name)
    return found[0] if found else ""


@cache
def without_visits(name: str, *, sure: bool = False) -> str:
    """Return what a name says of the patient: without dates, visits and kinds of image; a mere visit stays as it is.

    Args:
        name: of a folder or file.
        sure: leave what a name begins with if it may be part of the patient's number, such as that of a hospital.
    """
    if is_visit(name):
        numbered = _NUMBERED_WORD.fullmatch(name)
        return numbered["rest"] if numbered else name
    found = _DATE_INSIDE.search(name)
    if found:
        rest = _around_date(name[: found.start()], name[found.end() :])
        return without_visits(rest, sure=sure) if rest else name
    shorter = _shorter(name, sure)
    return without_visits(shorter, sure=sure) if shorter != name else name


def without_glued_visit(name: str) -> str:
    """Return a name without a visit that follows its number directly: ``sub-01baseline`` → ``sub-01``."""
    found = _GLUED.fullmatch(name)
    return found["rest"] if found else name


def _around_date(before: str, after: str) -> str:
    """Return the part of a name that tells the patient, from what is before and after a date.

    What follows the date of a numbered patient describes the study: its time, its number, what was scanned.
    """
    before, after = before.strip("-_. "), after.strip("-_. ")
    if before and (has_number(before) or _NUMBERS.fullmatch(after) or not has_number(after)):
        return before
    if not before:
        after = re.sub(_TIME_BEFORE, "", after)
    return "_".join(part for part in (before, after) if part)


def _shorter(name: str, sure: bool) -> str:
    """Return a name without one visit or kind at its end or start; the name itself if it has none."""
    for pattern, numbered in ((_ENDS_STRONG, False), (_ENDS_WEAK, True), (_GLUED, True), (_BEGINS, True)):
        found = pattern.fullmatch(name)
        rest = found["rest"].strip("-_. ") if found else ""
        if rest and not is_patient_word(rest) and (has_number(rest) or not numbered):
            return rest
    begins = None if sure else _MAY_BEGIN.fullmatch(name)
    return (begins["rest"] or begins["patient"]) if begins else without_kind(name)
