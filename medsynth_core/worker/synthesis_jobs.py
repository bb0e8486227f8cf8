"""Jobs around models: what there is to compute with, and synthesis itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from medsynth_core.progress import Progress
from medsynth_core.worker.handing_over import received, required, save


def synthesize(request: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Write a synthetic volume, and the error to expect if ``uncertainty`` names a file for it.

    Tell the files, modality, unit and provenance.
    """
    from medsynth_core.inference.synthesis import synthesize as run
    from medsynth_core.io.atomic import check_place

    output, model = Path(required(request, "output")), required(request, "model")
    errors = Path(request["uncertainty"]) if request.get("uncertainty") else None
    for place in (output, errors):
        if place is not None:
            check_place(place)
    result = run(
        received(required(request, "input")),
        model,
        device=request.get("device", "auto"),
        batch_size=request.get("batch_size"),
        uncertainty=errors is not None,
        progress=progress,
    )
    save(result.voxels, output)
    if errors is not None and result.uncertainty is not None:
        save(result.uncertainty.voxels, errors)
    return {
        "output": str(output),
        "uncertainty": str(errors) if errors is not None else None,
        "modality": result.modality,
        "unit": result.unit,
        "metadata": result.metadata,
    }


def describe(request: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Tell the devices of this computer and the versions of what is installed."""
    from importlib.metadata import version

    from medsynth_core import __version__
    from medsynth_core.inference.device import list_devices

    packages = ("torch", "monai", "SimpleITK", "numpy")
    return {
        "devices": [{"id": device, "name": name} for device, name in list_devices().items()],
        "versions": {"medsynth_core": __version__, **{package: version(package) for package in packages}},
    }
