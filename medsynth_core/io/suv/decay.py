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
from medsynth_core.io.suv.tags import agreed, listed, missing, named, number, text
from medsynth_core.io.suv.times import acquisition_times, date_time, injection_time, series_time

_CORRECTED = {"YES": "START", "NO": "NONE"}  # Decay Corrected of enhanced PET
_LONGEST = 10  # half-lives between injection and scan; after more, hardly a thousandth would be left
_SAME_MOMENT_S = 60


def decay_correction(slices: Sequence[Dataset], notes: Notes) -> str:
    """Return what the values are corrected for decay to: ``START``, ``ADMIN``, or ``NONE``.

    Raises:
        MedSynthError: it is missing or something else, or the list of corrections contradicts it.
    """
    stated = agreed(slices, "DecayCorrection") or _CORRECTED.get(agreed(slices, "DecayCorrected"), "")
    if not stated:
        raise missing("DecayCorrection")
    if stated not in ("START", "ADMIN", "NONE"):
        raise MedSynthError(f"{named('DecayCorrection')} is '{stated}', not START, ADMIN or NONE; correct the header")
    corrections = {entry for dataset in slices for entry in listed(dataset, "CorrectedImage")}
    if corrections and stated != "NONE" and "DECY" not in corrections:
        raise MedSynthError(
            f"{named('DecayCorrection')} is {stated}, but {named('CorrectedImage')} does not list DECY, so it is not "
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
    rate = math.log(2) / half_life_s(slices, notes)
    if correction == "START":
        moments, notes.used["reference_time"] = reference_times(slices, rate, notes)
        means = [1.0] * len(slices)
    else:
        moments, notes.used["reference_time"] = acquisition_times(slices), named("AcquisitionTime")
        means = [math.exp(-rate * mean_delay(frame_duration_s(dataset), rate)) for dataset in slices]
    injected, notes.used["injection_time"] = injection_time(slices, min(moments))
    delays = [(moment - injected).total_seconds() for moment in moments]
    _refuse_contradiction(delays, rate, notes)
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
        return [series] * len(slices), named("SeriesTime")
    scan = date_time(GE_SCAN_TIME.text(slices[0]), str(GE_SCAN_TIME), slices[0])
    if scan is not None:
        return [scan] * len(slices), str(GE_SCAN_TIME)
    offsets = [_frame_reference_s(dataset) for dataset in slices]
    if min(offsets) == 0:
        notes.warnings.append(f"{named('FrameReferenceTime')} counts from 0: the first acquisition's time was taken.")
        return [min(acquired)] * len(slices), named("AcquisitionTime")
    delays = [mean_delay(frame_duration_s(dataset), rate) for dataset in slices]
    timings = zip(acquired, delays, offsets, strict=True)
    moments = [began + timedelta(seconds=delay - offset) for began, delay, offset in timings]
    apart = (max(moments) - min(moments)).total_seconds()
    if apart > _SAME_MOMENT_S:
        raise MedSynthError(
            f"{named('AcquisitionTime')} and {named('FrameReferenceTime')} of its slices lead to starts of the scan "
            f"that are {apart:.0f} s apart, so it is not clear when it began; correct {named('SeriesTime')} to it"
        )
    return moments, f"{named('AcquisitionTime')} less {named('FrameReferenceTime')}"


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


def _refuse_contradiction(delays: list[float], rate: float, notes: Notes) -> None:
    where = f"({notes.used['injection_time']}; {notes.used['reference_time']})"
    if min(delays) < 0:
        raise MedSynthError(
            f"the injection is {-min(delays):.0f} s later than the scan {where}; correct the time that is wrong"
        )
    if max(delays) * rate > _LONGEST * math.log(2):
        raise MedSynthError(
            f"between injection and scan lie {max(delays) / 3600:.1f} hours {where}, more than {_LONGEST} "
            "half-lives; correct the time or date that is wrong"
        )
