"""What an uptake is measured by: body weight, lean body mass, ideal body weight or body surface."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from pydicom.dataset import Dataset

from medsynth_core.errors import MedSynthError
from medsynth_core.io.suv.notes import Notes
from medsynth_core.io.suv.tags import agreed, agreed_number, missing, named

# All in g/mL but the last, which is in cm²/mL.
SUV_UNITS = ("SUVbw", "SUVlbm", "SUVlbm-james", "SUVlbm-janma", "SUVibw", "SUVbsa")

_HEAVIEST_KG = 1000
# Part of the weight below which no lean mass lies: James' formula falls from a certain weight on, and then below 0.
_LEANEST = 1 / 3
_SHORTEST_M = 1.52  # of those that the ideal weight is known of
_HEIGHTS_M = (0.2, 2.8)


def weight_kg(slices: Sequence[Dataset], notes: Notes) -> float:
    """Return the patient's weight in kilograms; above 1000 the tag holds grams.

    Raises:
        MedSynthError: it is missing, or differs between slices.
    """
    stated = agreed_number(slices, "PatientWeight")
    if stated is None or stated < 0:
        raise missing("PatientWeight", "enter the weight at the scan in kg")
    weight = stated
    if stated > _HEAVIEST_KG:
        weight = stated / 1000
        notes.warnings.append(f"{named('PatientWeight')} is {stated:g}: taken as grams.")
    notes.used["weight_kg"] = weight
    return weight


def per_body_weight(
    slices: Sequence[Dataset], unit: str, notes: Notes, otherwise: str = "take SUVbw, which needs none"
) -> float:
    """Return what an SUVbw (g/mL) is multiplied by to be in ``unit``, one of `SUV_UNITS`.

    The formulas are those of DICOM's SUV Type (0054,1006). Lean body mass: James 1976 with Morgan's 120
    (``SUVlbm``) or with 128 (``SUVlbm-james``) for men, and Janmahasatian 2005 (``SUVlbm-janma``). Body surface:
    Du Bois and Du Bois 1916. Of a patient of sex O the mean of both sexes is taken.

    Args:
        slices: headers.
        unit: which SUV.
        notes: receives what was used, and doubts.
        otherwise: what to do where height or sex cannot be had.

    Raises:
        MedSynthError: weight, height or sex is missing, or the formula has no meaning for such a body.
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
            f"the formula of {unit} gives {mass:.1f} kg for {body}, for which it was not made; {otherwise}"
        )
    if unit in _JAMES and weight > _of_sex(sex, lambda male: _leanest_at(height, _JAMES[unit][male])):
        notes.warnings.append(f"The formula of {unit} was not made for {body}: SUVlbm-janma and SUVbw were.")
    if unit == "SUVibw" and height < _SHORTEST_M:
        notes.warnings.append(f"The formula of SUVibw was not made for {named('PatientSize')} {height:g} m.")
    notes.used["body_mass_kg"] = mass
    return mass / weight


def _height_m(slices: Sequence[Dataset], otherwise: str) -> float:
    height = agreed_number(slices, "PatientSize")
    if height is None:
        raise missing("PatientSize", f"enter the height in metres, or {otherwise}")
    if not _HEIGHTS_M[0] <= height <= _HEIGHTS_M[1]:
        raise MedSynthError(f"{named('PatientSize')} is {height:g}, which is no height in metres; correct the header")
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
    """Return the weight from which on James' formula takes the heavier of two bodies for the one of less lean mass."""
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
