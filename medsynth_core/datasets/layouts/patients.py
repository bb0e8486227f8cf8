"""The patient among the folders of a tree.

A single path does not tell it: in ``AD/P1`` and ``2019/P1`` the patient is below a group or year, in ``P1/scan2`` above
a visit. So the names of all paths are ranked by what they look like, and of each path those of the highest rank are
taken. Where several remain, all paths that share one of them are of one patient.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import IntEnum
from functools import cache

from medsynth_core.datasets.layouts.indices import SHORT_DATE, same_spelling, spelling, without_indices
from medsynth_core.datasets.layouts.visits import has_date, is_visit, may_be_visit, without_visits
from medsynth_core.datasets.layouts.words import PATIENT_WORDS, has_number, is_group

Names = tuple[str, ...]


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


_PATIENT = re.compile(rf"(?:.*[-_.\s])?(?:{PATIENT_WORDS}|s(?=\d{{3}}))[-_.\s]?[a-z]?\d+.*", re.IGNORECASE)
_SHORT = re.compile(rf"{SHORT_DATE}|(?:19|20)\d\d|\d{{1,2}}[a-z]?|[a-z]\d{{0,2}}|\d+(?:\.\d+){{3,}}", re.IGNORECASE)
_NUMBER = re.compile(r"\d{3}")


@dataclass(frozen=True)
class Patient:
    """Who the cases of a path belong to.

    Attributes:
        name: the patient; all cases of a patient get into the same split.
        identity: equal only for paths that state the same patient, whose images may be one case.
        path: the names among which the patient was looked for.
        levels: those of them that look most like a patient.
    """

    name: str
    identity: Names
    path: Names
    levels: Names


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


def recognise(paths: Iterable[Names]) -> dict[Names, Patient]:
    """Return the patient of each path, given as the names among which the patient is, from the top; one at least."""
    paths = list(dict.fromkeys(paths))
    levels = _highest(paths)
    bare = _bare_names(levels)
    grouped = _joined({path: tuple(bare[name] for name in names) for path, names in levels.items()})
    shorter = without_indices(set(grouped.values()))
    spelled = same_spelling(shorter.values())
    return {
        path: Patient(spelled[shorter[grouped[path]]], _identity(path, levels[path]), path, levels[path])
        for path in paths
    }


def _highest(paths: list[Names]) -> dict[Names, Names]:
    """Return the names of the highest rank of each path, without those that all paths have, if others are left."""
    constant = set.intersection(*map(set, paths)) if len(paths) > 1 else set()
    ranks = {name: rank_of(name) for path in paths for name in path}

    def best(path: Names, left_out: Collection[str]) -> Names:
        left = [name for name in path if name not in left_out]
        highest = max((ranks[name] for name in left), default=None)
        return tuple(name for name in left if ranks[name] == highest)

    # A collection above the patients; not the one patient of a tree with several visits.
    for rank, least in ((Rank.NUMBERED, Rank.NUMBERED), (Rank.WORD, Rank.SHORT)):
        same = {name for name in constant if ranks[name] == rank}
        if same and all((rest := best(path, same)) and ranks[rest[0]] >= least for path in paths):
            constant = same
            break
    else:
        constant = set()
    return {path: best(path, constant) for path in paths}


def _bare_names(levels: dict[Names, Names]) -> dict[str, str]:
    """Return the names without visits; as they are if a word without a number is all that would be left of all."""
    names = {name for several in levels.values() for name in several}
    bare = {name: without_visits(name) for name in names}
    left = set(bare.values())
    if len(names) > 1 and len(left) == 1 and not has_number(next(iter(left))):
        return {name: name for name in names}
    return bare


def _joined(paths: dict[Names, Names]) -> dict[Names, str]:
    """Return a name for the paths that share a name, directly or over others."""
    parent: dict[tuple[str, ...], tuple[str, ...]] = {}

    def find(key: tuple[str, ...]) -> tuple[str, ...]:
        while parent.setdefault(key, key) != key:
            key = parent[key]
        return key

    for names in paths.values():
        for name in names:
            parent[find(spelling(name))] = find(spelling(names[0]))
    together: dict[tuple[str, ...], list[Names]] = {}
    for names in paths.values():
        together.setdefault(find(spelling(names[0])), []).append(names)
    return {path: _common(together[find(spelling(names[0]))]) for path, names in paths.items()}


def _common(several: list[Names]) -> str:
    """Return the name that paths of one patient have in common, or the first."""
    for at in (0, -1):
        if len({names[at] for names in several}) == 1:
            return several[0][at]
    return min(names[0] for names in several)


def _identity(path: Names, levels: Names) -> Names:
    """Return what states who a patient is: the names above and that of the patient, without visits.

    What is below a patient is a visit or part, unless only its rank says that the name above is the patient. Nothing
    states that two names are one patient's if they look like visits, numbers of visits or groups.
    """
    at, rank = path.index(levels[0]), rank_of(levels[0])
    if rank < Rank.NUMBER:
        return path
    bare = without_visits(levels[0], sure=True)
    stated = bare if has_number(bare) else levels[0]
    below = () if rank == Rank.PATIENT else path[at + 1 :]
    return (
        *(name for name in path[:at] if rank_of(name) != Rank.VISIT),
        stated,
        *(name for name in below if not _is_part(name, rank)),
    )


def _is_part(name: str, above: Rank) -> bool:
    """Return whether a name is a visit of the patient above; V01 and scan_2 only if that one has a number."""
    if above == Rank.NUMBERED:
        return rank_of(name) in (Rank.VISIT, Rank.MAY_BE_VISIT) or has_date(name)
    return rank_of(name) == Rank.VISIT and not re.fullmatch(r"[a-z]\d+", name, re.IGNORECASE)
