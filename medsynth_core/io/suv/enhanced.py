"""The frames of an enhanced PET with the tags that a slice of a classic one has."""

from __future__ import annotations

import re
from copy import copy

from pydicom.dataset import Dataset

from medsynth_core.io.suv.tags import text

# By UCUM code without its spelling: where the kind of SUV stands, and what a litre is called, differs between files.
_UNITS = {
    "g/ml{suvbw}": ("GML", "BW"),
    "bq/ml": ("BQML", ""),
    "g/ml": ("GML", ""),
    "g/ml{suvlbm}": ("GML", "LBM"),
    "g/ml{suvlbm(james128)}": ("GML", "LBMJAMES128"),
    "g/ml{suvlbm(janma)}": ("GML", "LBMJANMA"),
    "g/ml{suvibw}": ("GML", "IBW"),
    "cm2/ml{suvbsa}": ("CM2ML", "BSA"),
    "g/ml{suvbsa}": ("CM2ML", "BSA"),
    "cm2/ml": ("CM2ML", ""),
    "{counts}": ("CNTS", ""),
    "{counts}/s": ("CPS", ""),
    "{propcounts}": ("PROPCNTS", ""),
    "{propcounts}/s": ("PROPCPS", ""),
}
_GROUPS = ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence")
_CLASSIC = ("UnassignedSharedConvertedAttributesSequence", "UnassignedPerFrameConvertedAttributesSequence")


def classic_tags(header: Dataset, groups: list[Dataset]) -> Dataset:
    """Return the tags of a frame as a slice of a classic series would state them.

    Args:
        header: of the instance.
        groups: the frame's own functional groups, then the shared ones.
    """
    tags = Dataset()
    for element in header:
        if element.keyword not in _GROUPS:
            # A copy: the frames' own values below must not reach the header, nor each other.
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
    mapping = real_world_mapping(groups)
    if mapping is not None:
        tags.Units, tags.SUVType = _UNITS[_code(mapping)]
    return tags


def real_world_mapping(groups: list[Dataset]) -> Dataset | None:
    """Return the mapping of a frame's stored values to a unit that is known, SUVbw before others, or None."""
    for group in groups:
        known = [mapping for mapping in group.get("RealWorldValueMappingSequence") or [] if _code(mapping) in _UNITS]
        linear = [mapping for mapping in known if mapping.get("RealWorldValueSlope") is not None]
        if linear:
            return min(linear, key=lambda mapping: list(_UNITS).index(_code(mapping)))
    return None


def _code(mapping: Dataset) -> str:
    code = text(_first(mapping, "MeasurementUnitsCodeSequence"), "CodeValue").lower().replace(" ", "")
    before = re.fullmatch(r"(\{suv.*\})(g/ml|cm2/ml)", code)
    return before[2] + before[1] if before else code


def _in_groups(groups: list[Dataset], sequence: str) -> Dataset:
    return next((group[sequence].value[0] for group in groups if group.get(sequence)), Dataset())


def _first(dataset: Dataset, sequence: str) -> Dataset:
    items = dataset.get(sequence)
    return items[0] if items else Dataset()
