"""Jobs around the data of a training: building a manifest, checking cases, registering a pair."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from medsynth_core.errors import MedSynthError
from medsynth_core.progress import Progress
from medsynth_core.worker.handing_over import received, required, save


def check_cases(request: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Tell what was found in each case of a manifest: ``cases``, each a `CaseCheck` as an object."""
    from medsynth_core.datasets.checks import RoleKind
    from medsynth_core.datasets.checks import check_cases as run
    from medsynth_core.datasets.manifest import read_manifest

    roles = _roles(request, dict)
    sides = {role: RoleKind(required(kind, "modality"), kind.get("unit") or "") for role, kind in roles.items()}
    cases = read_manifest(required(request, "data"), tuple(sides), check_files=False, unsplit=True)
    return {"cases": [check.to_dict() for check in run(cases, sides, progress)]}


def register(request: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Write the moving volume on the grid of the fixed one.

    Tells ``output``, ``lps_matrix`` (4×4, the motion from points of the fixed image to points of the moving one, LPS)
    and ``quality`` (``before``, ``after``, ``bent``, ``note``).
    """
    from medsynth_core.io.atomic import check_place
    from medsynth_core.preparation.registration import register as run

    output = Path(required(request, "output"))
    check_place(output)
    fixed, moving = (received(required(request, name)) for name in ("fixed", "moving"))
    found = run(fixed, moving, deformable=bool(request.get("deformable")), progress=progress)
    save(found.moved.voxels, output)
    return {"output": str(output), "lps_matrix": found.lps_matrix.tolist(), "quality": found.quality()}


def build_pairs(request: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Write a manifest of what lies in a folder; tell ``manifest`` and the number of ``cases``.

    Of DICOM studies, the images are written into the folder of the manifest. The cases belong to no split yet.
    """
    from medsynth_core.datasets.folders import cases_from_folders
    from medsynth_core.datasets.manifest import write_manifest
    from medsynth_core.datasets.studies import cases_from_dicom
    from medsynth_core.io.atomic import check_place

    output, root, kind = Path(required(request, "output")), Path(required(request, "root")), required(request, "kind")
    roles = _roles(request, str)
    check_place(output)
    if kind == "folders":
        cases = cases_from_folders(root, roles)
    elif kind == "dicom":
        cases = cases_from_dicom(root, roles, output.parent, progress)
    else:
        raise MedSynthError(f"Pairs cannot be built from '{kind}'; choose folders or dicom.")
    return {"manifest": str(write_manifest(cases, output)), "cases": len(cases)}


def _roles(request: dict[str, Any], of: type) -> dict[str, Any]:
    roles = required(request, "roles")
    if not isinstance(roles, dict) or not roles or not all(isinstance(value, of) for value in roles.values()):
        raise MedSynthError("The request to the worker does not state its 'roles' as an object with one entry a role.")
    return roles
