"""Injected activity and half-life of the radionuclide."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pydicom.dataset import Dataset

from medsynth_core.errors import MedSynthError
from medsynth_core.io.suv.notes import Notes
from medsynth_core.io.suv.tags import agreed_number, missing, named, number, text

# Lower values are taken as MBq: patients receive 1e7 to 1e9 Bq, or 1e1 to 1e3 MBq.
LEAST_BQ = 1e4
# Half-lives in seconds (ENSDF; F-18, Ga-68 and Y-90 as scanners state them) by the codes of DICOM's context group 4020.
_HALF_LIVES = {
    ("C-105A1", "40565003"): ("C-11", 1221.8),
    ("C-107A1", "21576001"): ("N-13", 597.9),
    ("C-B1038", "129504001"): ("O-15", 122.24),
    ("C-111A1", "77004003"): ("F-18", 6586.2),
    ("C-127A2", "3932008"): ("Cu-64", 45723.6),
    ("C-131A3", "35337001"): ("Ga-68", 4057.74),
    ("C-159A2", "79197006"): ("Rb-82", 75.45),
    ("C-168A4", "63360001"): ("Zr-89", 282276.0),
    ("C-114A5", "40937006"): ("I-124", 360806.4),
    ("C-127A1", "71425003"): ("Cu-61", 12020.4),
    ("C-127A5", "422934004"): ("Cu-62", 580.2),
    ("126600",): ("Sc-44", 14551.2),
    ("126605",): ("Sc-43", 14007.6),
    ("C-113A2", "79523006"): ("Br-76", 58320.0),
    ("C-149A1", "37225000"): ("Mn-52", 483062.4),
    ("C-162A3", "10738001"): ("Y-86", 53064.0),
    ("C-162A7", "14691008"): ("Y-90", 230400.0),
}
_NUCLIDES = dict(_HALF_LIVES.values())
_ELEMENTS = {
    "C": "carbon", "N": "nitrogen", "O": "oxygen", "F": "fluorine?", "Cu": "copper", "Ga": "gallium", "Rb": "rubidium",
    "Zr": "zirconium", "I": "iodine", "Sc": "scandium", "Br": "bromine", "Mn": "manganese", "Y": "yttrium",
}  # fmt: skip
_SAME_NUCLIDE = 0.02
# Usual injected activity in Bq per kg: from Zr-89 in a total-body scanner to Y-90 in the liver. Mice get more per kg.
_USUAL_BQ_KG = (2e5, 2e8)
_USUAL_BQ_KG_SMALL, _SMALL_KG = (2e5, 4e9), 1.0
# Beyond these, one of the two numbers is in another unit.
_POSSIBLE_BQ_KG = (2e4, 4e9)
_ENHANCED_PET = ("1.2.840.10008.5.1.4.1.1.130", "1.2.840.10008.5.1.4.1.1.128.1")


def injections(slices: Sequence[Dataset]) -> list[Dataset]:
    """Return the radiopharmaceutical item of each slice.

    Items without dose, half-life and nuclide, such as a contrast agent, do not count. Several items that agree in
    everything that both state are one injection.

    Raises:
        MedSynthError: a slice lists no injection, or several that differ.
    """
    return [_injection(dataset) for dataset in slices]


def _injection(dataset: Dataset) -> Dataset:
    items = list(dataset.get("RadiopharmaceuticalInformationSequence") or [])
    if not items:
        raise missing("RadiopharmaceuticalInformationSequence")
    active = [item for item in items if any(value for _, value in _facts(item)[:3])] or items[:1]
    together: dict[str, str] = {}
    if any(together.setdefault(name, value) != value for item in active for name, value in _facts(item) if value):
        raise MedSynthError(
            f"{named('RadiopharmaceuticalInformationSequence')} lists {len(active)} injections, but not which of "
            "them the image shows; correct the header"
        )
    return active[0] if len(active) == 1 else _joined(active)


def _facts(item: Dataset) -> list[tuple[str, str]]:
    """Return what an SUV needs of a radiopharmaceutical item: keyword and value, "" if it is missing or 0."""
    numbers = [(keyword, number(item, keyword)) for keyword in ("RadionuclideTotalDose", "RadionuclideHalfLife")]
    nuclide, _ = _nuclide(item)
    times = ("RadiopharmaceuticalStartDateTime", "RadiopharmaceuticalStartTime")
    return [
        *((keyword, f"{value:g}" if value else "") for keyword, value in numbers),
        ("RadionuclideCodeSequence", nuclide or _code(item)),
        *((keyword, text(item, keyword).split(".")[0]) for keyword in times),
    ]


def _joined(items: list[Dataset]) -> Dataset:
    joined = Dataset()
    for item in items:
        for element in item:
            if element.keyword not in joined or not joined[element.keyword].value:
                joined[element.tag] = element
    return joined


def dose_bq(slices: Sequence[Dataset], weight: float, notes: Notes) -> float:
    """Return the injected activity in Bq at the time of injection; values below 1e4 are taken as MBq.

    Args:
        slices: headers.
        weight: weight of the patient in kg.
        notes: receives the activity used.

    Raises:
        MedSynthError: the activity is missing, differs between slices, or is impossible for the weight.
    """
    stated = agreed_number(injections(slices), "RadionuclideTotalDose")
    if stated is None or stated < 0:
        raise missing("RadionuclideTotalDose", "enter the injected activity in Bq")
    dose = stated * 1e6 if stated < LEAST_BQ else stated
    # Enhanced PET states MBq by definition. Elsewhere few MBq per kg may also be mCi, so the unit is not known.
    inferred = dose != stated and text(slices[0], "SOPClassUID") not in _ENHANCED_PET
    if inferred:
        notes.warn(f"{named('RadionuclideTotalDose')} is {stated:g}: taken as MBq.")
    given = f"{named('RadionuclideTotalDose')} {stated:g} and {named('PatientWeight')} {weight:g} kg"
    check_dose_per_weight(given, dose / weight, weight, inferred, notes)
    notes.used["dose_bq"] = dose
    return dose


def check_dose_per_weight(given: str, found: float, weight: float, inferred: bool, notes: Notes) -> None:
    """Refuse a dose per weight that cannot be, and warn of an unusual one.

    Args:
        given: the two values as they are stated, for the sentence.
        found: Bq per kg.
        weight: in kg.
        inferred: whether the unit of the dose was inferred.
        notes: receives the warning.

    Raises:
        MedSynthError: the dose or the weight must be in another unit.
    """
    given = f"{given} give {found / 1e6:.3g} MBq per kg"
    low, high = _USUAL_BQ_KG if weight >= _SMALL_KG else _USUAL_BQ_KG_SMALL
    if low <= found <= high:
        return
    if not _POSSIBLE_BQ_KG[0] <= found <= _POSSIBLE_BQ_KG[1] or (inferred and found < low):
        raise MedSynthError(f"{given}, which is implausible; enter the dose in Bq and the weight in kg")
    notes.warn(f"{given}, which is unusual; check the dose, which must be in Bq, and the weight, in kg.")


def half_life_s(slices: Sequence[Dataset], notes: Notes) -> float:
    """Return the half-life in seconds, as stated or, if it is missing, from the nuclide code.

    Raises:
        MedSynthError: both are missing, the half-life differs between slices, or it is stated in minutes.
    """
    isotopes = injections(slices)
    stated = agreed_number(isotopes, "RadionuclideHalfLife")
    nuclide, known = _nuclide(isotopes[0])
    if (stated is None and known is None) or (stated is not None and stated < 0):
        raise missing("RadionuclideHalfLife", "enter the half-life in seconds, or the nuclide's code")
    if stated is None:
        notes.warn(f"{named('RadionuclideHalfLife')} is missing: {known:g} s of {nuclide} is used.")
        notes.used["half_life_s"] = known
        return known or 0.0
    return checked_half_life_s(stated, named("RadionuclideHalfLife"), nuclide, notes)


def checked_half_life_s(stated: float, name: str, nuclide: str, notes: Notes) -> float:
    """Return a half-life as it is stated, in seconds, with a warning if the nuclide has another.

    Args:
        stated: the half-life.
        name: name of the tag or key that states it.
        nuclide: the nuclide, such as ``F-18``; "" if it is not known.
        notes: receives the half-life and the warning.

    Raises:
        MedSynthError: it is stated in minutes.
    """
    known = _NUCLIDES.get(nuclide)
    in_minutes = next((one for one, seconds in _NUCLIDES.items() if _same(60 * stated, seconds)), None)
    if in_minutes and not any(_same(stated, seconds) for seconds in _NUCLIDES.values()):
        raise MedSynthError(
            f"{name} is {stated:g} s, but that is the half-life of {in_minutes} in minutes; enter it in seconds"
        )
    if known is not None and not _same(stated, known):
        notes.warn(f"{name} is {stated:g} s, but {nuclide} has {known:g} s.")
    notes.used["half_life_s"] = stated
    return stated


def nuclide_named(name: str) -> str:
    """Return the nuclide of a name such as ``18F``, ``[68Ga]``, ``F-18`` or ``^18^Fluorine`` as ``F-18``; "" if none.

    A name with several nuclides has none.
    """
    found = [nuclide for nuclide in _NUCLIDES if _pattern(nuclide).search(name)]
    return found[0] if len(found) == 1 else ""


def _pattern(nuclide: str) -> re.Pattern[str]:
    symbol, mass = nuclide.split("-")
    element, between = f"(?:{symbol}|{_ELEMENTS.get(symbol, symbol)})", r"[\s^\[\]()_-]*"
    return re.compile(
        rf"(?<![a-z]){element}{between}{mass}(?!\d)|(?<!\d){mass}{between}{element}(?![a-z])", re.IGNORECASE
    )


def known_half_life_s(nuclide: str) -> float | None:
    """Return the half-life of a nuclide (``F-18``) in seconds; None if it is not used in PET."""
    return _NUCLIDES.get(nuclide)


def _same(one: float, other: float) -> bool:
    return abs(one / other - 1) <= _SAME_NUCLIDE


def _nuclide(isotope: Dataset) -> tuple[str, float | None]:
    code = _code(isotope)
    return next((entry for codes, entry in _HALF_LIVES.items() if code in codes), ("", None))


def _code(isotope: Dataset) -> str:
    return text((isotope.get("RadionuclideCodeSequence") or [Dataset()])[0], "CodeValue")
