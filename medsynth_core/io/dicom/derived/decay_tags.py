"""Decay tags of a synthetic PET: the event to which values are decay-corrected, and the corresponding numbers.

An SUV is decay-corrected by definition. If the reference was not, MedSynth has corrected it frame by frame to the
injection when computing SUV (`medsynth_core.io.suv.decay.remaining`), and the series states that.
By PS3.3 C.8.9.1.1.5 values are corrected to the time: series time + Frame Reference Time
- ln(Decay Factor) / decay constant.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from pydicom.dataset import Dataset
from pydicom.tag import Tag

from medsynth_core.errors import MedSynthError
from medsynth_core.io.dicom.derived.items import carry, item, numbers
from medsynth_core.io.dicom.derived.reference import Reference
from medsynth_core.io.dicom.frames import Frame
from medsynth_core.io.dicom.values import pet_values
from medsynth_core.io.suv.decay import OF_ENHANCED, reference_times, remaining
from medsynth_core.io.suv.frame_times import frame_duration_s, mean_delay
from medsynth_core.io.suv.notes import Notes
from medsynth_core.io.suv.radionuclide import half_life_s
from medsynth_core.io.suv.tags import listed, text
from medsynth_core.io.suv.times import acquisition_times, series_time

_EVENTS = ("START", "ADMIN", "NONE")
_AT_INJECTION = 0.999  # of the injected activity is left


@dataclass(frozen=True)
class Decay:
    """Decay information of a synthetic PET.

    Attributes:
        correction: Decay Correction: ``START``, ``ADMIN`` or ``NONE``.
        series: start of the Frame Reference Times; None for the series time of the reference.
        times: Frame Reference Time and, if known, Decay Factor of each slice of the reference.
    """

    correction: str = "NONE"
    series: datetime | None = None
    times: dict[tuple[str, int], Dataset] = field(default_factory=dict)

    def of(self, frame: Frame) -> Dataset:
        """Return Frame Reference Time and Decay Factor of a slice of the reference."""
        return self.times.get((frame.file, frame.index)) or item(FrameReferenceTime="0")


def decay_of(reference: Reference) -> Decay:
    """Return the decay information of a PET made from ``reference``.

    Tags of the reference are kept if they hold for SUV too. Missing ones, as in enhanced PET, are computed from the
    times; if these do not suffice, Decay Factor is omitted, because a wrong one would be worse. If the reference is
    not a PET, nothing was measured and there is no decay.
    """
    if not reference.is_source_pet:
        return Decay()
    slices = [frame.tags for frame in reference.frames]
    stated = _stated(slices[0])
    correction = _correction(reference, slices, stated)
    try:
        series, computed = _computed(slices, correction)
    except MedSynthError:
        series, computed = None, [Dataset()] * len(slices)
    times = {}
    for frame, tags, known in zip(reference.frames, slices, computed, strict=True):
        made = item(FrameReferenceTime="0")
        made.update(known)
        if series is None:
            carry(tags, made, ["FrameReferenceTime"])
        if correction == stated != "NONE":
            carry(tags, made, ["DecayFactor"])
        times[frame.file, frame.index] = made
    return Decay(correction, series, times)


def _stated(tags: Dataset) -> str:
    stated = text(tags, "DecayCorrection") or OF_ENHANCED.get(text(tags, "DecayCorrected"), "")
    if stated in _EVENTS:
        return stated
    return "START" if "DECY" in listed(tags, "CorrectedImage") else "NONE"


def _correction(reference: Reference, slices: list[Dataset], stated: str) -> str:
    try:
        if stated == "NONE":
            told = pet_values(reference.frames, reference.ijk_to_ras, str(reference.series), "SUVbw").metadata["suv"]
            # A series that stores SUV is used as it is, with the decay correction that it states.
            return "ADMIN" if "decay_correction" in told else stated
        # Enhanced PET states the time, not the event.
        if not text(slices[0], "DecayCorrection") and min(remaining(slices, Notes())) > _AT_INJECTION:
            return "ADMIN"
    except MedSynthError:
        pass  # nothing more can be derived from the tags
    return stated


def _computed(slices: Sequence[Dataset], correction: str) -> tuple[datetime | None, list[Dataset]]:
    """Return `Decay.series`, and Frame Reference Time and Decay Factor computed from the times of each slice."""
    rate, acquired = math.log(2) / half_life_s(slices, Notes()), acquisition_times(slices, Notes())
    delays = [mean_delay(frame_duration_s(tags), rate) for tags in slices]
    moments = [began + timedelta(seconds=delay) for began, delay in zip(acquired, delays, strict=True)]
    starts = reference_times(slices, rate, Notes())[0] if correction == "START" else acquired
    # A series time after an acquisition is when the image was made, so frame times do not count from it.
    stated = series_time(slices)
    stays = stated is not None and stated <= min(acquired)
    series = stated if stated is not None and stays else min(starts)
    offsets = [1000 * (moment - series).total_seconds() for moment in moments]
    made = [item(FrameReferenceTime=offset) for offset in numbers(offsets)]
    if correction != "NONE":
        for one, factor in zip(made, numbers(_factors(slices, correction)), strict=True):
            one.DecayFactor = factor
    return None if stays else series, made


def _factors(slices: Sequence[Dataset], correction: str) -> list[float]:
    """Return for each slice the ratio of the activity at the event to the mean activity in the frame."""
    event, frame = (remaining([_as(tags, kind) for tags in slices], Notes()) for kind in (correction, "NONE"))
    return [whole / part for whole, part in zip(event, frame, strict=True)]


def _as(tags: Dataset, correction: str) -> Dataset:
    """Return a copy of the tags with another decay correction."""
    copy = Dataset()
    copy.update(tags)
    copy.pop("CorrectedImage", None)
    copy.add_new(Tag("DecayCorrection"), "CS", correction)
    return copy
