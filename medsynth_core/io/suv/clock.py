"""Dates and times of a header, in the local time of its scanner."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta, timezone, tzinfo

from pydicom.dataset import Dataset
from pydicom.valuerep import DA, DT, TM

from medsynth_core.errors import MedSynthError
from medsynth_core.io.suv.radionuclide import injections
from medsynth_core.io.suv.tags import named, text

_LEAST_DIGITS, _DATE_DIGITS = 10, 8  # of a date with time: year, month, day, hour
_DAY, _HALF_AN_HOUR, _ROUNDING = timedelta(days=1), timedelta(minutes=30), timedelta(seconds=60)
_WEST, _EAST = timedelta(hours=-12), timedelta(hours=14)
# The zones of Nepal, Western Australia's south-east and the Chatham Islands are not at whole half hours.
_QUARTERS = tuple(timedelta(minutes=minutes) for minutes in (345, 525, 765, 825))


def date_time(content: str, name: str, dataset: Dataset) -> datetime | None:
    """Return a DICOM date and time in the scanner's local time, or None if it has no time.

    Args:
        content: the text of the element.
        name: its keyword, or the name of a private element, for messages.
        dataset: the header, which may state the local time zone.

    Raises:
        MedSynthError: the content is not a valid date and time.
    """
    stated = _stated(content, name)
    if stated is None or stated.tzinfo is None:
        return stated
    zone = scanner_zone(dataset)
    try:
        return (stated.astimezone(zone) if zone else stated).replace(tzinfo=None)
    except (ValueError, OverflowError) as error:
        raise _no_time(name) from error


def date_of(content: str) -> str:
    """Return the date at the start of a DICOM date and time, as YYYYMMDD; "" if it has none."""
    digits = re.match(r"\d*", content)
    return content[:_DATE_DIGITS] if digits and len(digits[0]) >= _DATE_DIGITS else ""


def joined(date: str, time: str, keyword: str) -> datetime:
    """Return a date and a time of day as one.

    Raises:
        MedSynthError: they are not valid; the message names ``keyword``.
    """
    try:
        day, hour = DA(date), TM(time.replace(":", ""))
        if day is None or hour is None:
            raise ValueError
        return datetime.combine(day, hour)
    except (ValueError, TypeError, OverflowError) as error:
        raise _no_time(keyword) from error


def states_zone(content: str) -> bool:
    """Return whether a DICOM date and time states its time zone."""
    return content[-5:-4] in ("+", "-")


def scanner_zone(dataset: Dataset) -> tzinfo | None:
    """Return the time zone of a scanner, or None if nothing tells it.

    It is Timezone Offset From UTC; or follows from a date-time with a zone beside the same moment as a time of day; or
    is that of another date-time that the scanner wrote, so that those with zones keep their distance.

    Raises:
        MedSynthError: Timezone Offset From UTC is not valid.
    """
    stated = text(dataset, "TimezoneOffsetFromUTC")
    if stated:
        return _zone(stated)
    with suppress(MedSynthError):
        found = zone_of_pair(dataset)
        if found is not None:
            return found
    for keyword in ("DecayCorrectionDateTime", "AcquisitionDateTime"):
        with suppress(MedSynthError):
            moment = _stated(text(dataset, keyword), keyword)
            if moment is not None and moment.tzinfo is not None:
                return moment.tzinfo
    return None


def zone_of_pair(dataset: Dataset) -> tzinfo | None:
    """Return the zone in which a date-time with a zone is the time of day that is stated beside it; None without such.

    Raises:
        MedSynthError: one of them is not valid.
    """
    found = (_zone_between(moment, time, keyword) for moment, time, keyword in _pairs(dataset))
    return next((zone for zone in found if zone is not None), None)


def _pairs(dataset: Dataset) -> Iterator[tuple[datetime, str, str]]:
    with suppress(MedSynthError):
        yield from _pair(injections([dataset])[0], "RadiopharmaceuticalStart")
    yield from _pair(dataset, "Acquisition")


def _pair(source: Dataset, event: str) -> Iterator[tuple[datetime, str, str]]:
    time, full = text(source, f"{event}Time"), text(source, f"{event}DateTime")
    moment = _stated(full, f"{event}DateTime")
    if time and moment is not None and moment.tzinfo is not None:
        yield moment, time, f"{event}Time"


def _zone_between(moment: datetime, time: str, keyword: str) -> tzinfo | None:
    there = moment.utcoffset() or timedelta()
    local = joined(f"{moment:%Y%m%d}", time, keyword)
    offset = local - moment.replace(tzinfo=None) + there
    offset -= _DAY * round((offset - there) / _DAY)
    for exact in (_HALF_AN_HOUR * round(offset / _HALF_AN_HOUR), *_QUARTERS):
        if abs(offset - exact) <= _ROUNDING and _WEST <= exact <= _EAST:
            return timezone(exact)
    return None


def _stated(content: str, name: str) -> datetime | None:
    """Return a date and time as it is stated, with its zone; None if it has no time."""
    if len(content.split(".")[0]) < _LEAST_DIGITS or not date_of(content):
        return None
    if len(re.split(r"[.+-]", content)[0]) < _LEAST_DIGITS:  # a date with a zone
        return None
    try:
        stated = DT(content)
        if stated is None:
            raise ValueError
        return datetime.combine(stated.date(), stated.timetz())
    except (ValueError, TypeError, OverflowError) as error:
        raise _no_time(name) from error


def _zone(offset: str) -> timezone:
    sign = -1 if offset.startswith("-") else 1
    try:
        return timezone(sign * timedelta(hours=int(offset[-4:-2]), minutes=int(offset[-2:])))
    except ValueError as error:
        raise _no_time("TimezoneOffsetFromUTC") from error


def _no_time(name: str) -> MedSynthError:
    # The content is not repeated: the message may be kept with the image, and dates of patients must not be.
    shown = named(name) if name.isalpha() else name
    return MedSynthError(f"{shown} is not a valid date and time; correct the header")
