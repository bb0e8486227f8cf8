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
# With which the names of what a conversion was made with end.
UNITS = {"kg": "kg", "bq": "Bq", "s": "s", "m": "m", "ml": "mL"}


def convert_to_suv(request: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Write the voxels of a loaded PET in SUVbw; tell ``output``, ``unit``, ``metadata`` and ``from_files``.

    A volume that is the series voxel by voxel, wherever it lies now, gets the values of the files (``from_files``),
    which may be finer than what a viewer has loaded. One that was cropped, resampled or changed is multiplied itself,
    if the same factor holds for all slices.
    """
    from medsynth_core.io.atomic import check_place

    output = Path(required(request, "output"))
    check_place(output)
    volume = received(required(request, "input"))
    progress(0.05, "Reading the DICOM series")
    series = _read([Path(file) for file in required(request, "files")])
    low, high = _factors(series)
    progress(0.8, "Converting to SUVbw")
    whole = _is_whole(volume, series, (low, high))
    if whole:
        voxels = series.voxels
    elif low == high:
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
