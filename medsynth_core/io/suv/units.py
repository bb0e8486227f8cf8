"""Conversion factors from the stored units of a PET to activity concentration or SUV."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from math import log

from pydicom.dataset import Dataset

from medsynth_core.errors import MedSynthError
from medsynth_core.io.suv.body import doubt_weight, per_body_weight, weight_kg
from medsynth_core.io.suv.decay import remaining
from medsynth_core.io.suv.frame_times import frame_duration_s
from medsynth_core.io.suv.notes import Notes
from medsynth_core.io.suv.private import PHILIPS_ACTIVITY_FACTOR, PHILIPS_SUV_FACTOR, PrivateElement
from medsynth_core.io.suv.radionuclide import dose_bq
from medsynth_core.io.suv.tags import agreed, listed, missing, named, number
from medsynth_core.text import quoted

_GML_TYPES = {
    "": "SUVbw",
    "BW": "SUVbw",
    "LBM": "SUVlbm",
    "LBMJAMES128": "SUVlbm-james",
    "LBMJANMA": "SUVlbm-janma",
    "IBW": "SUVibw",
}
_CONTRADICTION = 1.1  # between two factors for one SUV, which conventions of decay do not explain
_RELATIVE = {
    "PROPCNTS": "proportional to counts",
    "PROPCPS": "proportional to counts per second",
    "1CM": "attenuation per centimetre",
}


def suv_factors(slices: Sequence[Dataset], voxel_ml: float, unit: str, notes: Notes) -> list[float]:
    """Return the factors that convert the rescaled values of each slice to ``unit``, one of `SUV_UNITS`.

    Raises:
        MedSynthError: the values cannot be converted; the message states which tag is missing or wrong.
    """
    stored = _stored_suv(slices, notes)
    if stored == unit:
        return [1.0] * len(slices)
    if stored:
        as_it_is = f"read it as {stored}, its stored unit"
        to_unit = per_body_weight(slices, unit, notes, as_it_is)
        return [to_unit / per_body_weight(slices, stored, notes, as_it_is)] * len(slices)
    to_unit = per_body_weight(slices, unit, notes)
    direct = _philips(slices, PHILIPS_SUV_FACTOR, notes)
    if direct:
        _doubt_philips(slices, direct, voxel_ml, notes)
        return [factor * to_unit for factor in direct]
    return [factor * to_unit for factor in _by_dose(slices, voxel_ml, notes)]


def _by_dose(slices: Sequence[Dataset], voxel_ml: float, notes: Notes) -> list[float]:
    """Return the factors that convert the rescaled values of each slice to SUVbw by dose, weight and times."""
    activity = activity_factors(slices, voxel_ml, notes)
    weight = weight_kg(slices, notes)
    doubt_weight(weight, voxel_ml, named("PatientWeight"), notes)
    per_dose = weight * 1000 / dose_bq(slices, weight, notes)
    left = remaining(slices, notes)
    return [factor * per_dose / part for factor, part in zip(activity, left, strict=True)]


def activity_factors(slices: Sequence[Dataset], voxel_ml: float, notes: Notes) -> list[float]:
    """Return the factors that convert the rescaled values of each slice to Bq/mL, without decay correction.

    Raises:
        MedSynthError: the values are not activity, or a factor is missing.
    """
    units = pet_units(slices, notes)
    if units == "BQML":
        return [1.0] * len(slices)
    if units == "CNTS":
        factors = _philips(slices, PHILIPS_ACTIVITY_FACTOR, notes)
        if factors:
            return factors
        rates = _calibration(slices, voxel_ml, notes)
        return [rate / frame_duration_s(dataset) for rate, dataset in zip(rates, slices, strict=True)]
    if units == "CPS":
        return _calibration(slices, voxel_ml, notes)
    raise MedSynthError(f"its values are already SUV ({named('Units')} {units}); request an SUV unit")


def pet_units(slices: Sequence[Dataset], notes: Notes) -> str:
    """Return the Units of a PET that can be converted: BQML, GML, CM2ML, CNTS or CPS.

    Raises:
        MedSynthError: the units are missing, not supported, or differ between slices.
    """
    units = agreed(slices, "Units")
    if not units:
        raise missing("Units")
    if units not in ("BQML", "GML", "CM2ML", "CNTS", "CPS"):
        meaning = f", {_RELATIVE[units]}," if units in _RELATIVE else ""
        raise MedSynthError(
            f"its values are in {quoted(units)}{meaning} according to {named('Units')}, which cannot be converted to "
            "activity; export the series in Bq/mL"
        )
    notes.used["units"] = units
    return units


def _stored_suv(slices: Sequence[Dataset], notes: Notes) -> str:
    """Return the SUV unit in which the values are stored, or "" if they are not SUV."""
    units = pet_units(slices, notes)
    if units not in ("GML", "CM2ML"):
        return ""
    kind = agreed(slices, "SUVType")
    notes.used["suv_type"] = kind
    stored = _GML_TYPES.get(kind) if units == "GML" else {"": "SUVbsa", "BSA": "SUVbsa"}.get(kind)
    if stored is None:
        raise MedSynthError(
            f"{named('Units')} {units} and {named('SUVType')} {quoted(kind)} contradict each other; correct one of them"
        )
    return stored


def _philips(slices: Sequence[Dataset], element: PrivateElement, notes: Notes) -> list[float]:
    """Return a Philips factor for each slice of counts, or [] if a slice lacks it."""
    if agreed(slices, "Units") != "CNTS":
        return []
    factors = [element.number(dataset) for dataset in slices]
    if min(factors) <= 0:
        return []
    notes.used["scale"] = str(element)
    return factors


def _doubt_philips(slices: Sequence[Dataset], direct: Sequence[float], voxel_ml: float, notes: Notes) -> None:
    """Warn if the activity factor of Philips, with dose, weight and times, gives another SUV than their SUV factor."""
    with suppress(MedSynthError):  # a tag that is not needed
        if not _philips(slices, PHILIPS_ACTIVITY_FACTOR, Notes()):
            return
        others = _by_dose(slices, voxel_ml, Notes())
        ratio = max((other / one for other, one in zip(others, direct, strict=True)), key=lambda each: abs(log(each)))
        if abs(log(ratio)) > log(_CONTRADICTION):
            notes.warn(
                f"{PHILIPS_SUV_FACTOR} is used, but by {PHILIPS_ACTIVITY_FACTOR} with dose, weight and times the SUVs "
                f"would be {ratio:.3g} times as high."
            )


def _calibration(slices: Sequence[Dataset], voxel_ml: float, notes: Notes) -> list[float]:
    """Return the factors from counts per second per voxel to Bq/mL."""
    if all("DCAL" in listed(dataset, "CorrectedImage") for dataset in slices):
        notes.used["scale"] = f"{named('CorrectedImage')} DCAL"
        return [1 / voxel_ml] * len(slices)
    factors = [number(dataset, "DoseCalibrationFactor") for dataset in slices]
    calibrated = [factor / voxel_ml for factor in factors if factor is not None and factor > 0]
    if len(calibrated) < len(slices):
        counts = agreed(slices, "Units") == "CNTS"
        others = f", {PHILIPS_SUV_FACTOR} and {PHILIPS_ACTIVITY_FACTOR}" if counts else ""
        raise MedSynthError(
            f"its values are counts, and the factor that converts them to activity is missing "
            f"({named('DoseCalibrationFactor')}{others}); export the series in Bq/mL"
        )
    notes.used["scale"] = named("DoseCalibrationFactor")
    return calibrated
