"""Which series of an examination become the images of a case, chosen for all roles together."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cached_property

from medsynth_core.datasets.series_extent import Extent, extent_of
from medsynth_core.datasets.series_ranking import (
    correction_rank,
    is_part_or_projection,
    is_reformatted,
    is_uncorrected,
)
from medsynth_core.io.dicom.series import Series

# Series whose overlap differs by less than this cover the same.
_SAME_OVERLAP = 0.1
_MOST_CHOICES = 20_000
_REASONS = (
    "it is the attenuation-corrected one",
    "the others are projections, or parts of a gated or dynamic series",
    "it has the frame of reference of the other images",
    "it covers best what the other images show",
    "it is neither derived nor reformatted",
    "it has the most slices",
)


class Candidate:
    """A series that may become the image of a role. What tells it from others is found once, when it is needed."""

    def __init__(self, series: Series) -> None:
        self.series = series
        self.own = (correction_rank(series), is_part_or_projection(series), is_reformatted(series), -series.slices)

    @cached_property
    def extent(self) -> Extent:
        """Where the series lies."""
        return extent_of(self.series)


@dataclass(frozen=True)
class Choice:
    """One series for each role.

    Attributes:
        candidates: role → series.
        rank: the criteria in the order of `_REASONS`, lower ones first.
    """

    candidates: Mapping[str, Candidate]
    rank: tuple[float, ...] = ()

    @property
    def series(self) -> dict[str, Series]:
        """The series of each role."""
        return {role: candidate.series for role, candidate in self.candidates.items()}

    def pairs(self) -> Iterator[tuple[Candidate, Candidate]]:
        """Yield each pair of images."""
        return itertools.combinations(self.candidates.values(), 2)


def choices(by_role: Mapping[str, Sequence[Series]]) -> list[Choice]:
    """Return the choices of one usable series for each role, the best first.

    PET that was not attenuation-corrected is left out, whatever its size and position: its values are not uptake. PET
    whose tags say that it was corrected comes first, then images that are not projections, gates or time frames. Then
    the images of a case have to share the frame of reference, and cover the same part of the patient, because an
    image of another place would be learnt as if it belonged to the others. Then original images come before derived
    and reformatted ones, and those with the most slices. The order of the files does not matter.

    Args:
        by_role: role → series that may become its image.

    Raises:
        MedSynthError: a tag that ranks a series is damaged.
    """
    usable = {series.uid: Candidate(series) for several in by_role.values() for series in _usable(several)}
    lists = [[usable[series.uid] for series in _usable(several)] for several in by_role.values()]
    while math.prod(map(len, lists)) > _MOST_CHOICES:
        longest = max(lists, key=len)
        longest.remove(max(longest, key=lambda one: (one.own, one.series.uid)))
    found = [
        Choice(dict(zip(by_role, several, strict=True)))
        for several in itertools.product(*lists)
        if len({id(one) for one in several}) == len(several)
    ]
    return _ranked(found)


def _usable(several: Sequence[Series]) -> list[Series]:
    return [series for series in several if not is_uncorrected(series)]


def _ranked(found: Sequence[Choice]) -> list[Choice]:
    best: dict[tuple[float, ...], float] = {}
    parts = [(choice, _first(choice), _overlap(choice)) for choice in found]
    for _, first, overlap in parts:
        best[first] = max(overlap, best.get(first, 0.0))
    ranked = [
        Choice(choice.candidates, (*first, int((best[first] - overlap) / _SAME_OVERLAP), *_last(choice)))
        for choice, first, overlap in parts
    ]
    return sorted(ranked, key=lambda choice: (choice.rank, [series.uid for series in choice.series.values()]))


def _first(choice: Choice) -> tuple[float, ...]:
    own = [candidate.own for candidate in choice.candidates.values()]
    frames = sum(one.extent.frame_rank(other.extent) for one, other in choice.pairs())
    return (sum(one[0] for one in own), sum(one[1] for one in own), frames)


def _overlap(choice: Choice) -> float:
    return sum(one.extent.overlap(other.extent) for one, other in choice.pairs())


def _last(choice: Choice) -> tuple[float, ...]:
    own = [candidate.own for candidate in choice.candidates.values()]
    return (sum(one[2] for one in own), sum(one[3] for one in own))


def reason(chosen: Choice, role: str, ranked: Sequence[Choice], failed: Set[str]) -> str:
    """Return why the series of a role was chosen rather than the others of its modality.

    Args:
        chosen: the choice that is used.
        role: the role.
        ranked: all choices, from `choices`.
        failed: UIDs of series that cannot be read.
    """
    uid = chosen.series[role].uid
    others = [choice for choice in ranked if choice.series[role].uid != uid]
    if not others:
        return _REASONS[0]
    if any(choice.rank < chosen.rank and choice.series[role].uid in failed for choice in others):
        return "those that would be better cannot be read"
    others = [choice for choice in others if failed.isdisjoint(one.uid for one in choice.series.values())]
    if not others:
        return "no other can be read"
    better = [number for number, pair in enumerate(zip(others[0].rank, chosen.rank, strict=True)) if pair[0] != pair[1]]
    if not better:
        return "nothing tells them apart, and it comes first by its UID: check that it is the one that is wanted"
    return _REASONS[better[0]]
