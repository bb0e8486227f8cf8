"""Which of the series in a folder is meant."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from medsynth_core.errors import MedSynthError
from medsynth_core.io.dicom.damage import numbers_in, path_of
from medsynth_core.io.dicom.series import Series

MODALITIES = ("CT", "PT", "MR")


def choose_series(found: list[Series], path: Path, modality: str = "") -> Series:
    """Return the series to read, by these rules in turn.

    1. Only CT, PET and MR images count: no screenshots, structures, reports, raw data or localizers.
    2. Only those of ``modality``, where it is stated.
    3. The only one left is read.
    4. Of several of one modality, the only one that is original, primary, axial and has several slices.

    Raises:
        MedSynthError: none is left or several are (the sentence lists them), or a header cannot be used.
    """
    if not found:
        raise MedSynthError(f"{path} holds no DICOM images; give the folder in which the slices lie.")
    images = image_series(found)
    wanted = [series for series in images if modality in ("", series.modality)]
    if not wanted:
        raise MedSynthError(
            f"{path} holds no {modality or 'CT, PET or MR'} images other than localizers, "
            f"but {_listed(images or found)}."
        )
    plain = [series for series in wanted if _is_plain_volume(series)]
    if len(plain) == 1 and len({series.modality for series in wanted}) == 1:
        wanted = plain
    if len(wanted) > 1:
        raise MedSynthError(
            f"{path} holds {len(wanted)} series: {_listed(wanted)}; "
            "state the modality, or give the folder or one file of the series that you mean."
        )
    return wanted[0]


def image_series(found: list[Series]) -> list[Series]:
    """Return the CT, PET and MR images among series, without localizers."""
    images = [scan for series in found if (scan := _without_localizers(series)).headers]
    return [series for series in images if series.modality in MODALITIES]


def _without_localizers(series: Series) -> Series:
    kept = [header for header in series.headers if "LOCALIZER" not in (header.get("ImageType") or [])]
    return Series(series.uid, kept)


def _is_plain_volume(series: Series) -> bool:
    header = series.headers[0]
    kind = list(header.get("ImageType") or [])[:2]
    if kind != ["ORIGINAL", "PRIMARY"] or series.slices < 2:
        return False
    values = numbers_in(header, "ImageOrientationPatient", 6, path_of(header))
    return values is not None and bool(np.abs(np.cross(values[:3], values[3:])).argmax() == 2)


def _listed(several: list[Series]) -> str:
    return "; ".join(str(series) for series in several)
