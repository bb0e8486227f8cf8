"""Worker jobs for training data: build a manifest, check cases, register a pair, make thumbnails."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

from medsynth_core.datasets.manifest import Case, check_manifest_place, write_manifest
from medsynth_core.errors import MedSynthError
from medsynth_core.io.pictures import Channel
from medsynth_core.progress import Progress
from medsynth_core.systems.data_needs import DataNeeds, Role
from medsynth_core.version import __version__
from medsynth_core.volume import Volume
from medsynth_core.worker.requests import received, required


def check_cases(request: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Check the cases of a manifest; return `medsynth_core.datasets.checks.DataChecks` as an object."""
    from medsynth_core.datasets.checks import check_data

    return check_data(required(request, "data"), _needs(request), progress).to_dict()


def _needs(request: dict[str, Any]) -> DataNeeds:
    """Return the data needs of a training from the request's recipe or its roles."""
    if request.get("recipe") is not None:
        from medsynth_core.recipes.recipe import read_recipe

        return read_recipe(request["recipe"]).needs
    roles = [_role(name, kind) for name, kind in _roles(request, dict).items()]
    optional, names = request.get("optional") or [], [role.name for role in roles]
    if not isinstance(optional, list) or not all(name in names for name in optional):
        raise MedSynthError("In the request to the worker 'optional' must be a list of names of its roles.")
    return DataNeeds(
        tuple(roles),
        paired=bool(request.get("paired", True)),
        optional=tuple(optional),
        simulated=bool(request.get("simulated")),
        sides=_sides(request, names),
        classes=_classes(request),
    )


def _role(name: str, kind: dict[str, Any]) -> Role:
    pictures, colours = bool(kind.get("pictures")), bool(kind.get("colours"))
    channel = kind.get("channel") or None
    if channel not in (None, *get_args(Channel)):
        raise MedSynthError(
            f"In the request to the worker the 'channel' of the role '{name}' must be one of "
            f"{', '.join(get_args(Channel))}."
        )
    return Role(name, required(kind, "modality"), kind.get("unit") or "", pictures, colours, channel)


def _classes(request: dict[str, Any]) -> tuple[str, ...]:
    """Return the classes of the cases, in the order of their numbers."""
    classes = request.get("classes") or []
    if not all(isinstance(name, str) for name in classes):
        raise MedSynthError("In the request to the worker 'classes' must be a list of names.")
    return tuple(classes)


def _sides(request: dict[str, Any], names: list[str]) -> tuple[tuple[str, ...], ...]:
    """Return the groups of roles that an unpaired training can use only together."""
    sides = request.get("sides") or []
    if not isinstance(sides, list) or not all(
        isinstance(side, list) and all(name in names for name in side) for side in sides
    ):
        raise MedSynthError("In the request to the worker 'sides' must be a list of lists of names of its roles.")
    return tuple(map(tuple, sides))


def register(request: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Register the moving to the fixed image and write it on the fixed image's grid, with what its file states as JSON.

    Return ``output``, ``lps_matrix`` (4×4, maps points of the fixed image to points of the moving one, in LPS),
    ``quality`` (``before``, ``after``, ``bent``, ``note``), and ``inputs`` and ``settings`` as
    `medsynth_core.datasets.registration_origin.origin`.
    """
    from medsynth_core.datasets.registration_origin import origin
    from medsynth_core.io.writing import check_output, write_labelled
    from medsynth_core.registration.register import register as run

    output = Path(required(request, "output"))
    progress(0.0, "Reading the images")
    sides = [required(request, name) for name in ("fixed", "moving")]
    fixed, moving = map(_image, sides)
    deformable = bool(request.get("deformable"))
    made_of = origin((Path(sides[0]["file"]), fixed.modality), (Path(sides[1]["file"]), moving.modality), deformable)
    check_output(fixed, output)
    found = run(fixed, moving, deformable=deformable, progress=progress.part(0.05, 0.95))
    progress(0.95, "Writing the registered image")
    stated = {"medsynth_version": __version__, **found.moved.metadata}
    write_labelled(found.moved.replace(metadata=stated), output)
    progress(1.0, "Done")
    return {"output": str(output), "lps_matrix": found.lps_matrix.tolist(), "quality": found.quality(), **made_of}


def thumbnails(request: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Write thumbnails of image files as PGM, and report progress after each; return ``made``, the files of pictures.

    A file that cannot be read has no thumbnail: checking the data says what is wrong with it.
    """
    from medsynth_core.figures.thumbnail import write_thumbnail

    images, made = required(request, "images"), []
    if not isinstance(images, list):
        raise MedSynthError("In the request to the worker 'images' must be a list of objects.")
    for number, image in enumerate(images, start=1):
        file, picture = str(required(image, "file")), str(required(image, "picture"))
        try:
            made.append(str(write_thumbnail(file, picture)))
        except (MedSynthError, OSError, ValueError, MemoryError):
            progress.log(f"No thumbnail can be made of {file}.")
        progress(number / len(images), Path(file).name)
    return {"made": made}


def _image(source: Any) -> Volume:
    """Return the volume in the image file of a request, without a unit if its file states none."""
    from medsynth_core.datasets.stated_facts import states_unit
    from medsynth_core.io.reading import read_volume

    file = Path(required(source, "file"))
    volume = read_volume(file, source.get("modality") or "", source.get("unit") or "")
    return volume if states_unit(file) else volume.replace(unit="")


def build_pairs(request: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Write a manifest of the cases in a folder or of given volumes; return ``manifest`` and ``cases`` (number).

    Depending on ``kind``: ``folders`` (``roles`` are file name patterns; with ``paired`` false a folder may contain an
    image of one role only), ``data_set`` (a public data set, which is recognised without ``roles``), ``dicom``
    (``roles`` are modalities; the images are written into the manifest's folder) or ``volumes`` (``roles`` are volumes,
    which are written into the folder ``root`` as one ``case`` of a ``patient``). The cases have no splits but those
    that a data set states.
    """
    from medsynth_core.io.atomic import check_place

    output, kind = Path(required(request, "output")), required(request, "kind")
    if kind not in _BUILDERS:
        raise MedSynthError(f"Pairs cannot be built from '{kind}'; choose folders, data_set, dicom or volumes.")
    check_manifest_place(output)
    check_place(output)
    cases = _BUILDERS[kind](request, progress)
    return {"manifest": str(write_manifest(cases, output)), "cases": len(cases)}


def _from_folders(request: dict[str, Any], progress: Progress) -> list[Case]:
    from medsynth_core.datasets.folders import cases_from_folders

    paired = bool(request.get("paired", True))
    return cases_from_folders(required(request, "root"), _roles(request, str), paired=paired, progress=progress)


def _from_data_set(request: dict[str, Any], progress: Progress) -> list[Case]:
    from medsynth_core.datasets.known_sets import cases_of_known_set

    output, paired = Path(required(request, "output")), bool(request.get("paired", True))
    return cases_of_known_set(required(request, "root"), output.parent, paired=paired, progress=progress)


def _from_dicom(request: dict[str, Any], progress: Progress) -> list[Case]:
    from medsynth_core.datasets.dicom_studies import cases_from_dicom

    output = Path(required(request, "output"))
    known = [Path(folder) for folder in request.get("known") or []]
    return cases_from_dicom(required(request, "root"), _roles(request, str), output.parent, progress, known=known)


def _from_volumes(request: dict[str, Any], progress: Progress) -> list[Case]:
    from medsynth_core.datasets.volumes import case_from_volumes

    name, patient = required(request, "case"), request.get("patient") or ""
    volumes = {role: received(source) for role, source in _roles(request, dict).items()}
    return [case_from_volumes(volumes, required(request, "root"), name, patient, progress)]


_BUILDERS = {"folders": _from_folders, "data_set": _from_data_set, "dicom": _from_dicom, "volumes": _from_volumes}


def _roles(request: dict[str, Any], of: type) -> dict[str, Any]:
    roles = required(request, "roles")
    if not isinstance(roles, dict) or not roles or not all(isinstance(value, of) for value in roles.values()):
        raise MedSynthError("In the request to the worker 'roles' must be an object with one entry per role.")
    return roles
