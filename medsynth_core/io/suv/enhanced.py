"""Conversion of the frames of enhanced PET to the tags of classic PET slices."""

from __future__ import annotations

from copy import copy

from pydicom.dataset import Dataset

from medsynth_core.io.suv.tags import text
from medsynth_core.io.suv.ucum import PREFERENCE, PetUnit, pet_unit

_GROUPS = ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence")
_CLASSIC = ("UnassignedSharedConvertedAttributesSequence", "UnassignedPerFrameConvertedAttributesSequence")


def classic_tags(header: Dataset, groups: list[Dataset]) -> Dataset:
    """Return the tags of a frame in the form of a classic PET slice.

    Args:
        header: header of the instance.
        groups: per-frame functional groups, then the shared ones.
    """
    tags = Dataset()
    for element in header:
        if element.keyword not in _GROUPS:
            # Copy, so that the per-frame values below do not change the header or other frames.
            tags[element.tag] = copy(element)
    for sequence in _CLASSIC:
        for group in groups:
            tags.update(_first(group, sequence))
    content = _in_groups(groups, "FrameContentSequence")
    if "FrameAcquisitionDateTime" in content:
        for keyword in ("AcquisitionDate", "AcquisitionTime"):
            tags.pop(keyword, None)
        tags.AcquisitionDateTime = content.FrameAcquisitionDateTime
    if "FrameAcquisitionDuration" in content:
        tags.ActualFrameDuration = round(content.FrameAcquisitionDuration)
    factors = _in_groups(groups, "PETFrameCorrectionFactorsSequence")
    if "DoseCalibrationFactor" in factors:
        tags.DoseCalibrationFactor = factors.DoseCalibrationFactor
    if found := real_world_mapping(groups):
        _, tags.Units, tags.SUVType = found[1]
    return tags


def real_world_mapping(groups: list[Dataset]) -> tuple[Dataset, PetUnit] | None:
    """Return the mapping from stored values to a known unit, preferably SUVbw, and the unit."""
    for group in groups:
        known = []
        for mapping in group.get("RealWorldValueMappingSequence") or []:
            unit = pet_unit(text(_first(mapping, "MeasurementUnitsCodeSequence"), "CodeValue"))
            if unit and mapping.get("RealWorldValueSlope") is not None:
                known.append((mapping, unit))
        if known:
            return min(known, key=lambda found: PREFERENCE.index(found[1]))
    return None


def _in_groups(groups: list[Dataset], sequence: str) -> Dataset:
    return next((group[sequence].value[0] for group in groups if group.get(sequence)), Dataset())


def _first(dataset: Dataset, sequence: str) -> Dataset:
    items = dataset.get(sequence)
    return items[0] if items else Dataset()
