"""The patient among the folders of a tree.

A single path does not tell it: in ``AD/P1`` and ``2019/P1`` the patient is below a group or year, in ``P1/scan2`` above
a visit. So the names of all paths are ranked by what they look like. Where several of a path may be the patient, all
paths together tell which (`crossing`), or else all paths that share one of them are of one patient.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from medsynth_core.datasets.layouts.crossing import Part, joined, patient_part
from medsynth_core.datasets.layouts.indices import without_indices
from medsynth_core.datasets.layouts.ranks import Rank, cautious_rank, is_dated, rank_of
from medsynth_core.datasets.layouts.visits import has_date, is_visit, without_visits
from medsynth_core.datasets.layouts.words import has_number
from medsynth_core.datasets.spelling import same_spelling

Names = tuple[str, ...]


@dataclass(frozen=True)
class Patient:
    """Who the cases of a path belong to.

    Attributes:
        name: the patient; all cases of a patient get into the same split.
        identity: equal only for paths that state the same patient, whose images may be one case.
        path: the names among which the patient was looked for.
        levels: those of them that were taken for the patient.
        others: those that may be the patient as well.
    """

    name: str
    identity: Names
    path: Names
    levels: Names
    others: Names = ()

    @property
    def is_above(self) -> bool:
        """Whether what may be the patient as well is below what was taken for the patient."""
        return bool(self.others) and self.path.index(self.levels[0]) < self.path.index(self.others[0])


def recognise(paths: Iterable[Names]) -> dict[Names, Patient]:
    """Return the patient of each path, given as the names among which the patient is, from the top; one at least."""
    paths = list(dict.fromkeys(paths))
    candidates = _candidates(paths)
    levels = _levels(candidates)
    bare = _bare_names(levels)
    grouped = joined({path: tuple(bare[name] for name in names) for path, names in levels.items()})
    shorter = without_indices(set(grouped.values()))
    spelled = same_spelling(shorter.values())
    sure = len({names[0] for names in levels.values()}) > 1
    return {
        path: Patient(
            spelled[shorter[grouped[path]]],
            _identity(path, levels[path], sure=sure),
            path,
            levels[path],
            tuple(name for name in candidates[path] if name not in levels[path]),
        )
        for path in paths
    }


def _candidates(paths: list[Names]) -> dict[Names, Names]:
    """Return the names of each path that may be the patient, without those that all paths have, if others are left."""
    dates = _dates({name for path in paths for name in path})
    found = {path: _likely(path, dates) for path in paths}
    constant = set.intersection(*map(set, found.values())) if len(paths) > 1 else set()
    # A collection above the patients; not the one patient of a tree with several visits.
    for name in sorted(constant, key=rank_of, reverse=True):
        least = Rank.NUMBERED if cautious_rank(name) == Rank.NUMBERED else Rank.SHORT
        left = {path: tuple(other for other in names if other != name) for path, names in found.items()}
        is_left = all(any(rank_of(other) >= least for other in rest) for rest in left.values())
        found = left if is_left and rank_of(name) < Rank.PATIENT else found
    return found


def _likely(path: Names, dates: set[str]) -> Names:
    """Return the names that look most like a patient; of those that are not sure to be one, all that may be."""
    names = tuple(name for at, name in enumerate(path) if name not in dates and not _ends_date(path[: at + 1])) or path
    highest = max(map(rank_of, names))
    least = min(highest, Rank.SHORT) if highest < Rank.PATIENT else highest
    return tuple(name for name in names if rank_of(name) >= least)


def _dates(names: set[str]) -> set[str]:
    """Return the names that are years, short dates or UIDs; of numbers of some length, only if all are."""
    return {
        name for name in names if is_dated(name) and all(map(is_dated, (each for each in names if _alike(each, name))))
    }


def _alike(name: str, other: str) -> bool:
    return name.isdigit() and other.isdigit() and len(name) == len(other)


def _ends_date(path: Names) -> bool:
    """Return whether the last name of a path makes a date with those above, as 03 in 2019 does."""
    return path[-1].isdigit() and any(len(path) >= at and is_visit("-".join(path[-at:])) for at in (2, 3))


def _levels(candidates: dict[Names, Names]) -> dict[Names, Names]:
    """Return the candidates of each path that are the patient, where `patient_part` tells."""
    several = {path: names for path, names in candidates.items() if len(names) > 1 and rank_of(names[0]) < Rank.PATIENT}
    if not several:
        return candidates
    alone = {names[0] for path, names in candidates.items() if path not in several}
    part = patient_part({names[:2] for names in several.values()}, alone)  # type: ignore[misc]
    if part is Part.INNER:
        return candidates | _levels({path: names[1:] for path, names in several.items()})
    return candidates | ({path: names[:1] for path, names in several.items()} if part is Part.OUTER else {})


def _bare_names(levels: dict[Names, Names]) -> dict[str, str]:
    """Return the names without visits; as they are if a word without a number is all that would be left of all."""
    names = {name for several in levels.values() for name in several}
    bare = {name: without_visits(name) for name in names}
    left = set(bare.values())
    if len(names) > 1 and len(left) == 1 and not has_number(next(iter(left))):
        return {name: name for name in names}
    return bare


def _identity(path: Names, levels: Names, *, sure: bool) -> Names:
    """Return what states who a patient is: the names above and that of the patient, without visits.

    What is below a patient is a visit or part, unless only its rank says that the name above is the patient. Nothing
    states that two names are one patient's if they look like visits, numbers of visits or groups.

    Args:
        path: names of the path.
        levels: those that were taken for the patient.
        sure: whether there are several, so that one with a number is no collection.
    """
    at, rank = path.index(levels[0]), rank_of(levels[0])
    if rank < Rank.NUMBER:
        return path
    bare = without_visits(levels[0], sure=True)
    stated = bare if has_number(bare) else levels[0]
    is_patient = rank == Rank.PATIENT or sure and cautious_rank(levels[0]) == Rank.NUMBERED
    below = () if is_patient else path[at + 1 :]
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
