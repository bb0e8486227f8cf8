"""Choice of the series to read from a folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from medsynth_core.errors import MedSynthError
from medsynth_core.io.dicom.errors import numbers_in, path_of
from medsynth_core.io.dicom.series import Series
from medsynth_core.io.dicom.synthetic_mark import is_error_map
from medsynth_core.modality import MODALITIES


def choose_series(found: list[Series], path: Path, modality: str = "") -> Series:
    """Return the series to read, by these rules in turn.

    1. Only CT, PET and MR images are considered: no screenshots, structures, reports, raw data or localizers.
    2. If ``modality`` is stated, only series of that modality.
    3. Maps of the errors of a synthetic series only count if there is nothing else.
    4. If one series remains, it is read.
    5. Of several series of one modality, the only one that is original, primary, axial and has several slices.

    Raises:
        MedSynthError: no series or several remain (the message lists them), or a header is invalid.
    """
    if not found:
        raise MedSynthError(f"{path} contains no DICOM images; choose the folder that contains the slices.")
    images = image_series(found)
    wanted = [series for series in images if modality in ("", series.modality)]
    if not wanted:
        raise MedSynthError(
            f"{path} contains no {modality or 'CT, PET or MR'} images other than localizers, "
            f"only {_listed(images or found)}."
        )
    wanted = [series for series in wanted if not is_error_map(series.headers[0])] or wanted
    plain = [series for series in wanted if _is_plain_volume(series)]
    if len(plain) == 1 and len({series.modality for series in wanted}) == 1:
        wanted = plain
    if len(wanted) > 1:
        raise MedSynthError(
            f"{path} contains {len(wanted)} series: {_listed(wanted)}; "
            "state the modality, or choose the folder or one file of the series to read."
        )
    return wanted[0]


def image_series(found: list[Series]) -> list[Series]:
    """Return the CT, PET and MR series, without localizers."""
    images = [scan for series in found if (scan := _without_localizers(series)).headers]
    return [series for series in images if series.modality in MODALITIES]


def _without_localizers(series: Series) -> Series:
    kept = [header for header in series.headers if "LOCALIZER" not in (header.get("ImageType") or [])]
    copies = [pair for pair in series.copies if any(pair[0] is header for header in kept)]
    return replace(series, headers=kept, copies=copies)


def _is_plain_volume(series: Series) -> bool:
    header = series.headers[0]
    kind = list(header.get("ImageType") or [])[:2]
    if kind != ["ORIGINAL", "PRIMARY"] or series.slices < 2:
        return False
    values = numbers_in(header, "ImageOrientationPatient", 6, path_of(header))
    return values is not None and bool(np.abs(np.cross(values[:3], values[3:])).argmax() == 2)


def _listed(several: list[Series]) -> str:
    return "; ".join(str(series) for series in several)
