"""PET images with the JSON of PET-BIDS beside them (`pet.nii.gz`, `pet.json`), as dcm2niix and PET2BIDS write it.

Source: Brain Imaging Data Structure, "Positron Emission Tomography" (bids-specification.readthedocs.io); Norgaard et
al., Scientific Data 9, 65 (2022).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from medsynth_core.errors import MedSynthError
from medsynth_core.io.bids_files import (
    entities,
    inherited_json,
    own_json,
    says_suv,
    stated_weight,
    subject_of,
    table_rows,
    unit_of_column,
)
from medsynth_core.io.sidecar import other_images, split_suffix
from medsynth_core.io.suv.plausible import suv_doubts
from medsynth_core.text import quoted
from medsynth_core.volume import Volume

if TYPE_CHECKING:
    from medsynth_core.io.suv.notes import Notes

# Bq in one of each unit of activity, and mL in one of each unit of volume, in lower case; `bqml` is that of DICOM.
_BQ = {
    "bq": 1.0, "kbq": 1e3, "mbq": 1e6, "gbq": 1e9, "nci": 37.0, "uci": 3.7e4, "µci": 3.7e4, "μci": 3.7e4, "mci": 3.7e7,
    "ci": 3.7e10,
}  # fmt: skip
_ML = ("ml", "cc", "cm3", "cm^3", "cm³")
_SUV = {"suv", "suvbw", "g/ml", "gml"}
_KG = {"": 1.0, "kg": 1.0, "g": 1e-3, "gram": 1e-3, "grams": 1e-3, "lb": 0.45359237, "lbs": 0.45359237}
_KG |= {"kilogram": 1.0, "kilograms": 1.0, "pound": 0.45359237, "pounds": 0.45359237}
_NIFTI = (".nii.gz", ".nii", ".hdr", ".img", ".hdr.gz", ".img.gz")


def pet_json(image: Path) -> dict[str, Any]:
    """Return what the PET-BIDS JSON beside an image and those that it inherits state; {} if there is none.

    It is none either if `why_undescribed` gives a reason.
    """
    content = _stated(image)
    return {} if content and why_undescribed(image) else content


def why_undescribed(image: Path) -> str:
    """Return why the PET-BIDS JSON of an image's stem or data set is not about its values; "" if it is, or is none.

    A JSON belongs to the NIfTI of its stem: another image of that stem, such as a mask, has none unless it is the only
    one. An image whose name says SUV does not inherit the unit of the PET that it was made from.
    """
    content = _stated(image)
    if not content:
        return ""
    units = content["Units"].strip()
    if says_suv(image) and units.lower() not in _SUV and "Units" not in own_json(image):
        return f"its name says SUV, but the JSON that it inherits states {quoted(units)}"
    others = [] if split_suffix(image)[1].lower() in _NIFTI else other_images(image)
    return f"the JSON beside it describes {quoted(others[0])}, which has the same name" if others else ""


def _stated(image: Path) -> dict[str, Any]:
    content = inherited_json(image)
    is_pet = content.get("Modality") in ("PT", "PET") or "TracerRadionuclide" in content
    return content if is_pet and isinstance(content.get("Units"), str) else {}


def correction_doubt(image: Path) -> str:
    """Return why the PET in an image file may not be attenuation-corrected, by its PET-BIDS JSON; "" if it is."""
    facts = pet_json(image)
    return _correction_doubt(facts, image) if facts else ""


def read_pet(volume: Volume, facts: Mapping[str, Any], path: Path, modality: str = "", unit: str = "") -> Volume:
    """Return a PET in the requested unit, by the facts that the JSON beside its file states.

    Args:
        volume: the image as it is stored.
        facts: from `pet_json`.
        path: the file.
        modality: modality that was asked for; "" for any.
        unit: ``SUVbw``, ``Bq/mL``, or "" for SUVbw if the facts suffice, else for the stored unit.

    Raises:
        MedSynthError: another modality was asked for, or the facts do not allow the unit.
    """
    stored, asked = facts["Units"].strip(), f"The values of {path}"
    if modality not in ("", "PT"):
        raise MedSynthError(
            f"{path} was requested as {modality}, but the JSON beside it states that it is a PET; choose another file."
        )
    if stored.lower() in _SUV and unit in ("", "SUVbw"):
        return _in_suv(volume, {"units": stored, "factor": 1.0})
    scale = _bq_per_ml(stored)
    if not scale or unit not in ("", "SUVbw", "Bq/mL"):
        if not unit:
            reason = f"the JSON beside it states that the values are in {quoted(stored)}, which cannot be converted"
            return volume.replace(modality="PT", metadata={**volume.metadata, "suv_refused": reason})
        raise MedSynthError(
            f"{asked} cannot be read in {unit}, as the JSON beside it states that they are in {quoted(stored)}."
        )
    activity = _scaled(volume, scale).replace(modality="PT", unit="Bq/mL")
    if unit == "Bq/mL":
        return activity
    try:
        factor, used = _suv_factor(facts, path, abs(float(np.linalg.det(volume.ijk_to_ras[:3, :3]))) / 1000)
    except MedSynthError as reason:
        if unit:
            raise MedSynthError(f"{asked} cannot be converted to SUVbw: {reason.message}.") from reason
        return activity.replace(metadata={**volume.metadata, "suv_refused": reason.message})
    return _in_suv(_scaled(activity, factor), {"units": stored, **used, "factor": factor})


def _in_suv(volume: Volume, suv: dict[str, Any]) -> Volume:
    warnings = [*suv.get("warnings", []), *suv_doubts(volume.voxels, "SUVbw")]
    metadata = {**volume.metadata, "suv": {**suv, "warnings": warnings}}
    return volume.replace(modality="PT", unit="SUVbw", metadata=metadata)


def _scaled(volume: Volume, factor: float) -> Volume:
    if factor == 1:
        return volume
    kind = np.float64 if volume.voxels.dtype == np.float64 else np.float32
    return volume.replace(voxels=(volume.voxels * np.float64(factor)).astype(kind))


def _bq_per_ml(unit: str) -> float:
    """Return Bq/mL in one of a unit; 0 if it is not one of activity concentration."""
    activity, slash, volume = unit.lower().replace(" ", "").partition("/")
    if activity == "bqml":
        return 1.0
    return _BQ.get(activity, 0.0) if slash and volume in _ML else 0.0


def _suv_factor(facts: Mapping[str, Any], path: Path, voxel_ml: float) -> tuple[float, dict[str, Any]]:
    """Return SUVbw in 1 Bq/mL, and what it was computed from."""
    from medsynth_core.io.suv.notes import Notes
    from medsynth_core.io.suv.radionuclide import check_dose_per_weight  # pydicom is slow to import

    notes = Notes()
    weight, half_life = _weight_kg(facts, path, voxel_ml, notes), _half_life_s(facts, notes)
    units = str(facts.get("InjectedRadioactivityUnits"))
    if units.strip().lower() not in _BQ:
        raise MedSynthError(f"its JSON has no valid InjectedRadioactivityUnits ({quoted(units)}); state Bq or MBq")
    dose = _BQ[units.strip().lower()] * _number(facts, "InjectedRadioactivity")
    if weight <= 0 or dose <= 0:
        raise MedSynthError(f"a weight of {weight:g} kg and an injected activity of {dose:g} Bq are impossible")
    given = f"the injected activity of {dose:g} Bq and the weight of {weight:g} kg"
    check_dose_per_weight(given, dose / weight, weight, False, notes)
    notes.used["dose_bq"] = dose
    elapsed = _decay_time_s(facts, half_life, notes)
    for doubt in (_correction_doubt(facts, path), _doubt_copies(path)):
        if doubt:
            notes.warn(doubt)
    return weight * 1000 / (dose * 2 ** (-elapsed / half_life)), notes.to_dict()


def _decay_time_s(facts: Mapping[str, Any], half_life: float, notes: Notes) -> float:
    """Return the time from the injection to the moment that the values are decay-corrected to."""
    from medsynth_core.io.suv.decay import doubt_delays

    if facts.get("ImageDecayCorrected") is not True:
        raise MedSynthError("its JSON does not state that it is decay-corrected (ImageDecayCorrected)")
    elapsed = _number(facts, "ImageDecayCorrectionTime") - _number(facts, "InjectionStart")
    notes.used["injection_time"], notes.used["reference_time"] = "InjectionStart", "ImageDecayCorrectionTime"
    doubt_delays([elapsed], False, half_life, notes)
    notes.used["injection_to_reference_s"] = elapsed
    return elapsed


def _correction_doubt(facts: Mapping[str, Any], path: Path) -> str:
    from medsynth_core.io.suv.attenuation_words import denies_correction, names_method

    key = next((key for key in ("AttenuationCorrection", "AttenuationCorrectionMethod") if key in facts), "")
    stated = str(facts.get(key, "")).strip()
    method = names_method(stated)
    if method is False or stated.lower() == "n/a":
        return f"{key} is {quoted(stated)}: without attenuation correction the SUVs are not valid."
    kinds = facts.get("ImageType")
    names = [str(facts.get("SeriesDescription", "")), entities(path).get("rec", "")]
    names += [str(kind) for kind in kinds] if isinstance(kinds, list) else []
    if any(denies_correction(name) for name in names):
        although = f", although {key} states a method" if method else ""
        return f"It is named as uncorrected{although}: without attenuation correction the SUVs are not valid."
    return ""


def _doubt_copies(path: Path) -> str:
    """Return a doubt about another NIfTI that has the same JSON; "" if there is none."""
    bare, suffix = split_suffix(path)
    other = next((other for other in other_images(path) if other.lower().endswith((".nii.gz", ".nii"))), "")
    if not other or suffix.lower() not in _NIFTI:
        return ""
    json, *images = map(quoted, (f"{bare}.json", path.name, other))
    return f"{json} is taken to describe both {' and '.join(images)}; if one is in another unit, rename it."


def _half_life_s(facts: Mapping[str, Any], notes: Notes) -> float:
    from medsynth_core.io.suv.radionuclide import checked_half_life_s, known_half_life_s, nuclide_named

    stated = str(facts.get("TracerRadionuclide"))
    nuclide = nuclide_named(stated)
    if facts.get("RadionuclideHalfLife"):
        return checked_half_life_s(_number(facts, "RadionuclideHalfLife"), "RadionuclideHalfLife", nuclide, notes)
    half_life = known_half_life_s(nuclide)
    if half_life is None:
        raise MedSynthError(f"its JSON has no known TracerRadionuclide ({quoted(stated)}); state one such as F18")
    notes.used["half_life_s"] = half_life
    return half_life


def _weight_kg(facts: Mapping[str, Any], path: Path, voxel_ml: float, notes: Notes) -> float:
    """Return the weight from the JSON or, in a BIDS data set, from the tables of sessions and participants."""
    from medsynth_core.io.suv.body import doubt_weight, in_kilograms, names_rodent

    name, stated, unit = _stated_weight(facts, path)
    if unit.lower() not in _KG:
        raise MedSynthError(f"{name} is in {quoted(unit)}, which is not a known unit; state it in kg")
    rodent = any(names_rodent(str(row.get("species"))) for _, row in table_rows(path))
    weight = in_kilograms(stated * _KG[unit.lower()], name, rodent, notes)
    if not unit:
        doubt_weight(weight, voxel_ml, name, notes)
    return weight


def _stated_weight(facts: Mapping[str, Any], path: Path) -> tuple[str, float, str]:
    """Return where the weight is stated, the number, and its unit; "" if that is not stated."""
    found = stated_weight(dict(facts))
    if found:
        key, _, unit = found
        return quoted(key), _number(facts, key, quoted(key)), unit
    for table, row in table_rows(path):
        if found := stated_weight(row):
            column, _, unit = found
            with suppress(MedSynthError):  # a later table may have a number
                return (
                    f"{quoted(column)} of {quoted(table.name)}",
                    _number(row, column),
                    unit_of_column(table, column) or unit,
                )
    if subject := subject_of(path):
        raise MedSynthError(
            f"neither its JSON (PatientWeight) nor participants.tsv states the weight of {quoted(subject)}; add it "
            "in kg"
        )
    raise MedSynthError("its JSON states no PatientWeight; add the weight in kg")


def _number(facts: Mapping[str, Any], name: str, shown: str = "") -> float:
    """Return a number of a JSON or table, also as text or the only one of a list; a message calls it ``shown``."""
    value = facts.get(name)
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    try:
        found = math.nan if isinstance(value, bool) or not isinstance(value, int | float | str) else float(value)
    except (ValueError, OverflowError):
        found = math.nan
    if not math.isfinite(found):
        raise MedSynthError(f"its JSON has no valid {shown or name}; add it")
    return found
