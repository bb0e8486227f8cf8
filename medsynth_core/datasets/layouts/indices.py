"""Patients whose names differ in what may be the index of a visit, or in spelling.

A name does not say whether ``A-01`` and ``A-02`` are two patients or two visits. Taking two patients for one only makes
a split coarser, but two visits in different splits let a model be tested on what it was trained on. So they are taken
for one patient where the names allow it, but their images never for one case.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from functools import partial

from medsynth_core.datasets.layouts.crossing import Pair, Part, crossed, has_few_inner, is_design, joined, patient_part
from medsynth_core.datasets.layouts.ranks import SHORT_DATE, Rank, cautious_rank, rank_of
from medsynth_core.datasets.layouts.visits import is_visit, may_be_visit
from medsynth_core.datasets.layouts.words import PATIENT_WORDS, has_number, is_group, is_patient_word

# A patient's number, and behind it a number, or a letter with or without a separator.
_INDEXED = re.compile(
    r"(?P<stem>(?:.*?(?P<before>[a-z]+)[-_.\s]|.*?)(?P<word>[a-z]*)(?P<number>\d+))(?:[-_.\s]+(?P<index>\d+)|[-_.\s]*(?P<letter>[a-z]))",
    re.I,
)
# Numbers of hospitals and digests: long enough to tell a patient without what follows.
_LONG = (
    r".*?(?<![a-z0-9])(?!(?:19|20)\d{6}(?![a-z0-9]))"  # no date
    r"(?:[a-z]*\d{7,}|(?=[a-f]*\d)[0-9a-f]{8,})"
)
_PATIENT = rf"(?:.*?[-_.\s])?(?:{PATIENT_WORDS})[-_.\s]?[a-z]?\d+"
_EXAMINATION = re.compile(r"[a-z]+\d+|\d{7,}", re.I)
# Numbers of visits and examinations (E1234, ACC778, 1593280000) behind what tells a patient without them.
_TOLD = re.compile(
    rf"(?P<stem>{_LONG})(?:[-_.\s]+[^-_.\s]*\d[^-_.\s]*)+|(?P<patient>{_PATIENT})[-_.\s]+(?P<rest>{_EXAMINATION.pattern})",
    re.I,
)
_YEAR = re.compile(r"(?:19[5-9]|20[0-4])\d")
_LAST = re.compile(r"(?P<stem>.+?)[-_.\s]+(?P<last>[^-_.\s]+)")
_BEHIND_FIRST = re.compile(r"(?P<stem>[^-_.\s]+)[-_.\s]+(?P<last>[^\W\d_]{2}.*)")
_FIRST = re.compile(r"(?P<first>[^-_.\s]+)[-_.\s]+(?P<rest>.*[a-z].*\d.*|\d{5,})", re.I)


def without_indices(names: Collection[str]) -> dict[str, str]:
    """Return for each name of a patient the name without what may be the index of a visit.

    What follows a long number, or that of a patient, is none of the patient's. A shorter number behind the patient's
    own is an index; one as long, or a letter, is an index if there are several patients who share their names but for
    it; and so is a word (`crossing`). A longer number is the patient's (``LUNG1-001``), unless it is a year or date in
    all such names.
    """
    short = {name: _told(name) for name in names}
    short = _mapped(short, _without_shared_end)
    for word in (_LAST, _BEHIND_FIRST):
        short = _mapped(short, partial(_without_visit_word, word=word))
    short = _mapped(short, _without_shared_start)
    return _mapped(short, _without_short_number)


def _mapped(names: dict[str, str], shorten: Callable[[set[str]], dict[str, str]]) -> dict[str, str]:
    shorter = shorten(set(names.values()))
    return {name: shorter[short] for name, short in names.items()}


def _told(name: str) -> str:
    found = _TOLD.fullmatch(name)
    if not found or found["rest"] and (rank_of(found["rest"]) == Rank.PATIENT or is_group(found["patient"])):
        return name
    return found["stem"] or found["patient"]


def _without_shared_start(names: set[str]) -> dict[str, str]:
    """Leave out the first word if the rest looks more like a patient and has another first word as well."""
    rests = {name: found["rest"] for name in names if (found := _FIRST.fullmatch(name)) and _tells_patient(found)}
    count = Counter(rests.values())
    count.update(names)
    if len({rests.get(name, name) for name in names}) < 2:
        return {name: name for name in names}
    return {name: rests[name] if name in rests and count[rests[name]] > 1 else name for name in names}


def _tells_patient(found: re.Match[str]) -> bool:
    rest = found["rest"]
    return not (may_be_visit(rest) or is_visit(rest)) and cautious_rank(rest) > cautious_rank(found["first"])


def _without_shared_end(names: set[str]) -> dict[str, str]:
    """Leave out the last word if several patients share it, and each of them has several: Smith_d0, Smith_d7, …"""
    found = {name: match for name in names if (match := _LAST.fullmatch(name)) and _may_be_index(match)}
    ends: dict[str, set[str]] = {}
    for match in found.values():
        ends.setdefault(match["stem"], set()).add(match["last"].casefold())
    owners = Counter(end for own in ends.values() for end in own)
    several = {
        stem for stem, own in ends.items() if (len(own) > 1 or stem in names) and any(owners[end] > 1 for end in own)
    }
    return {name: found[name]["stem"] if name in found and found[name]["stem"] in several else name for name in names}


def _may_be_index(match: re.Match[str]) -> bool:
    """Return whether the last word of a name may be a visit; a mere number only behind that of a patient."""
    stem, last = match["stem"], match["last"]
    if _ends_with_group(stem) or is_patient_word(re.split(r"[-_.\s]", stem)[-1]):
        return False
    own = re.findall(r"\d+", stem)
    short = re.fullmatch(r"\d{1,2}|[a-z]{1,2}", last, re.IGNORECASE) or (own and len(own[-1]) >= len(last) == 3)
    dated = re.fullmatch(rf"{_YEAR.pattern}|{SHORT_DATE}", last) is not None
    return may_be_visit(last) or dated or bool(short and has_number(stem))


def _without_visit_word(names: set[str], *, word: re.Pattern[str]) -> dict[str, str]:
    """Leave out the last or first word where all names together tell that it is that of a visit."""
    pairs = {name: found for name in names if (found := _divided(name, word))}
    # Without a last word it is a visit as well: P1 beside P1_standard.
    alone = names - pairs.keys() | {stem for stem, _ in pairs.values()} & names
    used = crossed({*pairs.values(), *((stem, "") for stem, _ in pairs.values() if stem in alone)})
    design = {name: pair for name, pair in pairs.items() if pair in used}
    counted = {name: pair for name, pair in pairs.items() if _EXAMINATION.fullmatch(pair[1])}
    shorter: dict[str, str] = {}
    if design and (any(stem in alone for stem, _ in design.values()) or _are_visits(set(pairs.values()))):
        shorter = _patients_of(design, patient_part(set(design.values()), alone))
    elif len({stem for stem, _ in counted.values()}) > 1 and patient_part(set(counted.values()), alone) is Part.OUTER:
        shorter = {name: stem for name, (stem, _) in counted.items()}
    return {name: shorter.get(name, name) for name in names}


def _are_visits(pairs: set[Pair]) -> bool:
    """Return whether last words may be visits: given names are many, and few families share most of them."""
    return is_design(pairs) or has_few_inner(pairs)


def _patients_of(pairs: dict[str, Pair], part: Part) -> dict[str, str]:
    if part is Part.EITHER:
        return joined(pairs) if is_design(set(pairs.values())) else {}
    return {name: pair[part is Part.INNER] for name, pair in pairs.items()}


def _divided(name: str, word: re.Pattern[str]) -> Pair | None:
    """Return a name without its last word, and that word, if it is none of the patient's for sure."""
    found = word.fullmatch(name)
    if not found or not re.search(r"[^\W\d_]|\d{7}", found["last"]):
        return None
    stem, last = found["stem"], found["last"]
    own = rank_of(last) == Rank.PATIENT > rank_of(stem)
    return None if own or is_patient_word(stem) or _ends_with_group(stem) else (stem, last)


def _ends_with_group(name: str) -> bool:
    """Return whether a name ends with a group of patients, such as ``site1``."""
    words = re.split(r"[-_.\s]", name)
    return is_group(words[-1]) or is_group("_".join(words[-2:]))


def _without_short_number(names: set[str]) -> dict[str, str]:
    indexed = {
        name: found for name in names if (found := _INDEXED.fullmatch(name)) and not _ends_with_group(found["stem"])
    }
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
