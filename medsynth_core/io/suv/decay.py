"""Decay of the injected activity up to the reference time of the image values.

Sources for the meaning of the times: Comprehensive Manual for SUV Computation, github.com/oncoray/suv_computation
(CC BY 4.0), and the vendor-neutral rules of QIBA.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta

from pydicom.dataset import Dataset

from medsynth_core.errors import MedSynthError
from medsynth_core.io.suv.clock import date_time
from medsynth_core.io.suv.frame_times import back_to_start, frame_duration_s, mean_delay
from medsynth_core.io.suv.injection_times import injection_time
from medsynth_core.io.suv.notes import Notes
from medsynth_core.io.suv.private import GE_SCAN_TIME
from medsynth_core.io.suv.radionuclide import half_life_s
from medsynth_core.io.suv.reference_doubts import FRAMES, doubt_reference, is_outvoted, is_start
from medsynth_core.io.suv.tags import agreed, listed, missing, named, number, same, text
from medsynth_core.io.suv.times import acquisition_times, series_time
from medsynth_core.text import quoted

# Decay Correction of classic PET by Decay Corrected of enhanced PET.
OF_ENHANCED = {"YES": "START", "NO": "NONE"}
_LONGEST = 10  # half-lives between injection and scan; after that, only 1/1000 of the activity is left
_MANY = 4  # half-lives; longer delays are unusual
_SAME_MOMENT_S = 60
_ROUNDING = timedelta(seconds=1)  # of times that are stored in whole seconds


def decay_correction(slices: Sequence[Dataset], notes: Notes) -> str:
    """Return the event to which values are decay-corrected: ``START``, ``ADMIN``, or ``NONE``.

    Raises:
        MedSynthError: the tag is missing or invalid, or the list of corrections contradicts it.
    """
    stated = agreed(slices, "DecayCorrection") or OF_ENHANCED.get(agreed(slices, "DecayCorrected"), "")
    if not stated:
        raise missing("DecayCorrection")
    if stated not in ("START", "ADMIN", "NONE"):
        raise MedSynthError(
            f"{named('DecayCorrection')} is {quoted(stated)}, not START, ADMIN or NONE; correct the header"
        )
    corrected = stated != "NONE"
    corrections = [listed(dataset, "CorrectedImage") for dataset in slices]
    if any(listing and ("DECY" in listing) != corrected for listing in corrections):
        lists = "does not list" if corrected else "lists"
        raise MedSynthError(
            f"{named('DecayCorrection')} is {stated}, but {named('CorrectedImage')} {lists} DECY, so it is unclear "
            "whether the values are decay-corrected; correct the header"
        )
    notes.used["decay_correction"] = stated
    return stated


def remaining(slices: Sequence[Dataset], notes: Notes) -> list[float]:
    """Return for each slice the fraction of the injected activity that remains at its reference time.

    ``ADMIN``: 1. ``START``: 2^(-t/T½) with t from injection to the reference time. ``NONE``: the mean over the frame.

    Raises:
        MedSynthError: a required tag is missing, or the times contradict each other.
    """
    correction = decay_correction(slices, notes)
    if correction == "ADMIN":
        return [1.0] * len(slices)
    half_life = half_life_s(slices, notes)
    rate = math.log(2) / half_life
    if correction == "START":
        moments, notes.used["reference_time"] = reference_times(slices, rate, notes)
        doubt_reference(slices, moments, rate, notes)
        means = [1.0] * len(slices)
    else:
        moments, notes.used["reference_time"] = acquisition_times(slices, notes), named("AcquisitionTime")
        means = [math.exp(-rate * mean_delay(frame_duration_s(dataset), rate)) for dataset in slices]
    injected, notes.used["injection_time"] = injection_time(slices, min(moments), half_life, notes)
    delays = [(moment - injected).total_seconds() for moment in moments]
    began_before = min(delays) < 0 and min(acquisition_times(slices, notes)) < injected
    doubt_delays(delays, began_before, half_life, notes)
    notes.span("injection_to_reference_s", delays)
    return [mean * math.exp(-rate * delay) for mean, delay in zip(means, delays, strict=True)]


def reference_times(slices: Sequence[Dataset], rate: float, notes: Notes) -> tuple[list[datetime], str]:
    """Return the time to which each slice with decay correction ``START`` was corrected, and the tag it is from.

    The first of these is used: the Decay Correction DateTime; the series time, if no acquisition began before it (a
    later series time is when the image was made) and it is not hours earlier, as in headers whose times were removed;
    the scan time of GE; the acquisition time minus the Frame Reference Time, which counts to the moment of mean
    activity in the frame or, if it starts at 0, to the start of the frame. Frame times and decay factors that agree
    with each other and not with the series time come before it.

    Args:
        slices: headers.
        rate: decay constant in 1/s.
        notes: receives warnings.

    Raises:
        MedSynthError: a required tag is missing, or the times of the slices contradict each other.
    """
    stated = _stated(slices)
    if stated is not None:
        return [stated] * len(slices), named("DecayCorrectionDateTime")
    acquired = acquisition_times(slices, notes)
    series = series_time(slices)
    if series is not None and series <= min(acquired) + _ROUNDING and is_start(series, slices, rate, notes):
        if is_outvoted(series, slices, rate, notes):
            return _by_frames(slices, acquired, rate, notes)
        return [series] * len(slices), named("SeriesTime")
    of_ge = same([GE_SCAN_TIME.text(dataset) for dataset in slices], str(GE_SCAN_TIME))
    scan = date_time(of_ge, str(GE_SCAN_TIME), slices[0])
    if scan is not None:
        return [scan] * len(slices), str(GE_SCAN_TIME)
    return _by_frames(slices, acquired, rate, notes)


def _by_frames(
    slices: Sequence[Dataset], acquired: Sequence[datetime], rate: float, notes: Notes
) -> tuple[list[datetime], str]:
    """Return for each slice the start of the scan by its Frame Reference Time, and the tags that it is from."""
    offsets = [_frame_reference_s(dataset) for dataset in slices]
    if min(offsets) == 0:
        notes.warn(f"{named('FrameReferenceTime')} starts at 0: the time of the first acquisition is used.")
        return [min(acquired)] * len(slices), named("AcquisitionTime")
    delays = [mean_delay(frame_duration_s(dataset), rate) for dataset in slices]
    moments = back_to_start(acquired, delays, offsets)
    apart = (max(moments) - min(moments)).total_seconds()
    if apart > _SAME_MOMENT_S:
        raise MedSynthError(
            f"{named('AcquisitionTime')} and {named('FrameReferenceTime')} of its slices give scan start times "
            f"that are {apart:.0f} s apart; set {named('SeriesTime')} to the start of the scan"
        )
    return moments, FRAMES


def _stated(slices: Sequence[Dataset]) -> datetime | None:
    content = agreed(slices, "DecayCorrectionDateTime")
    if not content and agreed(slices, "DecayCorrected"):
        raise missing("DecayCorrectionDateTime")
    return date_time(content, "DecayCorrectionDateTime", slices[0])


def _frame_reference_s(dataset: Dataset) -> float:
    if not text(dataset, "FrameReferenceTime"):
        raise missing("FrameReferenceTime", f"it is needed because {named('SeriesTime')} is not the start of the scan")
    return (number(dataset, "FrameReferenceTime") or 0) / 1000


def doubt_delays(delays: list[float], began_before: bool, half_life: float, notes: Notes) -> None:
    """Refuse times that contradict each other, and warn of a long time between injection and scan.

    A dynamic scan may be started some seconds before the injection, and its values refer to its start; only frames
    that began before the injection do not show its uptake.

    Args:
        delays: seconds from the injection to the time that values refer to.
        began_before: whether the frame began before the injection.
        half_life: half-life in seconds.
        notes: names the tags of both times; receives warnings.

    Raises:
        MedSynthError: the injection was after the scan, or too long before.
    """
    where = f"({notes.used['injection_time']}; {notes.used['reference_time']})"
    if 0 > min(delays) > -_ROUNDING.total_seconds():
        pass  # the same second
    elif -_SAME_MOMENT_S <= min(delays) < 0 and not began_before:
        notes.warn(f"The injection is {-min(delays):.0f} s after the start of the scan {where}.")
    elif min(delays) < 0:
        raise MedSynthError(f"the injection is {-min(delays):.0f} s after the scan {where}; correct the wrong time")
    waited = f"the scan is {max(delays) / 3600:.1f} hours after the injection {where}"
    if max(delays) > _LONGEST * half_life:
        raise MedSynthError(f"{waited}, more than {_LONGEST} half-lives; correct the wrong time or date")
    if max(delays) > _MANY * half_life:
        notes.warn(f"T{waited[1:]}, more than {_MANY} half-lives.")
