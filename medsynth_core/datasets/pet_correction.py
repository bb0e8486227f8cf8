"""PET without attenuation correction among the image files of cases."""

from __future__ import annotations

from collections.abc import Sequence

from medsynth_core.datasets.manifest import Case
from medsynth_core.io.pet_json import correction_doubt
from medsynth_core.io.suv.attenuation_words import denies_correction
from medsynth_core.progress import Progress

_SHOWN = 5


def doubt_uncorrected(cases: Sequence[Case], progress: Progress) -> None:
    """Log which cases have a PET that was not attenuation-corrected, according to the PET-BIDS JSON beside it.

    A role that is named as uncorrected (``nac``) is meant to have such images.
    """
    for role in dict.fromkeys(role for case in cases for role in case.files):
        found = [case.name for case in cases if role in case.files and correction_doubt(case.files[role])]
        if found and not denies_correction(role):
            several, others = len(found) > 1, len(found) < len(cases)
            shown = ", ".join(found[:_SHOWN]) + (", …" if len(found) > _SHOWN else "")
            progress.log(
                f"The file{'s' * several} for '{role}' of {shown} {'are' if several else 'is'} PET without attenuation "
                f"correction, according to the JSON beside {'them' if several else 'it'}"
                f"{', unlike the others' if others else ''}; choose a narrower pattern if that is not meant."
            )
