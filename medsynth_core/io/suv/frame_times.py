"""Times of a frame: its duration, its moment of mean activity, and the start of the scan that it counts from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta

from pydicom.dataset import Dataset

from medsynth_core.errors import MedSynthError
from medsynth_core.io.suv.tags import missing, named, number


def mean_delay(duration: float, rate: float) -> float:
    """Return the time from the start of a frame, in seconds, at which the activity equals its mean over the frame.

    Args:
        duration: duration of the frame in seconds.
        rate: decay constant in 1/s.
    """
    decays = rate * duration
    return math.log(decays / -math.expm1(-decays)) / rate


def frame_duration_s(dataset: Dataset) -> float:
    """Return the duration of the frame of a slice in seconds.

    Raises:
        MedSynthError: the duration is missing.
    """
    milliseconds = number(dataset, "ActualFrameDuration")
    if milliseconds is None or milliseconds < 0:
        raise missing("ActualFrameDuration")
    return milliseconds / 1000


def back_to_start(acquired: Sequence[datetime], delays: Sequence[float], offsets: Sequence[float]) -> list[datetime]:
    """Return for each slice the time that its offset counts from.

    Args:
        acquired: start of acquisition of each slice.
        delays: seconds from there to the moment that the offset counts to.
        offsets: seconds from the start of the scan to that moment.

    Raises:
        MedSynthError: a delay or offset is longer than any time.
    """
    timings = zip(acquired, delays, offsets, strict=True)
    try:
        return [began + timedelta(seconds=delay - offset) for began, delay, offset in timings]
    except OverflowError as error:
        raise MedSynthError(
            f"{named('FrameReferenceTime')} or {named('ActualFrameDuration')} is not a valid time in ms; correct the "
            "header"
        ) from error
