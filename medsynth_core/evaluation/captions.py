"""The words of a report's figure."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from medsynth_core.volume import Volume

if TYPE_CHECKING:
    from medsynth_core.evaluation.report import Report

WARNING = "synthetic - not for diagnosis"
_NAMES = {"PT": "PET", "MR": "MRI"}
_REGIONS = {
    "mask": "Within the mask",
    "overlap": "Where both reach",
    "foreground": "Where the reference is not zero",
}


def modality_name(volume: Volume, otherwise: str) -> str:
    """Return what people call the volume's modality."""
    return _NAMES.get(volume.modality, volume.modality) or otherwise


def unit_name(unit: str) -> str:
    """Return the unit as it is written behind a number; nothing for dimensionless values."""
    return "" if unit == "1" else unit


def metric_line(report: Report) -> str:
    """Return the main metrics and the region that they are over, as one line."""
    name = unit_name(report.settings["unit"])
    unit = f" {name}" if name else ""
    parts = {
        "mae": f"MAE {{:.3g}}{unit}",
        "rmse": f"RMSE {{:.3g}}{unit}",
        "psnr": f"PSNR {{:.2f}} dB (range {report.settings['data_range']:.4g}{unit})",
        "ssim": "SSIM {:.3f}",
        "ms_ssim": "MS-SSIM {:.3f}",
    }
    shown = [text.format(report.metrics[name]) for name, text in parts.items() if name in report.metrics]
    region = _REGIONS.get(report.settings["region"], "Full frame")
    return f"{region}:  " + "   ".join(shown)


def lesion_line(report: Report) -> str:
    """Return the errors of uptake in the lesion as one line; empty without them."""
    parts = {
        "suvmax_error": "maximum",
        "suvmean_error": "mean",
        "suvpeak_error": "1 cm³ peak",
        "tlg_error": "TLG",
    }
    shown = [f"{text} {report.metrics[name]:+.1f} %" for name, text in parts.items() if name in report.metrics]
    return "Lesion, error of uptake:  " + "   ".join(shown).replace("-", "−") if shown else ""


def small_print(notes: list[str], limits: list[str], characters: int) -> list[str]:
    """Return the lines below the figure: what was done to compare, and what the model cannot know."""
    paragraphs = [
        f"{head}: {' '.join(said)}" for head, said in (("Notes", notes), ("Limits of the model", limits)) if said
    ]
    return [line for paragraph in paragraphs for line in textwrap.wrap(paragraph, characters)]
