"""Normalization of uptake: body weight, lean body mass, ideal body weight or body surface area."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial

from pydicom.dataset import Dataset

from medsynth_core.errors import MedSynthError
from medsynth_core.io.suv.notes import Notes
from medsynth_core.io.suv.tags import agreed, agreed_number, missing, named, text

# All in g/mL, except the last, which is in cm²/mL.
SUV_UNITS = ("SUVbw", "SUVlbm", "SUVlbm-james", "SUVlbm-janma", "SUVibw", "SUVbsa")

_HEAVIEST_KG, _HEAVY_KG = 1000, 300
_HEAVIEST_RODENT_KG = 2
_RODENTS = {"447482001", "447612001", "371564000", "371565004", "L-87830", "L-87831", "L-877FB", "L-877FC"}  # CID 7454
_SMALL_ANIMAL = re.compile(r"\b(?:mouse|mice|mus|rat|rats|rattus|murine)\b", re.IGNORECASE)
# Voxels of scanners for small animals; those of scanners for people are larger than 1 mm.
_SMALL_VOXEL_ML, _LIGHTEST_G = 6e-4, 10
# Smallest plausible ratio of lean mass to weight: above a certain weight, James' formula decreases and even drops below
# 0.
_LEANEST = 1 / 3
_SHORTEST_M = 1.52  # smallest height for which the formula of the ideal weight is valid
_HEIGHTS_M = (0.2, 2.8)


def weight_kg(slices: Sequence[Dataset], notes: Notes) -> float:
    """Return the patient's weight in kilograms.

    Values above 1000 are taken as grams, and so are those of mice and rats that are too heavy for kilograms. Other
    weights that may be in grams are used as they are, with a warning.

    Raises:
        MedSynthError: the weight is missing, or differs between slices.
    """
    stated = agreed_number(slices, "PatientWeight")
    if stated is None or stated < 0:
        raise missing("PatientWeight", "enter the weight at the scan in kg")
    return in_kilograms(stated, named("PatientWeight"), _is_rodent(slices[0]), notes)


def in_kilograms(stated: float, name: str, rodent: bool, notes: Notes) -> float:
    """Return a weight in kilograms that may have been entered in grams, by the rules of `weight_kg`.

    Args:
        stated: the weight.
        name: name of the tag or key that states it.
        rodent: whether it is that of a mouse or rat.
        notes: receives the weight and warnings.
    """
    weight = stated
    if stated > _HEAVIEST_KG or (stated > _HEAVIEST_RODENT_KG and rodent):
        weight = stated / 1000
        notes.warn(f"{name} is {stated:g}: taken as grams.")
    elif stated > _HEAVY_KG:
        notes.warn(f"{name} is {stated:g}: taken as kg; if it is in g or lb, the SUVs are too high.")
    notes.used["weight_kg"] = weight
    return weight


def doubt_weight(weight: float, voxel_ml: float, name: str, notes: Notes) -> None:
    """Warn if a weight was taken as kilograms, but voxels are those of a small animal, whose weight is in grams.

    Args:
        weight: the weight that is used, in kg.
        voxel_ml: voxel volume in mL.
        name: name of the tag or key that states it.
        notes: receives the warning.
    """
    if voxel_ml < _SMALL_VOXEL_ML and weight >= _LIGHTEST_G:
        notes.warn(
            f"{name} is {weight:g}: taken as kg, although the voxels are as small as those of an "
            "animal scanner; if it is in g, the SUVs are 1000 times too high."
        )


def _is_rodent(dataset: Dataset) -> bool:
    species = dataset.get("PatientSpeciesCodeSequence") or [Dataset()]
    coded = text(species[0], "CodeValue") in _RODENTS
    return coded or names_rodent(text(dataset, "PatientSpeciesDescription"))


def names_rodent(species: str) -> bool:
    """Return whether the name of a species is that of a mouse or rat."""
    return _SMALL_ANIMAL.search(species) is not None


def per_body_weight(
    slices: Sequence[Dataset], unit: str, notes: Notes, otherwise: str = "use SUVbw, which does not need it"
) -> float:
    """Return the factor that converts SUVbw (g/mL) to ``unit``, one of `SUV_UNITS`.

    The formulas are those of DICOM's SUV Type (0054,1006). Lean body mass: James 1976 with Morgan's 120
    (``SUVlbm``) or with 128 (``SUVlbm-james``) for men, and Janmahasatian 2005 (``SUVlbm-janma``). Body surface area:
    Du Bois and Du Bois 1916. For a patient of sex O, the mean of both sexes is used.

    Args:
        slices: headers.
        unit: the SUV to convert to.
        notes: receives the values used, and warnings.
        otherwise: remedy to suggest if height or sex is not available.

    Raises:
        MedSynthError: weight, height or sex is missing, or the formula is not valid for this body.
    """
    if unit == "SUVbw":
        return 1.0
    weight = weight_kg(slices, notes)
    height = _height_m(slices, otherwise)
    if unit == "SUVbsa":
        surface = 0.007184 * (100 * height) ** 0.725 * weight**0.425
        notes.used["body_surface_cm2"] = surface * 1e4
        return surface * 1e4 / (weight * 1000)
    sex = _sex(slices, otherwise)
    mass = _of_sex(sex, lambda male: _MASSES[unit](weight, height, male))
    body = f"{named('PatientWeight')} {weight:g} kg and {named('PatientSize')} {height:g} m"
    if mass <= (_LEANEST * weight if unit in _JAMES else 0):
        raise MedSynthError(
            f"the formula of {unit} gives {mass:.1f} kg for {body}, for which it is not valid; {otherwise}"
        )
    if unit in _JAMES and weight > _of_sex(sex, lambda male: _leanest_at(height, _JAMES[unit][male])):
        notes.warn(f"The formula of {unit} is not valid for {body}; SUVlbm-janma and SUVbw are.")
    if unit == "SUVibw" and height < _SHORTEST_M:
        notes.warn(f"The formula of SUVibw is not valid for {named('PatientSize')} {height:g} m.")
    notes.used["body_mass_kg"] = mass
    return mass / weight


def _height_m(slices: Sequence[Dataset], otherwise: str) -> float:
    height = agreed_number(slices, "PatientSize")
    if height is None:
        raise missing("PatientSize", f"enter the height in metres, or {otherwise}")
    if not _HEIGHTS_M[0] <= height <= _HEIGHTS_M[1]:
        raise MedSynthError(
            f"{named('PatientSize')} is {height:g}, which is not a valid height in metres; correct the header"
        )
    return height


def _sex(slices: Sequence[Dataset], otherwise: str) -> str:
    sex = agreed(slices, "PatientSex")
    if sex not in ("M", "F", "O"):
        raise missing("PatientSex", f"enter M, F or O, or {otherwise}")
    return sex


def _of_sex(sex: str, of_male: Callable[[bool], float]) -> float:
    return (of_male(True) + of_male(False)) / 2 if sex == "O" else of_male(sex == "M")


def _james(unit: str, weight: float, height: float, male: bool) -> float:
    linear, quadratic = _JAMES[unit][male]
    return linear * weight - quadratic * (weight / (100 * height)) ** 2


def _leanest_at(height: float, constants: tuple[float, float]) -> float:
    """Return the weight above which James' formula gives less lean mass for more weight."""
    linear, quadratic = constants
    return linear * (100 * height) ** 2 / (2 * quadratic)


def _janmahasatian(weight: float, height: float, male: bool) -> float:
    index = weight / height**2
    return 9270 * weight / ((6680 + 216 * index) if male else (8780 + 244 * index))


def _ideal(_weight: float, height: float, male: bool) -> float:
    above = 100 * height - 152
    return 48 + 1.06 * above if male else 45.5 + 0.91 * above


# Linear and quadratic constants, of women and of men.
_JAMES = {"SUVlbm": ((1.07, 148.0), (1.10, 120.0)), "SUVlbm-james": ((1.07, 148.0), (1.10, 128.0))}
_MASSES: dict[str, Callable[[float, float, bool], float]] = {
    **{unit: partial(_james, unit) for unit in _JAMES},
    "SUVlbm-janma": _janmahasatian,
    "SUVibw": _ideal,
}
