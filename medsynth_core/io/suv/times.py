"""When a patient was injected and scanned."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta, timezone

from pydicom.dataset import Dataset
from pydicom.valuerep import DA, DT, TM

from medsynth_core.errors import MedSynthError
from medsynth_core.io.suv.notes import Notes
from medsynth_core.io.suv.radionuclide import injections
from medsynth_core.io.suv.tags import agreed, missing, named, text

_LEAST_DIGITS = 10  # of a date with a time: year, month, day, hour
# Nobody is scanned half a day before the injection, so a time that much later was that of the day before.
_HALF_A_DAY = timedelta(hours=12)
# With a longer half-life patients are scanned days after the injection, and a time of day does not say which day.
_LONGEST_WITHOUT_DATE_S = 6 * 3600
_SAME_MOMENT_S = 60


def acquisition_times(slices: Sequence[Dataset]) -> list[datetime]:
    """Return when each slice's acquisition began, in the scanner's local time.

    Raises:
        MedSynthError: time or date is missing or none.
    """
    return [_acquisition_time(dataset) for dataset in slices]


def _acquisition_time(dataset: Dataset) -> datetime:
    time = text(dataset, "AcquisitionTime")
    if not time:
        found = date_time(text(dataset, "AcquisitionDateTime"), "AcquisitionDateTime", dataset)
        if found is None:
            raise missing("AcquisitionTime")
        return found
    date = text(dataset, "AcquisitionDate") or text(dataset, "SeriesDate")
    if not date:
        raise missing("AcquisitionDate")
    return _joined(date, time, "AcquisitionTime")


def series_time(slices: Sequence[Dataset]) -> datetime | None:
    """Return the series' date and time, or None where they are not stated.

    Raises:
        MedSynthError: they are none, or differ between slices.
    """
    date, time = agreed(slices, "SeriesDate"), agreed(slices, "SeriesTime")
    return _joined(date, time, "SeriesTime") if date and time else None


def injection_time(slices: Sequence[Dataset], scan: datetime, half_life: float, notes: Notes) -> tuple[datetime, str]:
    """Return when the tracer was given, and the tag that says so.

    A time without a date is that of the day of the ``scan``, or of the day before where that was before midnight.

    Args:
        slices: headers.
        scan: the time that the values are for.
        half_life: in seconds.
        notes: receives doubts.

    Raises:
        MedSynthError: it is missing or no time, the two tags for it contradict each other, or a time without a date
            leaves the day open.
    """
    isotopes = injections(slices)
    stated = agreed(isotopes, "RadiopharmaceuticalStartDateTime")
    time = agreed(isotopes, "RadiopharmaceuticalStartTime")
    full = date_time(stated, "RadiopharmaceuticalStartDateTime", slices[0])
    if full is not None:
        if stated[-5:-4] in ("+", "-") and not text(slices[0], "TimezoneOffsetFromUTC"):
            notes.warnings.append(
                f"{named('RadiopharmaceuticalStartDateTime')} states a time zone, but not "
                f"{named('TimezoneOffsetFromUTC')}: taken as the scanner's."
            )
        if time:
            _refuse_other_time(full, time)
        return full, named("RadiopharmaceuticalStartDateTime")
    if not time:
        raise missing("RadiopharmaceuticalStartDateTime", "enter when the tracer was injected")
    if half_life > _LONGEST_WITHOUT_DATE_S:
        raise MedSynthError(
            f"{named('RadiopharmaceuticalStartTime')} states no date, and with a half-life of {half_life / 3600:.1f} "
            f"hours the injection may have been days before; enter {named('RadiopharmaceuticalStartDateTime')}"
        )
    found = _joined(f"{scan:%Y%m%d}", time, "RadiopharmaceuticalStartTime")
    return found - timedelta(days=found - scan > _HALF_A_DAY), named("RadiopharmaceuticalStartTime")


def _refuse_other_time(full: datetime, time: str) -> None:
    other = _joined(f"{full:%Y%m%d}", time, "RadiopharmaceuticalStartTime")
    apart = abs((full - other).total_seconds())
    if min(apart, 86400 - apart) > _SAME_MOMENT_S:
        raise MedSynthError(
            f"{named('RadiopharmaceuticalStartDateTime')} says that the tracer was given at {full:%H:%M:%S}, and "
            f"{named('RadiopharmaceuticalStartTime')} at {other:%H:%M:%S}; correct the one that is wrong"
        )


def date_time(content: str, name: str, dataset: Dataset) -> datetime | None:
    """Return a DICOM date with time in the scanner's local time, or None for one without a time.

    Args:
        content: the text of the element.
        name: its keyword, or the name of a private element, for the sentence.
        dataset: the header, which may state the local time zone.

    Raises:
        MedSynthError: it is no date and time.
    """
    if len(content.split(".")[0]) < _LEAST_DIGITS:
        return None
    try:
        stated = DT(content)
        if stated is None:
            raise ValueError
        found = datetime.combine(stated.date(), stated.timetz())
        zone = text(dataset, "TimezoneOffsetFromUTC")
        local = found.astimezone(_zone(zone)) if zone and found.tzinfo else found
    except (ValueError, TypeError, OverflowError) as error:
        raise _no_time(name, content) from error
    return local.replace(tzinfo=None)


def _zone(offset: str) -> timezone:
    sign = -1 if offset.startswith("-") else 1
    return timezone(sign * timedelta(hours=int(offset[-4:-2]), minutes=int(offset[-2:])))


def _joined(date: str, time: str, keyword: str) -> datetime:
    try:
        day, hour = DA(date), TM(time.replace(":", ""))
        if day is None or hour is None:
            raise ValueError
        return datetime.combine(day, hour)
    except (ValueError, TypeError, OverflowError) as error:
        raise _no_time(keyword, f"{date} {time}") from error


def _no_time(name: str, content: str) -> MedSynthError:
    shown = named(name) if name.isalpha() else name
    return MedSynthError(f"{shown} is '{content}', which is no date and time; correct the header")
