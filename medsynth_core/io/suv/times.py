"""Times of acquisition, and of the series."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from pydicom.dataset import Dataset

from medsynth_core.errors import MedSynthError
from medsynth_core.io.suv.clock import date_of, date_time, joined
from medsynth_core.io.suv.notes import Notes
from medsynth_core.io.suv.radionuclide import half_life_s, injections
from medsynth_core.io.suv.tags import agreed, missing, named, text

# With a longer half-life, patients may be scanned days after the injection, so a time without a date is ambiguous.
LONGEST_WITHOUT_DATE_S = 6 * 3600
# Times of one scan and its series that are further apart on one date are on two days.
OVER_MIDNIGHT = timedelta(hours=18)
_DAY, _HALF_A_DAY = timedelta(days=1), timedelta(hours=12)
_ANY_DATE = "20000101"  # where no date is stated, only the time between injection and scan counts


def acquisition_times(slices: Sequence[Dataset], notes: Notes) -> list[datetime]:
    """Return the start of acquisition of each slice, in the scanner's local time.

    A missing Acquisition Date is that of the series or study, or the day after if the scan went on past midnight. So
    is a date that did not change at midnight. Without any date, the times of day of a short-lived tracer are used.

    Raises:
        MedSynthError: the time or date is missing or invalid.
    """
    found = [_acquisition_time(dataset, notes) for dataset in slices]
    last = max(found)
    wrapped = [last - moment > OVER_MIDNIGHT and moment.date() == last.date() for moment in found]
    if any(wrapped):
        _note_midnight(notes)
    return [moment + timedelta(days=late) for moment, late in zip(found, wrapped, strict=True)]


def _note_midnight(notes: Notes) -> None:
    notes.warn(
        f"{named('AcquisitionTime')} passes midnight, but {named('AcquisitionDate')} stays the same: the times "
        "after midnight are taken to be on the next day."
    )


def _acquisition_time(dataset: Dataset, notes: Notes) -> datetime:
    time, full = text(dataset, "AcquisitionTime"), text(dataset, "AcquisitionDateTime")
    date = text(dataset, "AcquisitionDate")
    if not time or not date:
        found = date_time(full, "AcquisitionDateTime", dataset)
        if found is not None:
            return found
    if not time:
        raise missing("AcquisitionTime")
    if date := date or date_of(full):
        return _after_midnight(dataset, joined(date, time, "AcquisitionTime"), notes)
    return _on_day_of_series(dataset, time, notes)


def _after_midnight(dataset: Dataset, found: datetime, notes: Notes) -> datetime:
    """Return a time of acquisition, on the next day if its date did not change at midnight.

    It is then long before the series on one date. So is a scan in the early morning whose image was made in the
    evening; but there the injection was in the hours before the scan.
    """
    date, time = text(dataset, "SeriesDate"), text(dataset, "SeriesTime")
    if not (date and time and date == text(dataset, "AcquisitionDate")):
        return found
    if joined(date, time, "SeriesTime") - found <= OVER_MIDNIGHT or _injected_before(dataset, found):
        return found
    _note_midnight(notes)
    return found + _DAY


def _injected_before(dataset: Dataset, scan: datetime) -> bool:
    with suppress(MedSynthError):
        item = injections([dataset])[0]
        stated, time = text(item, "RadiopharmaceuticalStartDateTime"), text(item, "RadiopharmaceuticalStartTime")
        moment = date_time(stated, "RadiopharmaceuticalStartDateTime", dataset)
        if moment is None:
            moment = joined(date_of(stated) or f"{scan:%Y%m%d}", time, "RadiopharmaceuticalStartTime")
        return timedelta() <= scan - moment <= _HALF_A_DAY
    return False


def _on_day_of_series(dataset: Dataset, time: str, notes: Notes) -> datetime:
    """Return a time of day on the day of the series, or on the day beside it if midnight lies between the two."""
    date, series = text(dataset, "SeriesDate"), text(dataset, "SeriesTime")
    if not date:
        return _undated(dataset, time, notes)
    found = joined(date, time, "AcquisitionTime")
    began = joined(date, series, "SeriesTime") if series else None
    # De-identification programs write midnight itself, which says nothing.
    if began is None or began.time() == began.min.time():
        return found
    later = found - began
    if abs(later) <= OVER_MIDNIGHT:
        return found
    notes.warn(
        f"{named('AcquisitionDate')} is missing: {named('AcquisitionTime')} is taken to be on the day "
        f"{'before' if later > OVER_MIDNIGHT else 'after'} {named('SeriesDate')}, because midnight lies between them."
    )
    return found + timedelta(days=-1 if later > OVER_MIDNIGHT else 1)


def _undated(dataset: Dataset, time: str, notes: Notes) -> datetime:
    """Return a time of day in a header without the date of acquisition and series."""
    if study := text(dataset, "StudyDate"):
        notes.warn(f"{named('AcquisitionDate')} and {named('SeriesDate')} are missing: {named('StudyDate')} is used.")
        return joined(study, time, "AcquisitionTime")
    item = injections([dataset])[0]
    if half_life_s([dataset], Notes()) > LONGEST_WITHOUT_DATE_S:
        raise missing("AcquisitionDate")
    stated = text(item, "RadiopharmaceuticalStartDateTime")
    injected = date_time(stated, "RadiopharmaceuticalStartDateTime", dataset)
    found = joined(date_of(stated) or _ANY_DATE, time, "AcquisitionTime")
    clock = text(item, "RadiopharmaceuticalStartTime")
    if injected is None and clock:
        injected = joined(f"{found:%Y%m%d}", clock, "RadiopharmaceuticalStartTime")
    waited = (found - injected) % _DAY if injected else _DAY
    if injected is None or waited > _HALF_A_DAY:
        raise missing("AcquisitionDate")
    notes.warn(
        f"{named('AcquisitionDate')} and {named('SeriesDate')} are missing: injection and scan are taken to be less "
        "than 12 hours apart."
    )
    return injected + waited


def series_time(slices: Sequence[Dataset]) -> datetime | None:
    """Return the date and time of the series, or None if they are not stated.

    In a header without date of acquisition and series, the time is taken to be on the day of the acquisition.

    Raises:
        MedSynthError: they are invalid, or differ between slices.
    """
    date, time = agreed(slices, "SeriesDate"), agreed(slices, "SeriesTime")
    if date and time:
        return joined(date, time, "SeriesTime")
    dated = any(text(dataset, keyword) for dataset in slices for keyword in ("AcquisitionDate", "AcquisitionDateTime"))
    if date or dated or not time:
        return None
    first = min(acquisition_times(slices, Notes()))
    found = joined(f"{first:%Y%m%d}", time, "SeriesTime")
    return found - _DAY * round((found - first) / _DAY)
