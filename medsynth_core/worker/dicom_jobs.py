"""Jobs around DICOM: a loaded PET in SUV by the tags of its series, and a synthetic volume as a derived series."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from medsynth_core.errors import MedSynthError
from medsynth_core.progress import Progress
from medsynth_core.volume import Volume
from medsynth_core.worker.handing_over import received, required, save

SUV = "SUVbw"
# What a reader loses that rounds rescaled values to whole numbers, and what single precision loses of the greatest.
ROUNDING = 1.0
PRECISION = 1e-4
# The units in which a series is in SUV already (Units, 0054,1001).
STORED_SUV = ("GML", "CM2ML")
# How many times those of the series the values of a volume may be, and no less than one by this: denoised, resampled or
# masked ones are near, those in another unit are not.
FAR = 10.0
# Places at which a volume and its series are compared, at most and at least, and the correlation of what is the same.
PLACES, FEW, ALIKE = 200_000, 100, 0.5
# With which the names of what a conversion was made with end.
UNITS = {"kg": "kg", "bq": "Bq", "s": "s", "m": "m", "ml": "mL"}


def convert_to_suv(request: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Write the voxels of a loaded PET in SUVbw; tell ``output``, ``unit``, ``metadata`` and ``from_files``.

    A volume that is the series voxel by voxel, wherever it lies now, gets the values of the files (``from_files``),
    which may be finer than what a viewer has loaded. One that was cropped, resampled or changed is multiplied itself,
    if the same factor holds for all slices, and its values are still in the unit of the series.
    """
    from medsynth_core.io.atomic import check_place

    output = Path(required(request, "output"))
    check_place(output)
    volume = received(required(request, "input"))
    progress(0.05, "Reading the DICOM series")
    series = _read([Path(file) for file in required(request, "files")])
    _check_unit(volume.unit, series)
    low, high = _factors(series)
    progress(0.8, "Converting to SUVbw")
    whole = _is_whole(volume, series, (low, high))
    if whole:
        voxels = series.voxels
    elif low == high:
        _check_scale(volume, series, low)
        voxels = volume.voxels * np.float32(low)
    else:
        raise MedSynthError(
            "The volume was cropped, resampled or changed since it was loaded, and the slices of its DICOM series have "
            f"different factors to SUVbw ({low:.4g} to {high:.4g}); convert the whole series, then crop it."
        )
    for line in _told(series.metadata["suv"]):
        progress.log(line)
    save(voxels.astype(np.float32, copy=False), output)
    progress(1.0, "Done")
    return {"output": str(output), "unit": SUV, "metadata": series.metadata, "from_files": whole}


def write_dicom(request: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Write a synthetic volume as a derived DICOM series; tell its ``folder`` and the number of ``files``."""
    from medsynth_core.io.dicom.derived import write_dicom as run

    volume = received(required(request, "input"))
    progress(0.1, "Writing the DICOM series")
    folder = run(volume, required(request, "folder"), required(request, "reference"))
    progress(1.0, "Done")
    return {"folder": str(folder), "files": len(list(folder.iterdir()))}


def _read(files: list[Path]) -> Volume:
    from medsynth_core.io.dicom.reading import read_series
    from medsynth_core.io.dicom.series import series_of

    try:
        return read_series(series_of(files), SUV)
    except OSError as error:
        raise MedSynthError(
            f"The DICOM file {error.filename} cannot be read: {error.strerror or error}; import the series again."
        ) from error


def _factors(series: Volume) -> tuple[float, float]:
    """Return the least and the greatest factor from rescaled values to SUV among the slices."""
    factor = series.metadata["suv"]["factor"]
    low, high = factor if isinstance(factor, list) else (factor, factor)
    return low, high


def _check_unit(unit: str, series: Volume) -> None:
    if unit.startswith("SUV") and series.metadata["suv"]["units"] not in STORED_SUV:
        raise MedSynthError(
            f"The values of the volume are an SUV already ({unit}), which those of its DICOM series are not, so the "
            f"factor of the series to {SUV} does not hold for them; convert the volume as it was loaded from the "
            "series."
        )


def _check_scale(volume: Volume, series: Volume, factor: float) -> None:
    """Refuse values that are in another unit than the series (an SUV already, kBq/mL), as far as they betray it.

    They are compared where the volume lies in the series, for a crop may well lack what is hottest. One that was moved
    away is compared as a whole: values beyond all of the series, or none beyond the numbers that an SUV has.
    """
    found, own = _in_place(volume, series, factor)
    if _alike(found, own):
        ratio = float(found.sum() / own.sum())
        far = not 1 / FAR <= ratio <= FAR
    else:
        highest, limit = _highest(volume.voxels) * factor, _highest(series.voxels)
        ratio = highest / limit if limit else 1.0
        far = ratio > FAR or (factor < 1 / FAR and 0 < ratio <= factor)
    if far:
        raise MedSynthError(
            f"The values of the volume are about {ratio:.2g} times those of its DICOM series, so they seem to be in "
            f"another unit, for which the factor of the series to {SUV} does not hold; convert the volume as it was "
            "loaded from the series."
        )


def _in_place(volume: Volume, series: Volume, factor: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the sizes of a volume's values, times a factor, and of the series' ones in the same places; zeros apart.

    A zero says nothing of a scale: it may come from a mask.
    """
    step = max(1, int(np.ceil((volume.voxels.size / PLACES) ** (1 / 3))))
    values = volume.voxels[::step, ::step, ::step]
    k, j, i = (step * axis.ravel() for axis in np.indices(values.shape))
    to_series = np.linalg.inv(series.ijk_to_ras) @ volume.ijk_to_ras
    there = np.rint(to_series @ np.stack([i, j, k, np.ones_like(i)])).astype(np.int64)[2::-1]
    inside = ((there >= 0) & (there < np.array(series.shape)[:, np.newaxis])).all(axis=0)
    found = np.abs(values.ravel()[inside].astype(np.float64) * factor)
    own = np.abs(series.voxels[tuple(there[:, inside])].astype(np.float64))
    both = (found > 0) & (own > 0)
    return found[both], own[both]


def _alike(found: np.ndarray, own: np.ndarray) -> bool:
    """Tell whether values show the same thing, on whatever scale."""
    if found.size < FEW or not found.std() > 0 or not own.std() > 0:
        return False
    return bool(np.corrcoef(found, own)[0, 1] > ALIKE)


def _highest(voxels: np.ndarray) -> float:
    return max(float(voxels.max()), -float(voxels.min()))


def _is_whole(volume: Volume, series: Volume, factors: tuple[float, float]) -> bool:
    """Tell whether the voxels of a volume are the rescaled ones of the series, one by one."""
    if volume.shape != series.shape:
        return False
    bounds = [series.voxels / np.float32(factor) for factor in factors]
    whole_numbers = volume.voxels.dtype.kind in "iu"
    slack = (ROUNDING if whole_numbers else 0.0) + PRECISION * float(np.abs(bounds[0]).max())
    above = (volume.voxels >= np.minimum(*bounds) - slack).all()
    return bool(above and (volume.voxels <= np.maximum(*bounds) + slack).all())


def _told(suv: dict[str, Any]) -> list[str]:
    """Return how an SUV came about, and what makes it doubtful, in lines for a log."""
    used = ", ".join(_fact(key, value) for key, value in suv.items() if key != "warnings")
    return [f"SUVbw by {used}.", *suv["warnings"]]


def _fact(key: str, value: Any) -> str:
    """Return what was used in words: ``weight_kg``, 71 becomes ``weight 71 kg``."""
    name, _, unit = key.rpartition("_")
    if unit in UNITS:
        return f"{name.replace('_', ' ')} {_text(value)} {UNITS[unit]}"
    return f"{key.replace('_', ' ')} {_text(value)}"


def _text(value: Any) -> str:
    if isinstance(value, list):
        return " to ".join(_text(one) for one in value)
    return f"{value:.6g}" if isinstance(value, float) else str(value)
