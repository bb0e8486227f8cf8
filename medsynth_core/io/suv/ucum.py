"""PET units and their UCUM codes."""

from __future__ import annotations

import re
from typing import NamedTuple


class PetUnit(NamedTuple):
    """A PET unit with its DICOM terms.

    Attributes:
        unit: unit of a `Volume`: "SUVbw", "Bq/mL", or the DICOM term if there is no other.
        units: DICOM's Units (0054,1001).
        suv_type: DICOM's SUV Type (0054,1006), or "".
    """

    unit: str
    units: str
    suv_type: str = ""


# By lower-case code with the type of SUV last. An SUV without a type gets the type that DICOM assumes.
_UNITS = {
    "g/ml{suvbw}": PetUnit("SUVbw", "GML", "BW"),
    "bq/ml": PetUnit("Bq/mL", "BQML"),
    "g/ml": PetUnit("SUVbw", "GML"),
    "g/ml{suvlbm}": PetUnit("SUVlbm", "GML", "LBM"),
    "g/ml{suvlbm(james128)}": PetUnit("SUVlbm-james", "GML", "LBMJAMES128"),
    "g/ml{suvlbm(janma)}": PetUnit("SUVlbm-janma", "GML", "LBMJANMA"),
    "g/ml{suvibw}": PetUnit("SUVibw", "GML", "IBW"),
    "cm2/ml{suvbsa}": PetUnit("SUVbsa", "CM2ML", "BSA"),
    "g/ml{suvbsa}": PetUnit("SUVbsa", "CM2ML", "BSA"),
    "cm2/ml": PetUnit("SUVbsa", "CM2ML"),
    "{counts}": PetUnit("CNTS", "CNTS"),
    "{counts}/s": PetUnit("CPS", "CPS"),
    "{propcounts}": PetUnit("PROPCNTS", "PROPCNTS"),
    "{propcounts}/s": PetUnit("PROPCPS", "PROPCPS"),
}
_UNIT_OF_TAGS = {(known.units, known.suv_type): known.unit for known in _UNITS.values()}
PREFERENCE = list(_UNITS.values())
"""Order of preference if values are stated in several units."""


def pet_unit(code: str) -> PetUnit | None:
    """Return the unit of a UCUM code, or None if it is not a PET unit.

    Writers differ in the position of the SUV type and in the spelling of litre; all variants are read.
    """
    plain = code.lower().replace(" ", "")
    before = re.fullmatch(r"(\{suv.*\})(g/ml|cm2/ml)", plain)
    return _UNITS.get(before[2] + before[1] if before else plain)


def unit_of_tags(units: str, suv_type: str = "") -> str:
    """Return the unit of a PET series, in the terms of `Volume`.

    Args:
        units: DICOM's Units (0054,1001).
        suv_type: DICOM's SUV Type (0054,1006); "" if there is none.

    Returns:
        "SUVbw", "Bq/mL" and so on; "SUV" for an SUV of unknown type, and ``units`` itself if it is unknown.
    """
    if units == "CM2ML":
        return "SUVbsa"  # the only quantity in this unit
    found = _UNIT_OF_TAGS.get((units, suv_type if units == "GML" else ""))
    return found or ("SUV" if units == "GML" else units)
