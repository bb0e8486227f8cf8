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
    if "Units" not in tags and (stated := _stated(groups)):
        tags.add_new("Units", "LO", _code(stated[0]))  # as it is: the message that refuses an unknown one quotes it
    return tags


def with_unit(tags: Dataset, unit: PetUnit) -> Dataset:
    """Return a copy of the tags of a frame with the unit that its stored values are mapped to."""
    changed = Dataset()
    changed.update(tags)
    _, changed.Units, changed.SUVType = unit
    return changed


def real_world_mappings(groups: list[Dataset]) -> list[tuple[Dataset, PetUnit]]:
    """Return the linear mappings from stored values to a known unit, each with the unit, those to SUVbw first."""
    units = [(mapping, pet_unit(_code(mapping))) for mapping in _stated(groups)]
    known = [(mapping, unit) for mapping, unit in units if unit and mapping.get("RealWorldValueSlope") is not None]
    return sorted(known, key=lambda found: PREFERENCE.index(found[1]))


def has_lookup_table(groups: list[Dataset]) -> bool:
    """Return whether stored values are mapped to a known unit by a lookup table alone."""
    tables = [mapping for mapping in _stated(groups) if "RealWorldValueLUTData" in mapping and pet_unit(_code(mapping))]
    return bool(tables) and not real_world_mappings(groups)


def _stated(groups: list[Dataset]) -> list[Dataset]:
    found = (list(group.get("RealWorldValueMappingSequence") or []) for group in groups)
    return next((several for several in found if several), [])


def _code(mapping: Dataset) -> str:
    return text(_first(mapping, "MeasurementUnitsCodeSequence"), "CodeValue")


def _in_groups(groups: list[Dataset], sequence: str) -> Dataset:
    return next((group[sequence].value[0] for group in groups if group.get(sequence)), Dataset())


def _first(dataset: Dataset, sequence: str) -> Dataset:
    items = dataset.get(sequence)
    return items[0] if items else Dataset()
