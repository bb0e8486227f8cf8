"""How much of the injected activity was left at the time that the image's values are for.

What the times mean: Comprehensive Manual for SUV Computation, github.com/oncoray/suv_computation (CC BY 4.0), and the
vendor-neutral rules of QIBA.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta

from pydicom.dataset import Dataset

from medsynth_core.errors import MedSynthError
from medsynth_core.io.suv.notes import Notes
from medsynth_core.io.suv.private import GE_SCAN_TIME
from medsynth_core.io.suv.radionuclide import half_life_s
from medsynth_core.io.suv.tags import agreed, listed, missing, named, number, same, text
from medsynth_core.io.suv.times import acquisition_times, date_time, injection_time, series_time

# Decay Correction by what enhanced PET has instead, Decay Corrected.
OF_ENHANCED = {"YES": "START", "NO": "NONE"}
_LONGEST = 10  # half-lives between injection and scan; after more, hardly a thousandth would be left
_MANY = 4  # half-lives that are seldom waited for
_SAME_MOMENT_S = 60
# How long before the first acquisition a series' time needs a reason: the slices may be those of a late bed, whose
# frames count from itself; but no scan takes as long as the latter.
_DOUBTFUL_S, _IMPOSSIBLE_S = 15 * 60, 2 * 3600


def decay_correction(slices: Sequence[Dataset], notes: Notes) -> str:
    """Return what the values are corrected for decay to: ``START``, ``ADMIN``, or ``NONE``.

    Raises:
        MedSynthError: it is missing or something else, or the list of corrections contradicts it.
    """
    stated = agreed(slices, "DecayCorrection") or OF_ENHANCED.get(agreed(slices, "DecayCorrected"), "")
    if not stated:
        raise missing("DecayCorrection")
    if stated not in ("START", "ADMIN", "NONE"):
        raise MedSynthError(f"{named('DecayCorrection')} is '{stated}', not START, ADMIN or NONE; correct the header")
    corrected = stated != "NONE"
    corrections = [listed(dataset, "CorrectedImage") for dataset in slices]
    if any(listing and ("DECY" in listing) != corrected for listing in corrections):
        lists = "does not list" if corrected else "lists"
        raise MedSynthError(
            f"{named('DecayCorrection')} is {stated}, but {named('CorrectedImage')} {lists} DECY, so it is not "
            "clear whether the values are corrected for decay; correct the header"
        )
    notes.used["decay_correction"] = stated
    return stated


def remaining(slices: Sequence[Dataset], notes: Notes) -> list[float]:
    """Return for each slice the part of the injected activity that its values are to be compared with.

    ``ADMIN``: 1. ``START``: 2^(-t/T½) with t from injection to the reference time. ``NONE``: the mean over the frame.

    Raises:
        MedSynthError: a tag that is needed is missing, or the times contradict each other.
    """
    correction = decay_correction(slices, notes)
    if correction == "ADMIN":
        return [1.0] * len(slices)
    half_life = half_life_s(slices, notes)
    rate = math.log(2) / half_life
    if correction == "START":
        moments, notes.used["reference_time"] = reference_times(slices, rate, notes)
        means = [1.0] * len(slices)
    else:
        moments, notes.used["reference_time"] = acquisition_times(slices), named("AcquisitionTime")
        means = [math.exp(-rate * mean_delay(frame_duration_s(dataset), rate)) for dataset in slices]
    injected, notes.used["injection_time"] = injection_time(slices, min(moments), half_life, notes)
    delays = [(moment - injected).total_seconds() for moment in moments]
    _doubt_delays(delays, half_life, notes)
    notes.span("injection_to_reference_s", delays)
    return [mean * math.exp(-rate * delay) for mean, delay in zip(means, delays, strict=True)]


def reference_times(slices: Sequence[Dataset], rate: float, notes: Notes) -> tuple[list[datetime], str]:
    """Return the time to which each slice was corrected when its decay correction is ``START``, and where it is from.

    In turn: the Decay Correction DateTime; the series' time if no acquisition began before it (a later one tells
    when the image was made); the scan's time of GE; the acquisition less the Frame Reference Time, which counts to
    the moment in the frame that has its mean activity, or, where it counts from 0, to the frame's beginning.

    Args:
        slices: headers.
        rate: decay constant in 1/s.
        notes: receives doubts.

    Raises:
        MedSynthError: a tag that is needed is missing, or the slices' times contradict each other.
    """
    stated = _stated(slices)
    if stated is not None:
        return [stated] * len(slices), named("DecayCorrectionDateTime")
    acquired = acquisition_times(slices)
    series = series_time(slices)
    if series is not None and series <= min(acquired):
        _doubt_series_time(series, slices, acquired, rate, notes)
        return [series] * len(slices), named("SeriesTime")
    of_ge = same([GE_SCAN_TIME.text(dataset) for dataset in slices], str(GE_SCAN_TIME))
    scan = date_time(of_ge, str(GE_SCAN_TIME), slices[0])
    if scan is not None:
        return [scan] * len(slices), str(GE_SCAN_TIME)
    offsets = [_frame_reference_s(dataset) for dataset in slices]
    if min(offsets) == 0:
        notes.warnings.append(f"{named('FrameReferenceTime')} counts from 0: the first acquisition's time was taken.")
        return [min(acquired)] * len(slices), named("AcquisitionTime")
    moments = _by_frames(slices, acquired, offsets, rate)
    apart = (max(moments) - min(moments)).total_seconds()
    if apart > _SAME_MOMENT_S:
        raise MedSynthError(
            f"{named('AcquisitionTime')} and {named('FrameReferenceTime')} of its slices lead to starts of the scan "
            f"that are {apart:.0f} s apart, so it is not clear when it began; correct {named('SeriesTime')} to it"
        )
    return moments, f"{named('AcquisitionTime')} less {named('FrameReferenceTime')}"


def _by_frames(
    slices: Sequence[Dataset], acquired: list[datetime], offsets: list[float], rate: float
) -> list[datetime]:
    delays = [mean_delay(frame_duration_s(dataset), rate) for dataset in slices]
    timings = zip(acquired, delays, offsets, strict=True)
    return [began + timedelta(seconds=delay - offset) for began, delay, offset in timings]


def _doubt_series_time(
    series: datetime, slices: Sequence[Dataset], acquired: list[datetime], rate: float, notes: Notes
) -> None:
    """Refuse a series' time long before its first acquisition, unless the frames count from it; doubt a shorter one.

    Programs that remove what identifies a patient write midnight, or the study's time.
    """
    before = (min(acquired) - series).total_seconds()
    if before <= _DOUBTFUL_S:
        return
    offsets = [number(dataset, "FrameReferenceTime") for dataset in slices]
    durations = [number(dataset, "ActualFrameDuration") for dataset in slices]
    known = [offset / 1000 for offset in offsets if offset]
    if len(known) == len(slices) and all(durations):
        moments = _by_frames(slices, acquired, known, rate)
        apart = max(abs((moment - series).total_seconds()) for moment in moments)
        if apart <= _SAME_MOMENT_S:
            return
        others = f"{named('AcquisitionTime')} less {named('FrameReferenceTime')} is {apart / 60:.1f} minutes off"
    else:
        others = "nothing else says when the scan began"
    if before > _IMPOSSIBLE_S:
        raise MedSynthError(
            f"{named('SeriesTime')} is {before / 60:.0f} minutes before the first acquisition, and {others}; correct "
            "it to the start of the scan"
        )
    notes.warnings.append(f"{named('SeriesTime')} is {before / 60:.0f} minutes before the first acquisition; {others}.")


def mean_delay(duration: float, rate: float) -> float:
    """Return after how many seconds of a frame the activity is as high as on average in it.

    Args:
        duration: of the frame, in seconds.
        rate: decay constant in 1/s.
    """
    decays = rate * duration
    return math.log(decays / -math.expm1(-decays)) / rate


def frame_duration_s(dataset: Dataset) -> float:
    """Return the duration of a slice's frame in seconds.

    Raises:
        MedSynthError: it is missing.
    """
    milliseconds = number(dataset, "ActualFrameDuration")
    if milliseconds is None or milliseconds < 0:
        raise missing("ActualFrameDuration")
    return milliseconds / 1000


def _stated(slices: Sequence[Dataset]) -> datetime | None:
    content = agreed(slices, "DecayCorrectionDateTime")
    if not content and agreed(slices, "DecayCorrected"):
        raise missing("DecayCorrectionDateTime")
    return date_time(content, "DecayCorrectionDateTime", slices[0])


def _frame_reference_s(dataset: Dataset) -> float:
    if not text(dataset, "FrameReferenceTime"):
        raise missing("FrameReferenceTime", f"it is needed because {named('SeriesTime')} is not the start of the scan")
    return (number(dataset, "FrameReferenceTime") or 0) / 1000


def _doubt_delays(delays: list[float], half_life: float, notes: Notes) -> None:
    """Refuse times that contradict each other, and doubt a long time between injection and scan."""
    where = f"({notes.used['injection_time']}; {notes.used['reference_time']})"
    if min(delays) < 0:
        raise MedSynthError(
            f"the injection is {-min(delays):.0f} s later than the scan {where}; correct the time that is wrong"
        )
    waited = f"between injection and scan lie {max(delays) / 3600:.1f} hours {where}"
    if max(delays) > _LONGEST * half_life:
        raise MedSynthError(f"{waited}, more than {_LONGEST} half-lives; correct the time or date that is wrong")
    if max(delays) > _MANY * half_life:
        notes.warnings.append(f"B{waited[1:]}, more than {_MANY} half-lives.")
