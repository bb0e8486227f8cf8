"""What a synthetic PET states of decay: to which event its values are corrected, and the numbers that go with it.

An SUV is by its definition free of decay. Where its reference was not corrected, MedSynth has done so on the way to
SUV, frame by frame to the injection (`medsynth_core.io.suv.decay.remaining`), so that is what the series states.
By PS3.3 C.8.9.1.1.5 the time that values are corrected to is that of the series + Frame Reference Time
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
from medsynth_core.io.dicom.derived_items import carry, item, numbers
from medsynth_core.io.dicom.derived_reference import Reference
from medsynth_core.io.dicom.frames import Frame
from medsynth_core.io.dicom.values import pet_values
from medsynth_core.io.suv.decay import OF_ENHANCED, frame_duration_s, mean_delay, reference_times, remaining
from medsynth_core.io.suv.notes import Notes
from medsynth_core.io.suv.radionuclide import half_life_s
from medsynth_core.io.suv.tags import listed, text
from medsynth_core.io.suv.times import acquisition_times, series_time

_EVENTS = ("START", "ADMIN", "NONE")
_AT_INJECTION = 0.999  # of the injected activity is left


@dataclass(frozen=True)
class Decay:
    """What a synthetic PET states of decay.

    Attributes:
        correction: Decay Correction: ``START``, ``ADMIN`` or ``NONE``.
        series: the time that Frame Reference Times count from; None for the series' time of the reference.
        times: Frame Reference Time and, where it is known, Decay Factor of each slice of the reference.
    """

    correction: str = "NONE"
    series: datetime | None = None
    times: dict[tuple[str, int], Dataset] = field(default_factory=dict)

    def of(self, frame: Frame) -> Dataset:
        """Return Frame Reference Time and Decay Factor of a slice of the reference."""
        return self.times.get((frame.file, frame.index)) or item(FrameReferenceTime="0")


def decay_of(reference: Reference) -> Decay:
    """Return what a PET states of decay that was made from ``reference``.

    What the reference states is kept where it is true of SUV too. What it lacks, as enhanced PET does, follows from
    the times. Where they do not suffice, there is no Decay Factor: a wrong one would be worse than none. Of a PET
    that was made from no PET nothing was measured, and nothing decayed.
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
            # A series that holds SUV already is taken as it is, and so is what it states.
            return "ADMIN" if "decay_correction" in told else stated
        # An enhanced PET states the time, not the event.
        if not text(slices[0], "DecayCorrection") and min(remaining(slices, Notes())) > _AT_INJECTION:
            return "ADMIN"
    except MedSynthError:
        pass  # the tags do not tell more than what they state
    return stated


def _computed(slices: Sequence[Dataset], correction: str) -> tuple[datetime | None, list[Dataset]]:
    """Return `Decay.series`, and Frame Reference Time and Decay Factor of each slice, by the times of the slices."""
    rate, acquired = math.log(2) / half_life_s(slices, Notes()), acquisition_times(slices)
    delays = [mean_delay(frame_duration_s(tags), rate) for tags in slices]
    moments = [began + timedelta(seconds=delay) for began, delay in zip(acquired, delays, strict=True)]
    starts = reference_times(slices, rate, Notes())[0] if correction == "START" else acquired
    # A series' time after an acquisition tells when the image was made, so nothing counts from it.
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
    """Return what is left at the event over what is left on average in the frame, for each slice."""
    event, frame = (remaining([_as(tags, kind) for tags in slices], Notes()) for kind in (correction, "NONE"))
    return [whole / part for whole, part in zip(event, frame, strict=True)]


def _as(tags: Dataset, correction: str) -> Dataset:
    """Return the tags as of values with another decay correction; those of the reference stay as they are."""
    copy = Dataset()
    copy.update(tags)
    copy.pop("CorrectedImage", None)
    copy.add_new(Tag("DecayCorrection"), "CS", correction)
    return copy
