"""Jobs around the data of a training: building a manifest, checking cases, registering a pair."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medsynth_core.datasets.manifest import Case, read_manifest, write_manifest
from medsynth_core.errors import MedSynthError
from medsynth_core.progress import Progress
from medsynth_core.volume import Volume
from medsynth_core.worker.handing_over import received, required

if TYPE_CHECKING:
    from medsynth_core.datasets.checks import CaseCheck, RoleKind


def check_cases(request: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Tell what was found in each case of a manifest: ``cases``, each a `CaseCheck` as an object.

    With ``paired`` false, cases outside ``val`` and ``test`` may have an image of one role only, and need not match.
    """
    from medsynth_core.datasets.checks import RoleKind
    from medsynth_core.datasets.checks import check_cases as run

    roles = _roles(request, dict)
    sides = {role: RoleKind(required(kind, "modality"), kind.get("unit") or "") for role, kind in roles.items()}
    cases = read_manifest(required(request, "data"), tuple(sides), check_files=False, unsplit=True)
    checks = run(cases, sides, progress) if request.get("paired", True) else _check_unpaired(cases, sides, progress)
    return {"cases": [check.to_dict() for check in checks]}


def _check_unpaired(cases: list[Case], sides: dict[str, RoleKind], progress: Progress) -> list[CaseCheck]:
    """Check the images of each role by themselves, and as pairs those of the cases that judge a model."""
    from medsynth_core.datasets.checks import check_cases as run

    judging = [case for case in cases if case.split in ("val", "test")]
    parts = [({role: side}, [case for case in cases if role in case.files]) for role, side in sides.items()]
    parts = [part for part in (*parts, (sides, judging)) if part[1]]
    found: dict[str, list[CaseCheck]] = {case.name: [] for case in cases}
    for index, (part, chosen) in enumerate(parts):
        for check in run(chosen, part, progress.part(index / len(parts), (index + 1) / len(parts))):
            found[check.case].append(check)
    return [_together(case, found[case.name]) for case in cases]


def _together(case: Case, checks: list[CaseCheck]) -> CaseCheck:
    """Return what several checks have found in a case; one without any image cannot be used."""
    from medsynth_core.datasets.checks import CaseCheck

    if not checks:
        return CaseCheck(case.name, case.split, case.patient, "refused", ("There is no image.",), None, None)
    worst = max(checks, key=lambda check: ("good", "doubtful", "refused").index(check.state))
    problems = dict.fromkeys(problem for check in checks for problem in check.problems)
    # The last one has compared the images, if any has.
    return replace(checks[-1], state=worst.state, problems=tuple(problems))


def register(request: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Write the moving image on the grid of the fixed one.

    Tells ``output``, ``lps_matrix`` (4×4, the motion from points of the fixed image to points of the moving one, LPS)
    and ``quality`` (``before``, ``after``, ``bent``, ``note``).
    """
    from medsynth_core.io.writing import check_output, write_volume
    from medsynth_core.preparation.registration import register as run

    output = Path(required(request, "output"))
    progress(0.0, "Reading the images")
    fixed, moving = (_image(required(request, name)) for name in ("fixed", "moving"))
    check_output(fixed, output)
    found = run(fixed, moving, deformable=bool(request.get("deformable")), progress=progress.part(0.05, 0.95))
    progress(0.95, "Writing the registered image")
    write_volume(found.moved, output)
    progress(1.0, "Done")
    return {"output": str(output), "lps_matrix": found.lps_matrix.tolist(), "quality": found.quality()}


def _image(source: Any) -> Volume:
    """Return the volume in an image file that a request names."""
    from medsynth_core.io.reading import read_volume

    file = required(source, "file")
    return read_volume(file, source.get("modality") or "", source.get("unit") or "")


def build_pairs(request: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Write a manifest of what lies in a folder, or is handed over; tell ``manifest`` and the number of ``cases``.

    By its ``kind``: ``folders`` (``roles`` are patterns of file names; with ``paired`` false a folder may have an image
    of one role only), ``dicom`` (``roles`` are modalities; the images are written into the folder of the manifest) or
    ``volumes`` (``roles`` are volumes, which are written into the folder ``root`` as the one ``case`` of a
    ``patient``). The cases belong to no split yet.
    """
    from medsynth_core.datasets.folders import cases_from_folders
    from medsynth_core.datasets.studies import cases_from_dicom
    from medsynth_core.io.atomic import check_place

    output, root, kind = Path(required(request, "output")), Path(required(request, "root")), required(request, "kind")
    check_place(output)
    if kind == "folders" and not request.get("paired", True):
        cases = _cases_of_some_roles(root, _roles(request, str))
    elif kind == "folders":
        cases = cases_from_folders(root, _roles(request, str))
    elif kind == "dicom":
        cases = cases_from_dicom(root, _roles(request, str), output.parent, progress)
    elif kind == "volumes":
        cases = [_written(request, root, progress)]
    else:
        raise MedSynthError(f"Pairs cannot be built from '{kind}'; choose folders, dicom or volumes.")
    return {"manifest": str(write_manifest(cases, output)), "cases": len(cases)}


def _cases_of_some_roles(root: Path, patterns: dict[str, str]) -> list[Case]:
    """Return a case for each folder below ``root`` in which a file of one role lies, or of several.

    Raises:
        MedSynthError: as `cases_from_folders`, but for a folder without a file for a role; or no folder has one.
    """
    from medsynth_core.datasets.folders import cases_from_folders

    found: dict[str, Case] = {}
    for role, pattern in patterns.items():
        for case in cases_from_folders(root, {role: pattern}):
            known = found.get(case.name, case)
            twice = [other for other, file in known.files.items() if other != role and file == case.files[role]]
            if twice:
                raise MedSynthError(
                    f"The file {case.files[role]} would be both '{twice[0]}' and '{role}'; choose narrower patterns."
                )
            found[case.name] = replace(known, files={**known.files, **case.files})
    return [found[name] for name in sorted(found)]


def _written(request: dict[str, Any], folder: Path, progress: Progress) -> Case:
    """Write the volumes that a request hands over, and return the case that they are."""
    from medsynth_core.io.writing import write_volume

    name, roles, files = required(request, "case"), _roles(request, dict), {}
    for index, (role, source) in enumerate(roles.items()):
        progress(index / len(roles), f"Writing {role} of {name}")
        files[role] = write_volume(received(source), folder / f"{role}.nii.gz")
    progress(1.0, f"{name} is written")
    return Case(name, "", files, request.get("patient") or "")


def _roles(request: dict[str, Any], of: type) -> dict[str, Any]:
    roles = required(request, "roles")
    if not isinstance(roles, dict) or not roles or not all(isinstance(value, of) for value in roles.values()):
        raise MedSynthError("The request to the worker does not state its 'roles' as an object with one entry a role.")
    return roles
