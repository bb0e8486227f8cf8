"""Which of two parts of paths or names is the patient, where none looks more like one.

``Smith/prone`` and ``prone/Smith`` look alike in a single path; in all paths together there are more patients than
names of visits. Taking the outer part is wrong only if a patient is in several of them, the inner one only if a patient
has several. So what decides is how often either happens.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Mapping
from enum import Enum
from statistics import median_low
from typing import TypeVar

from medsynth_core.datasets.layouts.ranks import Rank, cautious_rank
from medsynth_core.datasets.spelling import spelling

Pair = tuple[str, str]
_Key = TypeVar("_Key", bound=Hashable)


class Part(Enum):
    """What is the patient of pairs of an outer and an inner part."""

    OUTER = "outer"
    INNER = "inner"
    EITHER = "either"  # all pairs that share a part may be of one patient


def patient_part(pairs: Collection[Pair], alone: Collection[str]) -> Part:
    """Return which part of pairs is the patient; one pair at least.

    Args:
        pairs: the outer and inner part of paths or names.
        alone: what tells a patient by itself in other paths or names of the tree.
    """
    inner_of, outer_of = _partners(pairs), _partners([(inner, outer) for outer, inner in pairs])
    patients = set(map(spelling, alone))
    if inner_of.keys().isdisjoint(patients) != outer_of.keys().isdisjoint(patients):
        return Part.INNER if inner_of.keys().isdisjoint(patients) else Part.OUTER
    # Only an inner part that several outer ones share can be a person who would become several patients.
    common = [inner for _, inner in pairs if len(outer_of[spelling(inner)]) > 1]
    outer, inner = _rank(pair[0] for pair in pairs), _rank(common or [pair[1] for pair in pairs])
    by_rank = Part.OUTER if outer > inner else Part.INNER if inner > outer else Part.EITHER
    several, shared = _any_several(inner_of), _any_several(outer_of)
    if several and shared:
        if max(outer, inner) >= Rank.NUMBERED and outer != inner:
            return by_rank
        # Visits have a few names that all patients share.
        return Part.OUTER if len(outer_of) <= len(inner_of) else Part.EITHER
    if several:
        # Every group has more patients than there are groups.
        is_group = inner > outer and min(map(len, inner_of.values())) > len(inner_of)
        return Part.INNER if is_group else Part.OUTER
    return by_rank if shared or by_rank == Part.INNER else Part.OUTER


def crossed(pairs: Collection[Pair]) -> set[Pair]:
    """Return the pairs whose outer part has several inner ones, one of which others share, and what shares those."""
    inner_of, outer_of = _partners(pairs), _partners([(inner, outer) for outer, inner in pairs])
    shared = {inner for inner, outers in outer_of.items() if len(outers) > 1}
    visits = set[Hashable]().union(*(several for several in inner_of.values() if len(several) > 1 and several & shared))
    return {pair for pair in pairs if spelling(pair[1]) in visits}


def is_design(pairs: Collection[Pair]) -> bool:
    """Return whether pairs are most of all that their parts could make, as visits are and full names are not."""
    outers, inners = ({spelling(pair[at]) for pair in pairs} for at in (0, 1))
    return 3 * len(pairs) > 2 * len(outers) * len(inners)


def has_few_inner(pairs: Collection[Pair]) -> bool:
    """Return whether there are at least two outer parts for each inner one, as there are patients for each visit."""
    outers, inners = ({spelling(pair[at]) for pair in pairs} for at in (0, 1))
    return 2 * len(inners) <= len(outers)


def joined(paths: Mapping[_Key, tuple[str, ...]]) -> dict[_Key, str]:
    """Return a name for the paths that share a name, directly or over others."""
    parent: dict[tuple[str, ...], tuple[str, ...]] = {}

    def find(key: tuple[str, ...]) -> tuple[str, ...]:
        while parent.setdefault(key, key) != key:
            key = parent[key]
        return key

    for names in paths.values():
        for name in names:
            parent[find(spelling(name))] = find(spelling(names[0]))
    together: dict[tuple[str, ...], list[tuple[str, ...]]] = {}
    for names in paths.values():
        together.setdefault(find(spelling(names[0])), []).append(names)
    return {path: _common(together[find(spelling(names[0]))]) for path, names in paths.items()}


def _common(several: list[tuple[str, ...]]) -> str:
    """Return the name that paths of one patient have in common, or the first."""
    for at in (0, -1):
        if len({names[at] for names in several}) == 1:
            return several[0][at]
    return min(names[0] for names in several)


def _partners(pairs: Iterable[Pair]) -> dict[tuple[str, ...], set[tuple[str, ...]]]:
    found: dict[tuple[str, ...], set[tuple[str, ...]]] = {}
    for first, second in pairs:
        found.setdefault(spelling(first), set()).add(spelling(second))
    return found


def _any_several(partners: dict[tuple[str, ...], set[tuple[str, ...]]]) -> bool:
    return any(len(several) > 1 for several in partners.values())


def _rank(names: Iterable[str]) -> Rank:
    return median_low(sorted(cautious_rank(name) for name in set(names)))
