"""Registration of all pairs of a manifest, and the manifest of the result."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from medsynth_core.datasets.case_names import check_folder_names
from medsynth_core.datasets.kept_columns import rewrite_manifest
from medsynth_core.datasets.manifest import Case, read_manifest, roles_in
from medsynth_core.datasets.manifest_rows import manifest_rows
from medsynth_core.datasets.registration_origin import origin, recorded_quality
from medsynth_core.errors import MedSynthError
from medsynth_core.failures import reason_of
from medsynth_core.io.atomic import make_folder
from medsynth_core.io.reading import read_volume
from medsynth_core.io.writing import write_labelled
from medsynth_core.preparation.value_checks import not_hounsfield
from medsynth_core.progress import Progress, ProgressCallback
from medsynth_core.registration.register import register, write_registration
from medsynth_core.version import __version__
from medsynth_core.volume import Volume


@dataclass(frozen=True)
class PairSettings:
    """Roles and settings of a registration.

    Attributes:
        fixed: role of the images that keep their position.
        moving: role of the images to be moved.
        fixed_modality: DICOM modality of the fixed images; ``""`` to infer it from the file or its values.
        moving_modality: modality of the moving images, with the same meaning.
        deformable: whether to refine the rigid registration deformably.
    """

    fixed: str
    moving: str
    fixed_modality: str = ""
    moving_modality: str = ""
    deformable: bool = False


@dataclass(frozen=True)
class RegisteredCase:
    """A case whose moving image is registered to its fixed one.

    Attributes:
        case: the case with the moved image.
        quality: as `medsynth_core.registration.register.Registration.quality`.
        skipped: whether the result existed already.
    """

    case: Case
    quality: dict[str, Any]
    skipped: bool


def register_cases(
    cases: Sequence[Case],
    settings: PairSettings,
    output: str | Path,
    progress: Progress | ProgressCallback | None = None,
) -> list[RegisteredCase]:
    """Register each case and write ``OUTPUT/CASE/MOVING.nii.gz``, the transform and its quality, and a new manifest.

    The transform and its quality are ``MOVING_to_FIXED.tfm`` and ``.json`` beside the image. The manifest is
    ``OUTPUT/manifest.csv``; files of other roles are listed unchanged. A case that was finished from the same files
    (path, size, time of last modification) with the same settings is skipped, so a cancelled job can be resumed. What
    was entered in the new manifest of an earlier run (splits, patients, further columns) is kept.

    Args:
        cases: cases with files for both roles.
        settings: roles and settings of the registration.
        output: output folder; created if it does not exist.
        progress: called as ``progress(fraction, message)``.

    Raises:
        MedSynthError: an image cannot be read or registered (the message names the case), the name of a case cannot be
            used as a folder name, the output folder has a manifest of something else, or a file cannot be written.
        Cancelled: the progress callback asked to stop; finished cases are kept.
    """
    output = Path(output)
    progress = progress if isinstance(progress, Progress) else Progress(progress)
    if settings.fixed == settings.moving:
        raise MedSynthError(f"The role '{settings.fixed}' cannot be registered to itself; choose two roles.")
    check_folder_names(case.name for case in cases)
    for case in cases:
        _check_apart(case, _image(case, settings, output))
    target = new_manifest(output)
    _earlier(target, settings)
    make_folder(output)
    done = []
    for index, case in enumerate(cases):
        step = progress.part(index / len(cases), (index + 1) / len(cases))
        step(0.0, f"Registering {case.name}")
        try:
            done.append(_registered(case, settings, _image(case, settings, output), step))
        except MedSynthError as error:
            raise MedSynthError(f"Case '{case.name}': {error.message}", kind=error.kind, hint=error.hint) from error
    # Read only now, because it may have been edited while the images were registered.
    earlier = _earlier(target, settings)
    rewrite_manifest([_with_entered(one.case, earlier) for one in done], target)
    progress(1.0, "All cases are registered")
    return done


def register_manifest(
    manifest: str | Path,
    settings: PairSettings,
    output: str | Path,
    progress: Progress | ProgressCallback | None = None,
) -> list[RegisteredCase]:
    """Register the cases of a manifest as `register_cases` does; the new manifest is ``OUTPUT/manifest.csv``.

    Args:
        manifest: CSV, with or without splits; files of other roles are kept, even if missing.
        settings: roles and settings of the registration.
        output: output folder, other than that of the manifest.
        progress: called as ``progress(fraction, message)``.

    Raises:
        MedSynthError: as `register_cases`; or the manifest cannot be used, a file of the two roles is missing, or the
            new manifest would overwrite the given one.
        Cancelled: the progress callback asked to stop; finished cases are kept.
    """
    manifest, target = Path(manifest), new_manifest(output)
    if os.path.exists(target) and os.path.exists(manifest) and target.samefile(manifest):
        raise MedSynthError(f"The new manifest would overwrite {manifest}; choose another folder.", kind="output")
    read_manifest(
        manifest, (settings.fixed, settings.moving), unsplit=True
    )  # refuses missing files of these roles only
    cases = read_manifest(manifest, roles_in(manifest), check_files=False, unsplit=True)
    return register_cases(cases, settings, output, progress)


def new_manifest(output: str | Path) -> Path:
    """Return the path of the new manifest in the output folder."""
    return Path(output) / "manifest.csv"


def _image(case: Case, settings: PairSettings, output: Path) -> Path:
    return output / case.name / f"{settings.moving}.nii.gz"


def _earlier(target: Path, settings: PairSettings) -> dict[str, Case]:
    """Return the cases of an earlier run's manifest by name; {} if there is none.

    Raises:
        MedSynthError: the manifest lists something else, which would be lost; or it is wrong in itself.
    """
    if not os.path.lexists(target):
        return {}
    if not _is_of_registration(target, settings):
        raise MedSynthError(
            f"{target} already exists and lists other cases than this registration; choose another folder, or move the "
            "manifest away.",
            kind="output",
        )
    return {case.name: case for case in read_manifest(target, (settings.moving,), check_files=False, unsplit=True)}


def _is_of_registration(target: Path, settings: PairSettings) -> bool:
    """Return whether a manifest lists the images of such a registration, perhaps with cases that are left out now."""
    try:
        rows = manifest_rows(target)
    except MedSynthError:
        return False
    moved = {row.get("case", ""): target.parent / row.get(settings.moving, "") for row in rows}
    return all(file == target.parent / name / f"{settings.moving}.nii.gz" for name, file in moved.items())


def _with_entered(case: Case, earlier: dict[str, Case]) -> Case:
    """Return a case with the split and the patient that were entered in the earlier manifest, unless it has its own."""
    former = earlier.get(case.name, case)
    patient = case.patient if case.patient != case.name else former.patient
    return replace(case, split=case.split or former.split, patient=patient)


def _check_apart(case: Case, image: Path) -> None:
    if image.resolve() in [file.resolve() for file in case.files.values()]:
        raise MedSynthError(
            f"The moved image of the case '{case.name}' would overwrite {image}; choose another folder.",
            kind="output",
        )


def _registered(case: Case, settings: PairSettings, image: Path, progress: Progress) -> RegisteredCase:
    folder, name = image.parent, f"{settings.moving}_to_{settings.fixed}"
    moved = replace(case, files={**case.files, settings.moving: image})
    made_of = _origin(case, settings)
    quality = _finished(made_of, image, folder / name)
    if quality is not None:
        return RegisteredCase(moved, quality, skipped=True)
    make_folder(folder)
    fixed = read_volume(case.files[settings.fixed], settings.fixed_modality)
    moving = read_volume(case.files[settings.moving], settings.moving_modality)
    found = register(_of_known_kind(fixed), _of_known_kind(moving), deformable=settings.deformable, progress=progress)
    made = found.moved
    result = moving.replace(voxels=made.voxels, ijk_to_ras=made.ijk_to_ras, stated=made.stated)
    write_labelled(result.replace(metadata={"medsynth_version": __version__, **result.metadata}), image)
    # The record is written last, so its presence means that the case is complete.
    write_registration(found, folder, name, made_of["inputs"])
    return RegisteredCase(moved, found.quality(), skipped=False)


def _origin(case: Case, settings: PairSettings) -> dict[str, Any]:
    """Return what the result of a case depends on, as its files are before they are read."""
    fixed = (case.files[settings.fixed], settings.fixed_modality)
    moving = (case.files[settings.moving], settings.moving_modality)
    try:
        return origin(fixed, moving, settings.deformable)
    except OSError as error:
        raise MedSynthError(f"{error.filename} cannot be read: {reason_of(error)}.") from error


def _finished(made_of: dict[str, Any], image: Path, transform: Path) -> dict[str, Any] | None:
    """Return the quality of a case that is already finished from the same files with the same settings, else None."""
    if not image.is_file() or not transform.with_name(f"{transform.name}.tfm").is_file():
        return None
    return recorded_quality(transform.with_name(f"{transform.name}.json"), made_of)


def _of_known_kind(volume: Volume) -> Volume:
    """Return the volume, as a CT if it states no modality and its values are Hounsfield units."""
    if volume.modality or not_hounsfield(volume.voxels):
        return volume
    return volume.replace(modality="CT")
