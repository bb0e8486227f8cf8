"""Imaging modalities: DICOM terms, display names, and the CT numbers of air and padding."""

from __future__ import annotations

from typing import Literal

Modality = Literal["CT", "PT", "MR", "DX", "OP"]
# Modalities of volumes, and those of single pictures: radiographs and photographs of the eye.
MODALITIES: tuple[Modality, ...] = ("CT", "PT", "MR")
PICTURE_MODALITIES: tuple[Modality, ...] = ("DX", "OP")
MODALITY_NAMES: dict[str, str] = {"CT": "CT", "PT": "PET", "MR": "MR", "DX": "X-ray", "OP": "fundus photograph"}
AIR_HU = -1000.0
# The lowest CT number of a 12-bit scanner; lower values are padding.
LOWEST_HU = -1024

# Modality of the images that have an absolute unit; the units of SUV begin alike.
_SUV = "SUV"
_UNITS = {"HU": "CT", "Bq/mL": "PT", "kBq/mL": "PT"}


def modality_of_unit(unit: str) -> str:
    """Return the only DICOM modality whose images can be in ``unit``; "" if the unit belongs to none."""
    return "PT" if unit.startswith(_SUV) else _UNITS.get(unit, "")


def modality_name(modality: str, otherwise: str = "") -> str:
    """Return the display name of a DICOM modality (``PT`` is PET), or ``otherwise`` if ``modality`` is empty."""
    return MODALITY_NAMES.get(modality, modality) or otherwise
