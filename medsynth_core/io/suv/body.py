"""What an uptake is measured by: body weight, lean body mass, ideal body weight or body surface."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pydicom.dataset import Dataset

from medsynth_core.errors import MedSynthError
from medsynth_core.io.suv.notes import Notes
from medsynth_core.io.suv.tags import agreed, agreed_number, missing, named

# All in g/mL but the last, which is in cm²/mL.
SUV_UNITS = ("SUVbw", "SUVlbm", "SUVlbm-james", "SUVlbm-janma", "SUVibw", "SUVbsa")

_HEAVIEST_KG = 1000
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


def per_body_weight(slices: Sequence[Dataset], unit: str, notes: Notes) -> float:
    """Return what an SUVbw (g/mL) is multiplied by to be in ``unit``, one of `SUV_UNITS`.

    The formulas are those of DICOM's SUV Type (0054,1006). Lean body mass: James 1976 with Morgan's 120
    (``SUVlbm``) or with 128 (``SUVlbm-james``) for men, and Janmahasatian 2005 (``SUVlbm-janma``). Body surface:
    Du Bois and Du Bois 1916. Of a patient of sex O the mean of both sexes is taken.

    Raises:
        MedSynthError: weight, height or sex is missing, or the formula has no meaning for such a body.
    """
    if unit == "SUVbw":
        return 1.0
    weight = weight_kg(slices, notes)
    height = _height_m(slices)
    if unit == "SUVbsa":
        surface = 0.007184 * (100 * height) ** 0.725 * weight**0.425
        notes.used["body_surface_cm2"] = surface * 1e4
        return surface * 1e4 / (weight * 1000)
    mass = _of_sex(agreed(slices, "PatientSex"), lambda male: _MASSES[unit](weight, height, male))
    if mass <= 0:
        raise MedSynthError(
            f"the formula of {unit} gives {mass:.1f} kg for {named('PatientWeight')} {weight:g} kg and "
            f"{named('PatientSize')} {height:g} m, for which it was not made; take SUVbw"
        )
    notes.used["body_mass_kg"] = mass
    return mass / weight


def _height_m(slices: Sequence[Dataset]) -> float:
    height = agreed_number(slices, "PatientSize")
    if height is None:
        raise missing("PatientSize", "enter the height in metres, or take SUVbw, which needs none")
    if not _HEIGHTS_M[0] <= height <= _HEIGHTS_M[1]:
        raise MedSynthError(f"{named('PatientSize')} is {height:g}, which is no height in metres; correct the header")
    return height


def _of_sex(sex: str, mass: Callable[[bool], float]) -> float:
    if sex == "O":
        return (mass(True) + mass(False)) / 2
    if sex not in ("M", "F"):
        raise missing("PatientSex", "enter M, F or O, or take SUVbw, which needs none")
    return mass(sex == "M")


def _morgan(weight: float, height: float, male: bool) -> float:
    return _james_form(weight, height, (1.10, 120) if male else (1.07, 148))


def _james(weight: float, height: float, male: bool) -> float:
    return _james_form(weight, height, (1.10, 128) if male else (1.07, 148))


def _james_form(weight: float, height: float, constants: tuple[float, float]) -> float:
    linear, quadratic = constants
    return linear * weight - quadratic * (weight / (100 * height)) ** 2


def _janmahasatian(weight: float, height: float, male: bool) -> float:
    index = weight / height**2
    return 9270 * weight / ((6680 + 216 * index) if male else (8780 + 244 * index))


def _ideal(_weight: float, height: float, male: bool) -> float:
    above = 100 * height - 152
    return 48 + 1.06 * above if male else 45.5 + 0.91 * above


_MASSES = {"SUVlbm": _morgan, "SUVlbm-james": _james, "SUVlbm-janma": _janmahasatian, "SUVibw": _ideal}
