"""Patients whose names differ in what may be the index of a visit, or in spelling.

A name does not say whether ``A-01`` and ``A-02`` are two patients or two visits. Taking two patients for one only makes
a split coarser, but two visits in different splits let a model be tested on what it was trained on. So they are taken
for one patient where the names allow it, but their images never for one case.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable

from medsynth_core.datasets.layouts.visits import is_visit, may_be_visit
from medsynth_core.datasets.layouts.words import has_number, is_group, is_patient_word

# A patient's number, and behind it a number, or a letter with or without a separator.
_INDEXED = re.compile(
    r"(?P<stem>(?:.*?(?P<before>[a-z]+)[-_.\s]|.*?)(?P<word>[a-z]*)(?P<number>\d+))(?:[-_.\s]+(?P<index>\d+)|[-_.\s]*(?P<letter>[a-z]))",
    re.I,
)
# Numbers of hospitals and digests: long enough to tell a patient without what follows.
_LONG = re.compile(r"(?P<stem>.*?(?<![a-z0-9])(?:[a-z]*\d{7,}|(?=[a-f]*\d)[0-9a-f]{8,}))(?:[-_.\s]+\d+)+", re.I)
_YEAR = re.compile(r"(?:19[5-9]|20[0-4])\d")
SHORT_DATE = (
    r"(?:\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])|(?:0[1-9]|[12]\d|3[01])(?:0[1-9]|1[0-2])\d\d|"
    r"(?:19|20)\d\d(?:0[1-9]|1[0-2]))"
)
_LAST = re.compile(r"(?P<stem>.+?)[-_.\s]+(?P<last>[^-_.\s]+)")
_FIRST = re.compile(r"[^-_.\s]+[-_.\s]+(?P<rest>.*[a-z].*\d.*|\d{5,})", re.I)


def without_indices(names: Collection[str]) -> dict[str, str]:
    """Return for each name of a patient the name without what may be the index of a visit.

    What follows a long number is none of the patient's. A shorter number behind the patient's own is an index; one as
    long, or a letter, is an index if there are several patients who share their names but for it. A longer number is
    the patient's (``LUNG1-001``), unless it is a year or date in all such names.
    """
    short = {name: found["stem"] if (found := _LONG.fullmatch(name)) else name for name in names}
    short = _mapped(short, _without_shared_end)
    short = _mapped(short, _without_shared_start)
    return _mapped(short, _without_short_number)


def _mapped(names: dict[str, str], shorten: Callable[[set[str]], dict[str, str]]) -> dict[str, str]:
    shorter = shorten(set(names.values()))
    return {name: shorter[short] for name, short in names.items()}


def _without_shared_start(names: set[str]) -> dict[str, str]:
    """Leave out the first word if the rest, which must be long enough to tell a patient, has another one as well."""
    rests = {
        name: found["rest"] for name in names if (found := _FIRST.fullmatch(name)) and _tells_patient(found["rest"])
    }
    count = Counter(rests.values())
    count.update(names)
    if len({rests.get(name, name) for name in names}) < 2:
        return {name: name for name in names}
    return {name: rests[name] if name in rests and count[rests[name]] > 1 else name for name in names}


def _tells_patient(name: str) -> bool:
    return len(name) > 3 and not may_be_visit(name) and not is_visit(name)


def _without_shared_end(names: set[str]) -> dict[str, str]:
    """Leave out the last word if several patients share it, and each of them has several: Smith_d0, Smith_d7, …"""
    found = {name: match for name in names if (match := _LAST.fullmatch(name)) and _may_be_index(match)}
    ends: dict[str, set[str]] = {}
    for match in found.values():
        ends.setdefault(match["stem"], set()).add(match["last"].casefold())
    owners = Counter(end for own in ends.values() for end in own)
    crossed = {
        stem for stem, own in ends.items() if (len(own) > 1 or stem in names) and any(owners[end] > 1 for end in own)
    }
    return {name: found[name]["stem"] if name in found and found[name]["stem"] in crossed else name for name in names}


def _may_be_index(match: re.Match[str]) -> bool:
    """Return whether the last word of a name may be a visit; a mere number only behind that of a patient."""
    stem, last = match["stem"], match["last"]
    if is_group("_".join(re.split(r"[-_.\s]", stem)[-2:])) or is_group(re.split(r"[-_.\s]", stem)[-1]):
        return False
    own = re.findall(r"\d+", stem)
    short = re.fullmatch(r"\d{1,2}|[a-z]{1,2}", last, re.IGNORECASE) or (own and len(own[-1]) >= len(last) == 3)
    dated = re.fullmatch(rf"{_YEAR.pattern}|{SHORT_DATE}", last) is not None
    return may_be_visit(last) or dated or bool(short and has_number(stem))


def _without_short_number(names: set[str]) -> dict[str, str]:
    indexed = {name: found for name in names if (found := _INDEXED.fullmatch(name)) and not _of_group(found)}
    dated = _all_dated(indexed.values())
    stems = Counter(found["stem"] for found in indexed.values())
    stems.update(name for name in names if name in stems)
    shared = [stem for stem, count in stems.items() if count > 1]
    several = len(stems) > 1 and bool(shared)

    def stem_of(name: str) -> str:
        found = indexed.get(name)
        if not found:
            return name
        index, number = found["index"], _own_number(found)
        surely = index is not None and (len(index) < len(number) or len(index) in dated)
        alike = index is None or len(index) == len(number) or is_patient_word(found["word"] or found["before"] or "")
        perhaps = several and found["stem"] in shared and alike
        return found["stem"] if surely or perhaps else name

    return {name: stem_of(name) for name in names}


def same_spelling(names: Iterable[str]) -> dict[str, str]:
    """Return for each name the first that differs only in case, separators or leading zeros: ``p01`` for ``P-1``."""
    first: dict[tuple[str, ...], str] = {}
    return {name: first.setdefault(spelling(name), name) for name in sorted(names)}


def spelling(name: str) -> tuple[str, ...]:
    """Return the words and numbers of a name, which stay the same if it is spelled another way."""
    return tuple(part.lstrip("0") or "0" for part in re.findall(r"\d+|[^\W\d_]+", name.casefold())) or (name,)


def _of_group(found: re.Match[str]) -> bool:
    """Return whether the number before the index is that of a group of patients, such as ``site1-001``."""
    last = re.split(r"[-_.\s]", found["stem"])
    return is_group(last[-1]) or is_group("_".join(last[-2:]))


def _own_number(found: re.Match[str]) -> str:
    """Return the number of the patient; "" for the year of a data set, such as ``BraTS2021_001``."""
    return "" if _YEAR.fullmatch(found["number"]) and len(found["word"]) != 1 else found["number"]


def _all_dated(indexed: Iterable[re.Match[str]]) -> set[int]:
    """Return the lengths (4, 6) of which all indices of several names are years or dates."""
    indices = {found["index"] for found in indexed if found["index"]}
    return {
        length
        for length, date in ((4, _YEAR), (6, re.compile(SHORT_DATE)))
        if (some := [index for index in indices if len(index) == length]) and all(map(date.fullmatch, some))
    }
