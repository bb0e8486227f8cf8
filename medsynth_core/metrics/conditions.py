"""Conditions under which the values of a table were measured: unit of the images, regions and data range."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from medsynth_core.metrics.registry import METRICS, heading

IN_BODY = "in the body"


@dataclass(frozen=True)
class Conditions:
    """Conditions common to the metrics of a table.

    Attributes:
        unit: unit of the voxels.
        region: region of the metrics that are measured in the compared region.
        regions: other regions of single metrics, by name.
        data_range: data range of PSNR and the structural similarities, as text.
    """

    unit: str = ""
    region: str = "full frame"
    regions: Mapping[str, str] = field(default_factory=dict)
    data_range: str = ""

    def head(self, name: str) -> str:
        """Return the column heading of a metric: title, region, unit and direction."""
        return heading(name, self.unit, self.regions.get(name, self.region))

    def said(self) -> str:
        """Return the sentence about the data range; empty if it is not known."""
        return f"PSNR and structural similarities: {self.data_range}." if self.data_range else ""


def validated(unit: str, span: float | None) -> Conditions:
    """Return how trainings score validation and test cases: errors in the unit of the image in the body, the others
    over whole slices.

    Args:
        unit: unit of the output.
        span: data range of the network's output; None if it has no upper limit.
    """
    image = "" if unit == "1" else unit
    data_range = f"data range {span:g} {image}".rstrip() if span else "data range of the real image"
    in_body = {metric.name: IN_BODY for metric in METRICS.values() if metric.in_image_unit}
    return Conditions(unit, "whole slices", in_body, data_range)


def compared(source: str, target: str, unit: str) -> Conditions:
    """Return the conditions of the experiments' test scores, measured on the grid of the input.

    Args:
        source: DICOM modality of the input.
        target: DICOM modality of the output.
        unit: unit of the output.
    """
    if target == "MR":
        return Conditions(unit, "in the body where the MR was imaged", {}, "data range of the real MR")
    in_body = {"mae": IN_BODY, "activity_ratio": IN_BODY}
    if source == "PT":
        return Conditions(unit, "full frame", in_body, "data range of the full dose")
    return Conditions(unit, "full frame", in_body, "values clipped to 0 to 20 SUVbw" if unit == "SUVbw" else "")
