"""What was taken for the same patient, or for different ones, and may be otherwise: a sentence each."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from medsynth_core.datasets.layouts.choosing import Group, Reading
from medsynth_core.datasets.layouts.ranks import Rank, cautious_rank, rank_of
from medsynth_core.datasets.layouts.visits import has_date, is_visit, without_visits
from medsynth_core.datasets.layouts.words import has_number, is_group
from medsynth_core.datasets.spelling import spelling

_CORRECT = "if that is wrong, correct the column patient of the manifest"
_TAIL = re.compile(
    r"(?P<stem>.*\d.*?)(?:[-_.\s]+(?P<last>[a-z]+\d{0,2}|\d+)|(?<=\d)(?P<letters>[a-z]{1,3}))", re.IGNORECASE
)
_LAST_WORD = re.compile(r"(?P<stem>.+)[-_.\s]+[^-_.\s]+")
_SHORT_END = re.compile(r"(?P<stem>[^\d]+)[-_.\s]+(?P<end>\d{1,2}|[a-z])", re.IGNORECASE)


def doubts_of(reading: Reading) -> list[str]:
    """Return what the user should look at in the cases of a tree."""
    return [sentence for doubt in _DOUBTS if (sentence := doubt(reading))]


def _left_out(reading: Reading) -> str:
    if not reading.left_out:
        return ""
    splits = ", ".join(sorted({f"'{group.split}'" for group in reading.left_out}))
    count = len(reading.left_out)
    return (
        f"{count} case{'s' * (count != 1)} of {splits} {'was' if count == 1 else 'were'} left out, because all images "
        "of one role are missing there."
    )


def _split(reading: Reading) -> str:
    found = sorted({group.split for group in reading.groups if group.split}, key=_order)
    if len(found) < 2:
        return ""
    return (
        f"The split that the folders state ({', '.join(found)}) is not used; divide the patients, or enter it in the "
        "manifest."
    )


def _order(split: str) -> tuple[int, str]:
    return next((at for at, start in enumerate(("tr", "v", "d")) if split.lower().startswith(start)), 3), split


def _from_visits(reading: Reading) -> str:
    joined = [group for group in reading.groups if group.visits]
    if not joined:
        return ""
    visits = " and ".join(visit.case for visit in joined[0].visits)
    return (
        f"{_cases(len(joined))} made of images from different visits, such as {joined[0].case} of {visits}; check that "
        "the images belong together."
    )


def _from_several_folders(reading: Reading) -> str:
    """Say which patients are in several groups, such as two scanners, or two data sets that both have a sub-01."""
    for several in _by_patient(reading).values():
        above = {group.patient.identity[:-1] for group in several if group.patient.identity[-1:]}
        if len(above) > 1:
            first, second = sorted("/".join(folders) or "the folder itself" for folders in above)[:2]
            return f"{several[0].patient.name} in {first} and in {second} is taken for one patient; {_CORRECT}."
    return ""


def _indices(reading: Reading) -> str:
    """Say which names are taken for one patient although only a number or letter tells that they may be visits."""
    for patient, several in _by_patient(reading).items():
        levels = sorted({without_visits(group.patient.levels[0]) for group in several})
        if len({spelling(level) for level in levels} - {spelling(patient)}) > 1 or _renamed(patient, levels):
            return f"{levels[0]} and {levels[-1]} are taken for visits of one patient, {patient}; {_CORRECT}."
    return ""


def _by_order(reading: Reading) -> str:
    """Say which folders are taken for visits of one patient, or for a group of patients, by their number alone."""
    above: dict[str, list[Group]] = {}
    for patient, several in _by_patient(reading).items():
        unsure = {group.patient.others: group for group in several if group.patient.others}
        below = [group.case for others, group in unsure.items() if not any(map(has_date, others))]
        if len(below) > 1 and several[0].patient.is_above:
            return f"{min(below)} and {max(below)} are taken for visits of one patient, {patient}; {_CORRECT}."
        for group in several:
            if group.patient.others and not group.patient.is_above:
                above.setdefault(group.patient.others[0], []).append(group)
    for name, members in above.items():
        patients = sorted({group.patient.name for group in members})
        if cautious_rank(name) >= Rank.WORD and len(patients) > 1:
            return f"{patients[0]} and {patients[1]} in {name} are taken for different patients; {_CORRECT}."
    return ""


def _renamed(patient: str, levels: list[str]) -> bool:
    return len(levels) > 1 and patient in levels and any(spelling(level) != spelling(patient) for level in levels)


def _one_patient(reading: Reading) -> str:
    patients = _by_patient(reading)
    if len(reading.groups) < 2 or len(patients) > 1:
        return ""
    return f"All cases are taken for one patient, {next(iter(patients))}, and cannot be divided; {_CORRECT}."


def _only_visits(reading: Reading) -> str:
    groups = [group for group in reading.groups if group.patient.name in group.patient.levels]
    names = sorted({group.patient.name for group in groups if _is_visit_of_word(group.patient.name)})
    if len(names) < 2:
        return ""
    return f"{names[0]} and {names[1]} look like dates or visits, but are taken for different patients; {_CORRECT}."


def _is_visit_of_word(name: str) -> bool:
    """Return whether a name is a visit, or one of a word that is taken for no patient: brain_scan_01."""
    return is_visit(name) or without_visits(name) != name and not has_number(without_visits(name))


def _similar(reading: Reading) -> str:
    """Say which patients are one person if what ends their names is a visit."""
    names = sorted(_by_patient(reading))
    known, stems = {name.casefold() for name in names}, dict[str, str]()
    short = {name: found for name in names if (found := _SHORT_END.fullmatch(name))}
    shared = len({found["end"].casefold() for found in short.values()}) < len(short)
    for name in names:
        tail, end = _TAIL.fullmatch(name), short.get(name)
        # Without a number before it, if several share their ends: Smith_1, Smith_2, Jones_1.
        known_end = end if end and shared and not is_group(end["stem"]) else None
        whole = _LAST_WORD.fullmatch(name)
        of_known = whole if whole and whole["stem"].casefold() in known else None
        found = tail if tail and _is_like_a_visit(tail) else known_end or of_known
        stem = found["stem"] if found else name
        other = stem if found and stem.casefold() in known else stems.setdefault(stem.casefold(), name)
        if other != name:
            return f"{other} and {name} are taken for different patients; {_CORRECT}."
    return ""


def _is_like_a_visit(found: re.Match[str]) -> bool:
    """Return whether the end of a name may be a visit: not a longer number than that of the patient before it."""
    stem, last = found["stem"], found["last"] or found["letters"]
    own = max(map(len, re.findall(r"\d+", stem)))
    return has_number(stem) and not is_group(stem) and sum(map(str.isdigit, last)) <= own


def _misfiled(reading: Reading) -> str:
    """Say which file has the name of another patient than that of its folder."""
    known = {spelling(patient): patient for patient in _by_patient(reading)}
    for group in reading.groups:
        for path in (path for paths in group.files.values() for path in paths):
            words = _patients_in(path.name)
            for word in words:
                own, other = group.patient.name, known.get(spelling(word), group.patient.name)
                if other != own and spelling(own) not in map(spelling, words):
                    return f"The file {path.as_posix()} is taken for an image of {own}, not of {other}; check it."
    return ""


def _patients_in(name: str) -> list[str]:
    """Return the words of a file's name that look like a patient, such as P1 or sub-01."""
    return [word for word in re.split(r"[_.\s]+", name) if rank_of(word) == Rank.PATIENT]


def _by_patient(reading: Reading) -> dict[str, list[Group]]:
    found: dict[str, list[Group]] = {}
    for group in reading.groups:
        found.setdefault(group.patient.name, []).append(group)
    return found


def _cases(count: int) -> str:
    return "1 case is" if count == 1 else f"{count} cases are"


_DOUBTS: Iterable[Callable[[Reading], str]] = (
    _left_out,
    _split,
    _from_visits,
    _from_several_folders,
    _indices,
    _by_order,
    _one_patient,
    _only_visits,
    _similar,
    _misfiled,
)
