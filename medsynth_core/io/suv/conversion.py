"""Conversion of a PET series to the requested unit."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydicom.dataset import Dataset

from medsynth_core.errors import MedSynthError
from medsynth_core.io.suv.attenuation import attenuation
from medsynth_core.io.suv.body import SUV_UNITS
from medsynth_core.io.suv.notes import Notes
from medsynth_core.io.suv.tags import listed
from medsynth_core.io.suv.units import activity_factors, suv_factors

ACTIVITY = "Bq/mL"


@dataclass(frozen=True)
class Conversion:
    """Conversion of rescaled values (stored value × slope of the slice) to a unit.

    Attributes:
        unit: unit of the result: one of `SUV_UNITS`, or ``Bq/mL``.
        factors: conversion factor of each slice.
        metadata: metadata for the volume: how the SUV was computed (``suv``), or why it could not be (``suv_refused``).
    """

    unit: str
    factors: list[float]
    metadata: dict[str, Any] = field(default_factory=dict)


def pet_conversion(
    slices: Sequence[Dataset], voxel_ml: float, name: str, unit: str = "", *, synthetic: bool = False
) -> Conversion:
    """Return the conversion of a PET series to ``unit``, by the decision table of OncoRay's SUV manual.

    Args:
        slices: the header of each slice.
        voxel_ml: voxel volume in mL, by which counts per voxel are divided.
        name: name of the series for messages.
        unit: one of `SUV_UNITS`, ``Bq/mL``, or ``""`` for SUVbw if the tags allow it, else Bq/mL if that is the stored
            unit.
        synthetic: whether a model made the values; missing corrections are then expected, because nothing was scanned.

    Raises:
        MedSynthError: the tags do not allow the conversion; the message states the missing tag and a remedy.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom warns of invalid values, which the rules check themselves
        if unit in SUV_UNITS:
            return _suv(slices, voxel_ml, name, unit, synthetic)
        if unit == ACTIVITY:
            return Conversion(ACTIVITY, _told(activity_factors, name, ACTIVITY, slices, voxel_ml, Notes()))
        if unit:
            raise MedSynthError(
                f"The PET values of {name} cannot be read in {unit}; use {', '.join(SUV_UNITS)} or Bq/mL."
            )
        try:
            return _suv(slices, voxel_ml, name, "SUVbw", synthetic)
        except MedSynthError as refusal:
            if {str(dataset.get("Units")) for dataset in slices} != {"BQML"}:
                raise
            # Kept with the image, so without the description and the UID that name the series.
            reason = refusal.message.replace(name, "the series")
            return Conversion(ACTIVITY, [1.0] * len(slices), {"suv_refused": reason})


def _suv(slices: Sequence[Dataset], voxel_ml: float, name: str, unit: str, synthetic: bool) -> Conversion:
    notes = Notes()
    factors = _told(suv_factors, name, unit, slices, voxel_ml, unit, notes)
    notes.span("factor", factors)
    if not synthetic or any(listed(dataset, "CorrectedImage") for dataset in slices):
        _doubt_corrections(slices, notes)
    return Conversion(unit, factors, {"suv": notes.to_dict()})


def _told(rule: Callable[..., list[float]], name: str, unit: str, *arguments: Any) -> list[float]:
    """Return the result of a rule, or raise its error as a complete sentence."""
    try:
        return rule(*arguments)
    except MedSynthError as reason:
        raise MedSynthError(f"The values of {name} cannot be converted to {unit}: {reason.message}.") from reason


def _doubt_corrections(slices: Sequence[Dataset], notes: Notes) -> None:
    found = attenuation(slices)
    if not found.corrected:
        notes.warn(f"{found.because}: without attenuation correction the SUVs are not valid.")
