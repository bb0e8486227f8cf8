"""Tags required by the PET Image IOD."""

from __future__ import annotations

from copy import deepcopy
from datetime import datetime

from pydicom.dataset import Dataset

from medsynth_core.errors import MedSynthError
from medsynth_core.io.dicom.derived.decay_tags import Decay
from medsynth_core.io.dicom.derived.items import carry_or_empty, code, item, numbers, value
from medsynth_core.io.dicom.derived.reference import Reference
from medsynth_core.io.dicom.frames import Frame
from medsynth_core.io.suv.clock import date_time
from medsynth_core.io.suv.radionuclide import LEAST_BQ
from medsynth_core.io.suv.tags import text

_ACQUISITION = ("AcquisitionDate", "AcquisitionTime")
_RECUMBENT = ("102538003", "SCT", "recumbent")
_HEADS = {"HF": ("102540008", "SCT", "headfirst"), "FF": ("102541007", "SCT", "feet-first")}
_SIDES = {
    "S": ("40199007", "SCT", "supine"),
    "P": ("1240000", "SCT", "prone"),
    "DR": ("102535000", "SCT", "right lateral decubitus"),
    "DL": ("102536004", "SCT", "left lateral decubitus"),
}
# Correction tags of enhanced PET, as terms of Corrected Image.
_CORRECTIONS = {
    "DecayCorrected": "DECY",
    "AttenuationCorrected": "ATTN",
    "ScatterCorrected": "SCAT",
    "DeadTimeCorrected": "DTIM",
    "GantryMotionCorrected": "MOTN",
    "PatientMotionCorrected": "PMOT",
    "CountLossNormalizationCorrected": "CLN",
    "RandomsCorrected": "RAN",
    "NonUniformRadialSamplingCorrected": "RADL",
    "SensitivityCalibrated": "DCAL",
    "DetectorNormalizationCorrection": "NORM",
}


def pet_series(reference: Reference, slices: int, decay: Decay) -> Dataset:
    """Return the tags shared by all slices of a synthetic PET.

    Tracer and corrections are those of the reference if the PET was made from it. SUV is stored as such (``GML``,
    ``BW``) and not converted back to Bq/mL, so that readers need neither dose and weight nor another decay correction,
    and a PET made from a CT, which has no dose, can be read like any other.
    """
    header, source = reference.header, reference.frames[0].tags if reference.is_source_pet else Dataset()
    made = item(
        Units="GML",
        SUVType="BW",
        CountsSource="EMISSION",
        SeriesType=["WHOLE BODY" if "WHOLE BODY" in (value(source, "SeriesType") or []) else "STATIC", "IMAGE"],
        NumberOfSlices=slices,
        DecayCorrection=decay.correction,
        CorrectedImage=_corrections(reference, decay),
        RadiopharmaceuticalInformationSequence=_tracers(source),
    )
    if decay.series is not None:
        made.SeriesDate, made.SeriesTime = _date_and_time(decay.series)
    carry_or_empty(header if reference.is_source_pet else Dataset(), made, ["CollimatorType"])
    carry_or_empty(header, made, ["PatientOrientationCodeSequence", "PatientGantryRelationshipCodeSequence"])
    position = str(value(header, "PatientPosition") or "")
    if not made.PatientOrientationCodeSequence and position[:2] in _HEADS and position[2:] in _SIDES:
        # PET states the patient position with codes, CT and MR with letters (HFS).
        lying = item(PatientOrientationModifierCodeSequence=code(_SIDES[position[2:]]))
        lying.update(code(_RECUMBENT)[0])
        made.PatientOrientationCodeSequence = [lying]
        made.PatientGantryRelationshipCodeSequence = code(_HEADS[position[:2]])
    return made


def pet_image(reference: Reference, frame: Frame, decay: Decay, number: int) -> Dataset:
    """Return the tags of slice ``number`` (from 1), with the times of the reference ``frame`` at its position."""
    made = item(ImageIndex=number)
    source = frame.tags if reference.is_source else Dataset()
    carry_or_empty(source, made, [*_ACQUISITION, "ActualFrameDuration"])
    if not made.AcquisitionTime:
        made.update(_acquired(source))
    made.update(decay.of(frame))
    return made


def _corrections(reference: Reference, decay: Decay) -> list[str]:
    if not reference.is_source_pet:
        return []
    stated = value(reference.frames[0].tags, "CorrectedImage") or []
    made = [stated] if isinstance(stated, str) else list(stated)
    made = made or [term for keyword, term in _CORRECTIONS.items() if value(reference.header, keyword) == "YES"]
    if decay.correction == "NONE":
        return [term for term in made if term != "DECY"]
    return made if "DECY" in made else [*made, "DECY"]


def _tracers(source: Dataset) -> list[Dataset]:
    """Return the radiopharmaceutical items with the dose in Bq; enhanced PET states it in MBq."""
    made = [deepcopy(tracer) for tracer in value(source, "RadiopharmaceuticalInformationSequence") or []]
    for tracer in made:
        dose = value(tracer, "RadionuclideTotalDose")
        if dose is not None and 0 < dose < LEAST_BQ:
            tracer.RadionuclideTotalDose = numbers([dose * 1e6])[0]
        if value(tracer, "RadionuclideCodeSequence") is None:
            tracer.RadionuclideCodeSequence = []  # must be present
    return made


def _acquired(tags: Dataset) -> Dataset:
    """Return date and time of acquisition from a combined date-time, as in frames of enhanced PET."""
    try:
        moment = date_time(text(tags, "AcquisitionDateTime"), "AcquisitionDateTime", tags)
    except MedSynthError:
        moment = None
    return Dataset() if moment is None else item(**dict(zip(_ACQUISITION, _date_and_time(moment), strict=True)))


def _date_and_time(moment: datetime) -> tuple[str, str]:
    return f"{moment:%Y%m%d}", f"{moment:%H%M%S.%f}"
