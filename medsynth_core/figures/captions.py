"""Text of a report's figure."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from medsynth_core.metrics.registry import METRICS, text

WARNING = "synthetic - not for diagnosis"
# Names of compared regions, by their key in the report's settings.
REGIONS = {
    "full frame": "full frame",
    "mask": "within the mask",
    "overlap": "where both volumes overlap",
    "foreground": "where the reference is not zero",
    "body": "in the body",
    "reference": "where the reference is not zero",
    "body and mask": "in the body, within the mask",
    "reference and mask": "where the reference is not zero, within the mask",
}
# Metrics that a figure has room for.
_MAIN = ("mae", "rmse", "psnr", "ssim", "ms_ssim")


def region_text(compared: str) -> str:
    """Return the name of a compared region as text."""
    return REGIONS.get(compared, compared)


def unit_name(unit: str) -> str:
    """Return the unit as written after a number; empty for dimensionless values."""
    return "" if unit == "1" else unit


def metric_line(metrics: Mapping[str, float], settings: Mapping[str, Any]) -> str:
    """Return the main metrics and their region as one line."""
    unit = settings["unit"]
    span = f"{settings['data_range']:.4g} {unit_name(unit)}".strip()
    suffixes = {"psnr": f" (range {span})"}
    shown = [
        f"{METRICS[name].title} {text(name, metrics[name], unit)}{suffixes.get(name, '')}"
        for name in _MAIN
        if name in metrics
    ]
    region = region_text(settings["region"])
    return f"{region[:1].upper()}{region[1:]}:  " + "   ".join(shown)


def lesion_line(metrics: Mapping[str, float]) -> str:
    """Return the errors of lesion uptake as one line; empty if there are none."""
    names = [name for name, metric in METRICS.items() if metric.region == "lesion" and metric.direction == "zero"]
    shown = [
        f"{METRICS[name].title.removeprefix('lesion ').removesuffix(' error')} {text(name, metrics[name])}"
        for name in names
        if name in metrics
    ]
    return "Lesion uptake error:  " + "   ".join(shown) if shown else ""


def small_print(notes: Sequence[str], limits: Sequence[str], characters: int) -> list[str]:
    """Return the lines below the figure: notes on the comparison and the model's limits."""
    paragraphs = [
        f"{head}: {' '.join(sentences)}"
        for head, sentences in (("Notes", notes), ("Limits of the model", limits))
        if sentences
    ]
    return [line for paragraph in paragraphs for line in textwrap.wrap(paragraph, characters)]
