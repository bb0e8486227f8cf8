"""Worker jobs for models: list devices and versions, synthesize, import a package."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from medsynth_core.progress import Progress
from medsynth_core.worker.requests import received, required, save


def synthesize(request: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Write a synthetic volume, and the usual error at its values if ``uncertainty`` is a file.

    ``inputs`` contains further inputs of the model by role. Return the files, modality, unit and provenance.
    """
    from medsynth_core.inference.kept_model import kept_model
    from medsynth_core.inference.synthesis import synthesize as run
    from medsynth_core.io.atomic import check_place
    from medsynth_core.io.writing import check_distinct

    output, model = Path(required(request, "output")), required(request, "model")
    errors = Path(request["uncertainty"]) if request.get("uncertainty") else None
    for place in (output, errors):
        if place is not None:
            check_place(place)
    sources = [required(request, "input"), *(request.get("inputs") or {}).values()]
    voxels = [Path(required(source, "voxels")) for source in sources]
    check_distinct([*dict.fromkeys(voxels), output, *([errors] if errors else [])])
    loaded = kept_model(model)
    contract = loaded.model.synthesis.contract
    others = {role: received(source) for role, source in (request.get("inputs") or {}).items()}
    result = run(
        contract.beside(received(required(request, "input")), others),
        loaded,
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
    """Return the devices of this computer and the versions of the installed packages."""
    from medsynth_core.compute.device import list_devices
    from medsynth_core.version import __version__, library_versions

    return {
        "devices": [{"id": device, "name": name} for device, name in list_devices().items()],
        "versions": {"medsynth_core": __version__, **library_versions()},
    }


def import_model(request: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Verify a package and copy it into the user's library; return the model's ``name`` and ``path`` there.

    ``name`` is the model's name in the library; by default its own.
    """
    from medsynth_core.models.library import import_model as run

    model = run(required(request, "package"), request.get("name") or "")
    return {"name": model.name, "path": str(model.path)}
