"""A PET series' values in the unit that is asked for."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydicom.dataset import Dataset

from medsynth_core.errors import MedSynthError
from medsynth_core.io.suv.body import SUV_UNITS
from medsynth_core.io.suv.notes import Notes
from medsynth_core.io.suv.tags import agreed, listed, named
from medsynth_core.io.suv.units import activity_factors, suv_factors

ACTIVITY = "Bq/mL"


@dataclass(frozen=True)
class Conversion:
    """What makes rescaled values (stored × slope of their slice) a quantity.

    Attributes:
        unit: that of the result: one of `SUV_UNITS`, or ``Bq/mL``.
        factors: by which the values of each slice are multiplied.
        metadata: for the volume: how the SUV came about (``suv``), or why there is none (``suv_refused``).
    """

    unit: str
    factors: list[float]
    metadata: dict[str, Any] = field(default_factory=dict)


def pet_conversion(
    slices: Sequence[Dataset], voxel_ml: float, name: str, unit: str = "", *, synthetic: bool = False
) -> Conversion:
    """Return how the values of a PET series become ``unit``, by the decision table of the SUV manual of OncoRay.

    Args:
        slices: the header of each slice.
        voxel_ml: volume of a voxel in mL, which counts per voxel are divided by.
        name: the series, as the sentences call it.
        unit: one of `SUV_UNITS`, ``Bq/mL``, or ``""``: SUVbw where the tags allow it, else Bq/mL if the values are
            stored so.
        synthetic: whether a model made the values; where no corrections are stated, there was no scan to correct.

    Raises:
        MedSynthError: the tags do not allow it; the sentence says which one is missing and what to do.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # odd values in tags, which the rules judge themselves
        if unit in SUV_UNITS:
            return _suv(slices, voxel_ml, name, unit, synthetic)
        if unit == ACTIVITY:
            return Conversion(ACTIVITY, _told(activity_factors, name, ACTIVITY, slices, voxel_ml, Notes()))
        if unit:
            raise MedSynthError(f"{name} is a PET and cannot be read in {unit}; take {', '.join(SUV_UNITS)} or Bq/mL.")
        try:
            return _suv(slices, voxel_ml, name, "SUVbw", synthetic)
        except MedSynthError as refusal:
            if {str(dataset.get("Units")) for dataset in slices} != {"BQML"}:
                raise
            return Conversion(ACTIVITY, [1.0] * len(slices), {"suv_refused": refusal.message})


def _suv(slices: Sequence[Dataset], voxel_ml: float, name: str, unit: str, synthetic: bool) -> Conversion:
    notes = Notes()
    factors = _told(suv_factors, name, unit, slices, voxel_ml, unit, notes)
    notes.span("factor", factors)
    if not synthetic or any(listed(dataset, "CorrectedImage") for dataset in slices):
        _doubt_corrections(slices, notes)
    return Conversion(unit, factors, {"suv": notes.to_dict()})


def _told(rule: Callable[..., list[float]], name: str, unit: str, *arguments: Any) -> list[float]:
    """Return what a rule gives, or tell its refusal in a whole sentence."""
    try:
        return rule(*arguments)
    except MedSynthError as reason:
        raise MedSynthError(f"The values of {name} cannot be turned into {unit}: {reason.message}.") from reason


def _doubt_corrections(slices: Sequence[Dataset], notes: Notes) -> None:
    attenuation = all("ATTN" in listed(dataset, "CorrectedImage") for dataset in slices)
    if not attenuation and agreed(slices, "AttenuationCorrected") != "YES":
        notes.warnings.append(
            f"{named('CorrectedImage')} does not list ATTN: without attenuation correction these are no true SUVs."
        )
