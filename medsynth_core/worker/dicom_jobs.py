"""Worker jobs for DICOM: convert a loaded PET to SUV, write a synthetic volume as a derived series."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from medsynth_core.progress import Progress
from medsynth_core.worker.requests import received, required, save


def convert_to_suv(request: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Convert a loaded PET to SUVbw and write its voxels; return ``output``, ``unit``, ``metadata``, ``from_files``.

    See `medsynth_core.io.dicom.loaded_pet.convert_loaded_pet`.
    """
    from medsynth_core.io.atomic import check_place
    from medsynth_core.io.dicom.loaded_pet import convert_loaded_pet, read_pet_in_suv
    from medsynth_core.io.suv.notes import describe_suv

    output = Path(required(request, "output"))
    check_place(output)
    volume = received(required(request, "input"))
    progress(0.05, "Reading the DICOM series")
    series = read_pet_in_suv([Path(file) for file in required(request, "files")])
    progress(0.8, "Converting to SUVbw")
    converted = convert_loaded_pet(volume, series)
    for line in describe_suv(converted.metadata["suv"]):
        progress.log(line)
    save(converted.voxels, output)
    progress(1.0, "Done")
    return {
        "output": str(output),
        "unit": converted.unit,
        "metadata": converted.metadata,
        "from_files": converted.from_files,
    }


def write_dicom(request: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Write a synthetic volume as a derived DICOM series; return its ``folder`` and the number of ``files``."""
    from medsynth_core.io.dicom.derived.series_writing import write_dicom as run
    from medsynth_core.io.dicom.synthetic_mark import missing_mark
    from medsynth_core.preparation.unit_limits import unit_doubts

    volume = received(required(request, "input"))
    progress(0.1, "Writing the DICOM series")
    folder = run(volume, required(request, "folder"), required(request, "reference"))
    for warning in (*missing_mark(volume, "the volume"), *unit_doubts(volume.voxels, volume.modality, volume.unit)):
        progress.log(warning)
    progress(1.0, "Done")
    return {"folder": str(folder), "files": len(list(folder.iterdir()))}
