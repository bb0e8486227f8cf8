"""What the codes of UCUM say that the values of a PET are."""

from __future__ import annotations

import re
from typing import NamedTuple


class PetUnit(NamedTuple):
    """A unit of PET under each of its names.

    Attributes:
        unit: as a volume states it: "SUVbw", "Bq/mL", or DICOM's term where there is no other.
        units: DICOM's Units (0054,1001).
        suv_type: DICOM's SUV Type (0054,1006), or "".
    """

    unit: str
    units: str
    suv_type: str = ""


# By code in lower case with the kind of SUV last. What an SUV is called that has no kind is what DICOM takes it for.
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
PREFERENCE = list(_UNITS.values())
"""Where values are stated in several units, the one to read them in comes first."""


def pet_unit(code: str) -> PetUnit | None:
    """Return the unit of a UCUM code, or None for one that PET does not come in.

    Writers differ in where the kind of SUV stands and in how a litre is spelt; both are read.
    """
    plain = code.lower().replace(" ", "")
    before = re.fullmatch(r"(\{suv.*\})(g/ml|cm2/ml)", plain)
    return _UNITS.get(before[2] + before[1] if before else plain)
