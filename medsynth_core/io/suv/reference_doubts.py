"""Doubts about the time that decay-corrected values refer to: other tags that contradict it.

The tag that is used follows the vendor-neutral rules of QIBA; a contradiction does not change it. It is reported if it
would change the SUV: if it is longer than a minute or, for a short-lived nuclide, than the time in which 1 % decays.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from pydicom.dataset import Dataset

from medsynth_core.errors import MedSynthError
from medsynth_core.io.suv.clock import date_time
from medsynth_core.io.suv.frame_times import back_to_start, mean_delay
from medsynth_core.io.suv.notes import Notes
from medsynth_core.io.suv.private import GE_SCAN_TIME, SIEMENS_DECAY_TIME, PrivateElement
from medsynth_core.io.suv.tags import named, number
from medsynth_core.io.suv.times import acquisition_times

FRAMES = f"{named('AcquisitionTime')} minus {named('FrameReferenceTime')}"
_FACTORS = f"{named('DecayFactor')} with {named('AcquisitionTime')}"
_RECORDS = (GE_SCAN_TIME, SIEMENS_DECAY_TIME)
_LONGEST_S, _SHORTEST_S, _NOTICEABLE = 60.0, 2.0, 0.01
# Scans begin some time after the series is opened on the console. If no tag says when, this much is usual.
_USUAL_WAIT_S, _USUAL_DECAY, _SHORTEST_WAIT_S = 5 * 60.0, 0.05, 30.0
# No scan takes longer, so a series time further before the first acquisition is not its start.
_IMPOSSIBLE_S = 2 * 3600.0


def doubt_reference(slices: Sequence[Dataset], used: Sequence[datetime], rate: float, notes: Notes) -> None:
    """Warn of tags that state another reference time than the one that is used.

    Args:
        slices: headers.
        used: reference time of each slice.
        rate: decay constant in 1/s.
        notes: its ``used["reference_time"]`` names the tag that is used; receives the warning.
    """
    tolerance = min(_LONGEST_S, max(_SHORTEST_S, _NOTICEABLE / rate))
    first = min(used)
    others = dict(_statements(slices, rate))
    others.pop(notes.used["reference_time"], None)
    apart = {name: one.seconds_from(first) for name, one in others.items() if one.contradicts(first, tolerance)}
    if apart:
        confirmed = [name for name in others if name not in apart]
        notes.warn(_contradiction(notes.used["reference_time"], apart, confirmed, rate))
    elif FRAMES not in others and _FACTORS not in others:
        _doubt_wait(slices, first, rate, notes)


def is_start(series: datetime, slices: Sequence[Dataset], rate: float, notes: Notes) -> bool:
    """Return whether a series time may be the start of the scan, with a warning if other tags have to tell it.

    It is not if it is hours before the first acquisition and frame times do not count from it: de-identification
    programs write midnight, the study time or a date of 1900.

    Raises:
        MedSynthError: it cannot be the start of the scan, and no other tag states when that was.
    """
    before = (min(acquisition_times(slices, Notes())) - series).total_seconds()
    if before <= _IMPOSSIBLE_S:
        return True
    others = dict(_statements(slices, rate))
    if any(not one.contradicts(series, _LONGEST_S) for one in others.values()):
        return True
    # A decay factor confirms a time, but does not give one.
    if not others.keys() - {_FACTORS, str(SIEMENS_DECAY_TIME)}:
        raise MedSynthError(
            f"{named('SeriesTime')} is {before / 60:.0f} minutes before the first acquisition, and no other tag states "
            "when the scan began; set it to the start of the scan"
        )
    notes.warn(
        f"{named('SeriesTime')} is more than {_IMPOSSIBLE_S / 3600:.0f} hours before the first acquisition, so it is "
        "not taken as the start of the scan."
    )
    return False


def is_outvoted(series: datetime, slices: Sequence[Dataset], rate: float, notes: Notes) -> bool:
    """Return whether frame times and decay factors agree on another start of the scan, with a warning.

    A decay factor is what the values were multiplied by, so together they are a record of the correction itself.
    """
    others = dict(_statements(slices, rate))
    frames, factors = others.get(FRAMES), others.get(_FACTORS)
    if frames is None or factors is None:
        return False
    tolerance = min(_LONGEST_S, max(_SHORTEST_S, _NOTICEABLE / rate))
    (start, last), (by_factor, latest) = frames.readings[0], factors.readings[0]
    agree = max(start, last, by_factor, latest) - min(start, by_factor) <= timedelta(seconds=tolerance)
    if not agree or any(not one.contradicts(series, tolerance) for one in others.values()):
        return False
    apart = (start - series).total_seconds()
    change = math.expm1(min(-rate * apart, 50.0))
    notes.warn(
        f"By {FRAMES}, and by {_FACTORS}, the scan began {_span(apart)} than {named('SeriesTime')}: "
        f"their time is used, because they agree. By {named('SeriesTime')} the SUVs would be {abs(change):.1%} "
        f"{'higher' if change > 0 else 'lower'}."
    )
    return True


@dataclass(frozen=True)
class _Statement:
    """The times that a tag may state as reference time: the earliest and the latest of the slices by each reading."""

    readings: list[tuple[datetime, datetime]]

    def contradicts(self, used: datetime, tolerance: float) -> bool:
        slack = timedelta(seconds=tolerance)
        return not any(first - slack <= used <= last + slack for first, last in self.readings)

    def seconds_from(self, used: datetime) -> float:
        """Return the seconds from ``used`` to what the tag states by the standard."""
        first, last = self.readings[0]
        return ((first if used < first else last) - used).total_seconds()


def _statements(slices: Sequence[Dataset], rate: float) -> Iterator[tuple[str, _Statement]]:
    """Yield each tag that states a reference time, and what it states."""
    for element in _RECORDS:
        moment = _private_time(element, slices[0])
        if moment is not None:
            yield str(element), _Statement([(moment, moment)])
    with suppress(MedSynthError):  # an invalid value of a tag that is not needed
        offsets = [number(dataset, "FrameReferenceTime") or 0.0 for dataset in slices]
        if any(offsets):
            yield FRAMES, _starts(slices, [offset / 1000 for offset in offsets], rate)
    with suppress(MedSynthError):
        factors = [number(dataset, "DecayFactor") or 0.0 for dataset in slices]
        if min(factors) > 0 and set(factors) != {1.0}:
            yield _FACTORS, _starts(slices, [math.log(factor) / rate for factor in factors], rate)


def _starts(slices: Sequence[Dataset], offsets: Sequence[float], rate: float) -> _Statement:
    """Return when the scan began if offsets count to the mean, the start or the middle of each frame.

    The standard asks for the moment of mean activity, but scanners also write the others. Slices may differ: the
    acquisition time may be that of the first bed position, or the offset may count from each.
    """
    durations = [(number(dataset, "ActualFrameDuration") or 0.0) / 1000 for dataset in slices]
    acquired = acquisition_times(slices, Notes())
    means = [mean_delay(duration, rate) if duration > 0 else 0.0 for duration in durations]
    readings = (means, [0.0] * len(slices), [duration / 2 for duration in durations])
    starts = [back_to_start(acquired, delays, offsets) for delays in readings]
    return _Statement([(min(moments), max(moments)) for moments in starts])


def _private_time(element: PrivateElement, dataset: Dataset) -> datetime | None:
    try:
        return date_time(element.text(dataset), str(element), dataset)
    except MedSynthError:
        return None  # it is not needed


def _contradiction(tag: str, apart: dict[str, float], confirmed: Sequence[str], rate: float) -> str:
    stated = " and ".join(f"{_span(seconds)} by {name}" for name, seconds in apart.items())
    largest = max(apart.values(), key=abs)
    change = math.expm1(min(rate * largest, 50.0))
    agrees = f" {' and '.join(confirmed)} agrees with the time that is used." if confirmed else ""
    return (
        f"The values are taken as decay-corrected to {tag}, but the scan began {stated}; if that is right, the SUVs "
        f"are {abs(change):.1%} too {'low' if change > 0 else 'high'}.{agrees}"
    )


def _span(seconds: float) -> str:
    length = f"{abs(seconds) / 60:.1f} minutes" if abs(seconds) >= 60 else f"{abs(seconds):.0f} s"
    return f"{length} {'later' if seconds > 0 else 'earlier'}"


def _doubt_wait(slices: Sequence[Dataset], first: datetime, rate: float, notes: Notes) -> None:
    """Warn of a series time long before the first acquisition if no tag of the frames confirms or contradicts it."""
    if notes.used["reference_time"] != named("SeriesTime"):
        return
    waited = (min(acquisition_times(slices, Notes())) - first).total_seconds()
    if waited > min(_USUAL_WAIT_S, max(_SHORTEST_WAIT_S, _USUAL_DECAY / rate)):
        notes.warn(
            f"{named('SeriesTime')} is {_span(-waited)} than the first acquisition, and no other tag states when the "
            "scan began."
        )
