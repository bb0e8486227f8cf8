"""What was injected: how much, and how fast it decays."""

from __future__ import annotations

from collections.abc import Sequence

from pydicom.dataset import Dataset

from medsynth_core.errors import MedSynthError
from medsynth_core.io.suv.notes import Notes
from medsynth_core.io.suv.tags import agreed_number, missing, named, text

# A dose below is stated in MBq: patients get 1e7 to 1e9 Bq, or 1e1 to 1e3 MBq.
LEAST_BQ = 1e4
# Half-lives in seconds (ENSDF; F-18 and Ga-68 as scanners state them) by the codes of DICOM's context group 4020.
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
}
_NUCLIDES = dict(_HALF_LIVES.values())
_SAME_NUCLIDE = 0.02
# What a person is given, in Bq per kg: from Zr-89 in a total-body scanner to Rb-82.
_DOSES_BQ_KG = (2e5, 6e7)


def injections(slices: Sequence[Dataset]) -> list[Dataset]:
    """Return what each slice says of the one injection.

    Raises:
        MedSynthError: the slices say nothing of it, or of several.
    """
    found = []
    for dataset in slices:
        items = dataset.get("RadiopharmaceuticalInformationSequence")
        if not items:
            raise missing("RadiopharmaceuticalInformationSequence")
        if len(items) > 1:
            raise MedSynthError(
                f"{named('RadiopharmaceuticalInformationSequence')} lists {len(items)} injections, and it is not "
                "said which of them the image shows; correct the header"
            )
        found.append(items[0])
    return found


def dose_bq(slices: Sequence[Dataset], weight: float, notes: Notes) -> float:
    """Return the injected activity in Bq at the time of injection; below 1e4 the tag holds MBq.

    Args:
        slices: headers.
        weight: the patient's, in kg.
        notes: receives what was taken.

    Raises:
        MedSynthError: it is missing, differs between slices, or is no dose for a patient of such a weight.
    """
    stated = agreed_number(injections(slices), "RadionuclideTotalDose")
    if stated is None or stated < 0:
        raise missing("RadionuclideTotalDose", "enter the injected activity in Bq")
    dose = stated * 1e6 if stated < LEAST_BQ else stated
    if dose != stated:
        notes.warnings.append(f"{named('RadionuclideTotalDose')} is {stated:g}: taken as MBq.")
    if not _DOSES_BQ_KG[0] <= dose / weight <= _DOSES_BQ_KG[1]:
        raise MedSynthError(
            f"{named('RadionuclideTotalDose')} {stated:g} and {named('PatientWeight')} {weight:g} kg make "
            f"{dose / weight / 1e6:.3g} MBq per kg, which nobody is given; enter the dose in Bq and the weight in kg"
        )
    notes.used["dose_bq"] = dose
    return dose


def half_life_s(slices: Sequence[Dataset], notes: Notes) -> float:
    """Return the half-life in seconds, as stated, or else of the nuclide that the code names.

    Raises:
        MedSynthError: neither is there, it differs between slices, or it is that of a nuclide in minutes.
    """
    isotopes = injections(slices)
    stated = agreed_number(isotopes, "RadionuclideHalfLife")
    nuclide, known = _nuclide(isotopes[0])
    if (stated is None and known is None) or (stated is not None and stated < 0):
        raise missing("RadionuclideHalfLife", "enter the half-life in seconds, or the nuclide's code")
    half_life = stated or known or 0.0
    in_minutes = next((name for name, seconds in _NUCLIDES.items() if _same(60 * half_life, seconds)), None)
    if in_minutes and not any(_same(half_life, seconds) for seconds in _NUCLIDES.values()):
        raise MedSynthError(
            f"{named('RadionuclideHalfLife')} is {stated:g} s, which {in_minutes} has in minutes; correct it to seconds"
        )
    if stated is None:
        notes.warnings.append(f"{named('RadionuclideHalfLife')} is missing: taken as {known:g} s of {nuclide}.")
    elif known is not None and not _same(stated, known):
        notes.warnings.append(f"{named('RadionuclideHalfLife')} is {stated:g} s, but {nuclide} has {known:g} s.")
    notes.used["half_life_s"] = half_life
    return half_life


def _same(one: float, other: float) -> bool:
    return abs(one / other - 1) <= _SAME_NUCLIDE


def _nuclide(isotope: Dataset) -> tuple[str, float | None]:
    code = isotope.get("RadionuclideCodeSequence") or [Dataset()]
    value = text(code[0], "CodeValue")
    return next((entry for codes, entry in _HALF_LIVES.items() if value in codes), ("", None))
