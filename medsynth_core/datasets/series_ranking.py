"""How good a series is as the image of a case, by its own tags."""

from __future__ import annotations

import re

import numpy as np

from medsynth_core.io.dicom.errors import numbers_in, path_of
from medsynth_core.io.dicom.series import Series
from medsynth_core.io.suv.attenuation import attenuation
from medsynth_core.io.suv.tags import listed, text

# Image types, and words in the name, of images whose values are not those of a volume: projections, fused images,
# pictures of the screen. A "CT for fusion" is not among them.
_PROJECTIONS = {"MIP", "MINIP", "PROJECTION IMAGE", "FUSED", "FUSION", "VOLUME RENDERED"}
_PROJECTION = re.compile(
    r"\b(?:mip|minip|fused|projections?|screen ?(?:shot|save|capture)s?|topogram|scout|locali[sz]er|rendered)\b",
    re.IGNORECASE,
)
# Series types of a part of what was counted: one gate or frame of several may be all that was exported.
_PARTS = {"GATED", "DYNAMIC"}
_REFORMATTED = {"SECONDARY", "MPR", "REFORMATTED"}


def is_uncorrected(series: Series) -> bool:
    """Return whether a series is a PET that was not corrected for attenuation."""
    return series.modality == "PT" and attenuation(series.headers).corrected is False


def correction_rank(series: Series) -> int:
    """Return 0 for an attenuation-corrected PET, 1 if its tags do not say so, 2 if they contradict each other.

    Other modalities are 0.
    """
    if series.modality != "PT":
        return 0
    found = attenuation(series.headers)
    return 0 if found.corrected else 1 + found.contradicts_itself


def is_part_or_projection(series: Series) -> bool:
    """Return whether a series is a projection or a fused image, or one gate or time frame."""
    header = series.headers[0]
    kinds, parts = listed(header, "ImageType"), listed(header, "SeriesType")
    named = _PROJECTION.search(series.description.replace("_", " "))
    return bool(kinds & _PROJECTIONS or named or parts & _PARTS)


def is_reformatted(series: Series) -> bool:
    """Return whether a series was computed from another: by its image type, or because a CT or PET is not axial."""
    header = series.headers[0]
    if listed(header, "ImageType") & _REFORMATTED or text(header, "ImageType").upper() == "DERIVED":
        return True
    directions = numbers_in(header, "ImageOrientationPatient", 6, path_of(header))
    if series.modality == "MR" or directions is None:
        return False
    return bool(np.abs(np.cross(directions[:3], directions[3:])).argmax() != 2)
