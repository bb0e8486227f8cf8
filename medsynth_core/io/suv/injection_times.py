"""The time of the injection."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from pydicom.dataset import Dataset

from medsynth_core.errors import MedSynthError
from medsynth_core.io.suv.clock import date_of, date_time, joined, states_zone, zone_of_pair
from medsynth_core.io.suv.notes import Notes
from medsynth_core.io.suv.private import GE_INJECTION_TIME
from medsynth_core.io.suv.radionuclide import injections
from medsynth_core.io.suv.tags import agreed, missing, named, text
from medsynth_core.io.suv.times import LONGEST_WITHOUT_DATE_S, OVER_MIDNIGHT

_DATE_TIME, _TIME = "RadiopharmaceuticalStartDateTime", "RadiopharmaceuticalStartTime"
# An injection time more than half a day after the scan belongs to the previous day.
_HALF_A_DAY = timedelta(hours=12)
_SAME_MOMENT_S, _NOTICEABLE = 60, 0.015  # 1 % decays in 0.015 half-lives


def injection_time(slices: Sequence[Dataset], scan: datetime, half_life: float, notes: Notes) -> tuple[datetime, str]:
    """Return the injection time, and the tag that states it.

    A time without a date is assigned to the day of the ``scan``, or to the previous day if the scan was after midnight.

    Args:
        slices: headers.
        scan: reference time of the values.
        half_life: half-life in seconds.
        notes: receives warnings.

    Raises:
        MedSynthError: the time is missing or invalid, its two tags contradict each other, or the date is missing and
            cannot be inferred.
    """
    found, tag = _dated(slices, notes)
    found = _undated(slices, scan, half_life) if found is None else _before_midnight(found, scan, half_life, notes)
    _doubt_injection(found, slices[0], half_life, notes)
    return found, named(tag)


def _dated(slices: Sequence[Dataset], notes: Notes) -> tuple[datetime | None, str]:
    """Return the injection time if its date is stated, and the tag that states its time of day."""
    isotopes = injections(slices)
    stated = agreed(isotopes, _DATE_TIME)
    time = agreed(isotopes, _TIME)
    full = date_time(stated, _DATE_TIME, slices[0])
    if full is None:
        dated = date_of(stated) and time
        return joined(date_of(stated), time, _TIME) if dated else None, _TIME
    if not time:
        _doubt_zone(stated, slices[0], notes)
        return full, _DATE_TIME
    other = joined(f"{full:%Y%m%d}", time, _TIME)
    apart = (other - full).total_seconds()
    apart = min(abs(apart), 86400 - abs(apart))
    if apart <= _SAME_MOMENT_S:
        _doubt_zone(stated, slices[0], notes)
        return full, _DATE_TIME
    if full.time() == full.min.time() and not states_zone(stated):
        notes.warn(f"{named(_DATE_TIME)} is at midnight, as if its time had been removed: {named(_TIME)} is used.")
        return other, _TIME
    raise MedSynthError(
        f"{named(_DATE_TIME)} and {named(_TIME)} state injection "
        f"times that are {apart / 60:.1f} minutes apart; correct the wrong one"
    )


def _doubt_zone(stated: str, dataset: Dataset, notes: Notes) -> None:
    """Warn if an injection time with a zone was compared with times whose zone is not stated."""
    if not states_zone(stated) or text(dataset, "TimezoneOffsetFromUTC"):
        return
    states = f"{named(_DATE_TIME)} states a time zone, but not "
    states += named("TimezoneOffsetFromUTC")
    with suppress(MedSynthError):
        pair = zone_of_pair(dataset)
        if pair is not None:
            if f"{datetime.now(pair):%z}" != stated[-5:]:
                notes.warn(f"{states}: by the time of day beside it, the scanner is in the zone {pair}.")
            return
    if not states_zone(text(dataset, "DecayCorrectionDateTime")):
        notes.warn(f"{states}: the scanner is assumed to be in the same zone.")


def _before_midnight(found: datetime, scan: datetime, half_life: float, notes: Notes) -> datetime:
    """Return the time of an injection, on the day before if it has the date of a scan that was after midnight."""
    stale = found - scan > OVER_MIDNIGHT and found.date() == scan.date() and half_life <= LONGEST_WITHOUT_DATE_S
    if not stale:
        return found
    notes.warn(
        f"{named(_DATE_TIME)} is {(found - scan).total_seconds() / 3600:.1f} hours after the "
        "scan on the same date: it is taken to be on the day before."
    )
    return found - timedelta(days=1)


def _undated(slices: Sequence[Dataset], scan: datetime, half_life: float) -> datetime:
    time = agreed(injections(slices), _TIME)
    if not time:
        raise missing(_DATE_TIME, "enter when the tracer was injected")
    if half_life > LONGEST_WITHOUT_DATE_S:
        raise MedSynthError(
            f"{named(_TIME)} states no date, and with a half-life of {half_life / 3600:.1f} "
            f"hours the injection may have been days before; enter {named(_DATE_TIME)}"
        )
    found = joined(f"{scan:%Y%m%d}", time, _TIME)
    return found - timedelta(days=found - scan > _HALF_A_DAY)


def _doubt_injection(used: datetime, dataset: Dataset, half_life: float, notes: Notes) -> None:
    """Warn if the scanner's own record of the injection contradicts the standard tags."""
    try:
        other = date_time(GE_INJECTION_TIME.text(dataset), str(GE_INJECTION_TIME), dataset)
    except MedSynthError:
        return
    if other is None:
        return
    apart = (other - used).total_seconds()
    if abs(apart) > min(_SAME_MOMENT_S, _NOTICEABLE * half_life):
        notes.warn(
            f"{GE_INJECTION_TIME} states an injection {abs(apart) / 60:.1f} minutes "
            f"{'later' if apart > 0 else 'earlier'} than the tag that is used; if it is right, the SUVs are too "
            f"{'high' if apart > 0 else 'low'}."
        )
