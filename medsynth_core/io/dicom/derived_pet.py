"""What the PET Image IOD wants of a synthetic PET."""

from __future__ import annotations

from pydicom.dataset import Dataset

from medsynth_core.io.dicom.derived_items import carry, carry_or_empty, code, item, value

_RECUMBENT = ("102538003", "SCT", "recumbent")
_HEADS = {"HF": ("102540008", "SCT", "headfirst"), "FF": ("102541007", "SCT", "feet-first")}
_SIDES = {
    "S": ("40199007", "SCT", "supine"),
    "P": ("1240000", "SCT", "prone"),
    "DR": ("102535000", "SCT", "right lateral decubitus"),
    "DL": ("102536004", "SCT", "left lateral decubitus"),
}


def pet_series(reference: Dataset, slices: int) -> Dataset:
    """Return what all slices of a synthetic PET share, with what is known of the tracer from ``reference``.

    SUV is stored as such (``GML``, ``BW``) and not turned back into Bq/mL: then no reader has to divide by dose
    and weight again, or correct for decay once more, and a PET that was made of a CT, of which nobody knows a
    dose, is read like any other.
    """
    made = item(
        Units="GML",
        SUVType="BW",
        CountsSource="EMISSION",
        SeriesType=["WHOLE BODY" if "WHOLE BODY" in (value(reference, "SeriesType") or []) else "STATIC", "IMAGE"],
        NumberOfSlices=slices,
        # Which moment the values are corrected to is as in the reference; of a CT's synthetic PET nothing decayed.
        DecayCorrection=value(reference, "DecayCorrection") or "NONE",
    )
    carry_or_empty(reference, made, ["CorrectedImage", "CollimatorType", "RadiopharmaceuticalInformationSequence"])
    carry_or_empty(reference, made, ["PatientOrientationCodeSequence", "PatientGantryRelationshipCodeSequence"])
    position = str(value(reference, "PatientPosition") or "")
    if not made.PatientOrientationCodeSequence and position[:2] in _HEADS and position[2:] in _SIDES:
        # PET states the patient's position in codes, CT and MR in letters (HFS).
        lying = item(PatientOrientationModifierCodeSequence=code(_SIDES[position[2:]]))
        lying.update(code(_RECUMBENT)[0])
        made.PatientOrientationCodeSequence = [lying]
        made.PatientGantryRelationshipCodeSequence = code(_HEADS[position[:2]])
    return made


def pet_image(reference: Dataset, number: int) -> Dataset:
    """Return what belongs to slice ``number`` (from 1) alone: the times of the reference's slice at its place."""
    made = item(ImageIndex=number, FrameReferenceTime="0")
    carry_or_empty(reference, made, ["AcquisitionDate", "AcquisitionTime", "ActualFrameDuration"])
    carry(reference, made, ["FrameReferenceTime"])
    if value(reference, "DecayCorrection") not in (None, "NONE"):
        made.DecayFactor = "1"
        carry(reference, made, ["DecayFactor"])
    return made
