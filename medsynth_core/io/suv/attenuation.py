"""Whether the values of a PET series were corrected for attenuation, according to its tags."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pydicom.dataset import Dataset

from medsynth_core.io.suv.attenuation_words import denies_correction, names_method
from medsynth_core.io.suv.tags import listed, named, text


@dataclass(frozen=True)
class Attenuation:
    """What the tags of a PET say about attenuation correction.

    Attributes:
        corrected: whether the values are corrected; None if the tags do not say so, or contradict each other.
        because: what is missing, denied or contradicted, as a sentence without its end; "" if ``corrected`` is True.
    """

    corrected: bool | None
    because: str = ""

    @property
    def contradicts_itself(self) -> bool:
        """Whether one tag says that the values are corrected, and another that they are not."""
        return "although" in self.because


def attenuation(slices: Sequence[Dataset]) -> Attenuation:
    """Return what the tags of a PET say of the attenuation correction of all its slices.

    A method (0054,1101) that denies it outweighs everything, because some programs list every correction that a
    scanner has. Then count Attenuation Corrected (0018,9758) of enhanced PET and Corrected Image (0028,0051), and the
    name of the series if no method contradicts it. Of slices that differ, the worst counts.
    """
    return min((_one(dataset) for dataset in slices), key=lambda found: _WORST.index(found.corrected))


_WORST = (False, None, True)


def _one(dataset: Dataset) -> Attenuation:
    method, stated, tag = names_method(text(dataset, _METHOD)), *_stated(dataset)
    claims = [name for name, claim in ((tag, stated), (named(_METHOD), method)) if claim]
    although = f", although {' and '.join(claims)} {'state' if claims[1:] else 'states'} the opposite" if claims else ""
    if method is False:
        return Attenuation(False, f"{named(_METHOD)} says that there was none{although}")
    if is_called_uncorrected(dataset):
        # With a method, it is unclear which of the two is wrong.
        doubtful = method and stated is not False
        return Attenuation(None if doubtful else False, f"The series is described as uncorrected{although}")
    if stated is False:
        return Attenuation(None if method else False, f"{tag}{although}")
    if stated or method:
        return Attenuation(True)
    return Attenuation(None, f"{named('CorrectedImage')} does not list ATTN")


_METHOD = "AttenuationCorrectionMethod"


def _stated(dataset: Dataset) -> tuple[bool | None, str]:
    """Return whether the list of corrections has that of attenuation, and the tag that says so."""
    flag = text(dataset, "AttenuationCorrected").upper()
    if flag in ("YES", "NO"):
        return flag == "YES", named("AttenuationCorrected") + (" is NO" if flag == "NO" else "")
    corrections = {entry.strip().upper() for entry in listed(dataset, "CorrectedImage")} - {""}
    if not corrections:
        return None, ""
    listing = "ATTN" in corrections
    return listing, named("CorrectedImage") + ("" if listing else " does not list ATTN")


def is_called_uncorrected(dataset: Dataset) -> bool:
    """Return whether the series description or the image type call a PET not attenuation-corrected."""
    names = [text(dataset, "SeriesDescription"), *sorted(listed(dataset, "ImageType"))]
    return any(denies_correction(name) for name in names)
