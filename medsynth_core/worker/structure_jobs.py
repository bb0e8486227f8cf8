"""Worker jobs for structure maps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from medsynth_core.progress import Progress
from medsynth_core.worker.requests import received, required, save


def extract_structure(request: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Write the structure map of a volume as labels: 1 on lines, 2 on the background.

    Return the file, the ``settings`` that were used, and the ``shares`` of the volume that are lines and background.
    """
    from medsynth_core.io.atomic import check_place
    from medsynth_core.io.writing import check_distinct
    from medsynth_core.structure.settings import settings_for
    from medsynth_core.structure.volume_maps import structure_labels, structure_of_volume

    output, source, lesion = Path(required(request, "output")), required(request, "input"), request.get("lesion")
    check_place(output)
    check_distinct([output, *(Path(required(given, "voxels")) for given in (source, lesion) if given)])
    settings = settings_for(request.get("preset") or "", request.get("settings"))
    progress(0.1, "Finding the structure")
    lines, background = structure_of_volume(
        received(source),
        settings,
        lesion=received(lesion) if lesion else None,
        solid=bool(request.get("solid")),
    )
    save(structure_labels(lines, background).voxels, output)
    return {
        "output": str(output),
        "settings": settings.to_dict(),
        "shares": {"lines": float(lines.voxels.mean()), "background": float(background.voxels.mean())},
    }
