"""What is doubtful about the series that were chosen for a case, or about those of all cases together."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import date

from pydicom.valuerep import DA

from medsynth_core.datasets.series_choice import Candidate, Choice
from medsynth_core.datasets.series_extent import OTHER_FRAME
from medsynth_core.errors import MedSynthError
from medsynth_core.io.dicom.series import Series
from medsynth_core.io.suv.tags import text
from medsynth_core.progress import Progress

_LEAST_COVERED = 0.5  # of the length of a PET
# Words by which contrasts of MR are told; the first that is found counts, so that "T2 FLAIR" is FLAIR.
_CONTRASTS = (
    r"flair|dark ?fluid", r"stir|tirm", r"adc", r"dwi|diff\w*|trace\w*|ep2d", r"swi|swan", r"mra|tof",
    r"t2 ?\*|t2 ?star", r"t1\w*", r"t2\w*", r"pd\w*",
)  # fmt: skip
_AGENT = re.compile(r"\b(?:gd|gad\w*|post|ce|km|\+ ?c|c\+|contrast)(?!\w)", re.IGNORECASE)
_SHOWN = 4


def doubt_choice(choice: Choice) -> Iterator[str]:
    """Yield sentences, in lower case, on images of a case that may not show the same part of the patient."""
    for one, other in choice.pairs():
        names = f"{one.series.modality} and {other.series.modality}"
        if one.extent.frame_rank(other.extent) == OTHER_FRAME:
            yield f"{names} have different frames of reference, so they may not be aligned; register them."
        elif one.extent.box is not None and other.extent.box is not None:
            yield from _doubt_place(names, one, other)
    days = max((_days_apart(one.series, other.series) for one, other in choice.pairs()), default=0)
    if days > 1:
        yield f"the images were acquired {days} days apart."


def _doubt_place(names: str, one: Candidate, other: Candidate) -> Iterator[str]:
    if not one.extent.overlap(other.extent):
        yield f"{names} do not overlap, so they do not show the same part of the patient."
    for ct, pet in ((one, other), (other, one)):
        share = ct.extent.share_of_length(pet.extent)
        if (ct.series.modality, pet.series.modality) == ("CT", "PT") and 0 < share < _LEAST_COVERED:
            yield f"the CT covers only {share:.0%} of the length of the PET."


def doubt_contrasts(role: str, chosen: Mapping[str, Series], progress: Progress) -> None:
    """Log that the MR series of a role differ in contrast between cases, if their names say so.

    Args:
        role: the role.
        chosen: name of the case → series.
        progress: its log gets the sentence.
    """
    kinds: dict[str, list[str]] = {}
    for case, series in chosen.items():
        kinds.setdefault(_contrast(series.description), []).append(case)
    if len(kinds) < 2:
        return
    shown = [f"'{chosen[cases[0]].description}' in {', '.join(cases[:_SHOWN])}" for cases in kinds.values()]
    more = ", …" if len(shown) > _SHOWN or any(len(cases) > _SHOWN for cases in kinds.values()) else ""
    progress.log(
        f"The MR series used for '{role}' may have different contrasts: {'; '.join(shown[:_SHOWN])}{more}. Name the "
        f"one that is wanted: {role}=MR:*T1*, for example."
    )


def _contrast(description: str) -> str:
    """Return the contrast that a description names, or the description without signs and numbers."""
    words = description.replace("_", " ").lower()
    agent = " with contrast agent" if _AGENT.search(words) else ""
    for pattern in _CONTRASTS:
        if re.search(rf"(?<![a-z])(?:{pattern})", words):
            return pattern + agent
    return re.sub(r"[^a-z]+", " ", words).strip() + agent


def _days_apart(one: Series, other: Series) -> int:
    first, second = _day(one), _day(other)
    return abs((first - second).days) if first and second else 0


def _day(series: Series) -> date | None:
    for keyword in ("AcquisitionDate", "SeriesDate", "StudyDate"):
        with suppress(MedSynthError, ValueError, TypeError):
            found = DA(text(series.headers[0], keyword))
            if found is not None:
                return date(found.year, found.month, found.day)
    return None
