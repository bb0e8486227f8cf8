"""Registration of all pairs of a manifest, and the manifest of the result."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from medsynth_core.datasets.case_names import check_folder_names
from medsynth_core.datasets.manifest import Case, read_manifest, roles_in, write_manifest
from medsynth_core.errors import MedSynthError
from medsynth_core.io.atomic import make_folder
from medsynth_core.io.json_reading import read_json
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
    ``OUTPUT/manifest.csv``; files of other roles are listed unchanged. A case that was finished with the same settings
    after its images were last changed is skipped, so a cancelled job can be resumed.

    Args:
        cases: cases with files for both roles.
        settings: roles and settings of the registration.
        output: output folder; created if it does not exist.
        progress: called as ``progress(fraction, message)``.

    Raises:
        MedSynthError: an image cannot be read or registered (the message names the case), the name of a case cannot be
            used as a folder name, or a file cannot be written.
        Cancelled: the progress callback asked to stop; finished cases are kept.
    """
    output = Path(output)
    progress = progress if isinstance(progress, Progress) else Progress(progress)
    if settings.fixed == settings.moving:
        raise MedSynthError(f"The role '{settings.fixed}' cannot be registered to itself; choose two roles.")
    check_folder_names(case.name for case in cases)
    for case in cases:
        _check_apart(case, _image(case, settings, output))
    make_folder(output)
    done = []
    for index, case in enumerate(cases):
        step = progress.part(index / len(cases), (index + 1) / len(cases))
        step(0.0, f"Registering {case.name}")
        try:
            done.append(_registered(case, settings, _image(case, settings, output), step))
        except MedSynthError as error:
            raise MedSynthError(f"Case '{case.name}': {error.message}", kind=error.kind, hint=error.hint) from error
    write_manifest([one.case for one in done], new_manifest(output))
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


def _check_apart(case: Case, image: Path) -> None:
    if image.resolve() in [file.resolve() for file in case.files.values()]:
        raise MedSynthError(
            f"The moved image of the case '{case.name}' would overwrite {image}; choose another folder.",
            kind="output",
        )


def _registered(case: Case, settings: PairSettings, image: Path, progress: Progress) -> RegisteredCase:
    folder, name = image.parent, f"{settings.moving}_to_{settings.fixed}"
    moved = replace(case, files={**case.files, settings.moving: image})
    quality = _finished(case, settings, image, folder / name)
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
    write_registration(found, folder, name)
    return RegisteredCase(moved, found.quality(), skipped=False)


def _finished(case: Case, settings: PairSettings, image: Path, transform: Path) -> dict[str, Any] | None:
    """Return the quality of a case that is already finished, else None."""
    record = transform.with_name(f"{transform.name}.json")
    written = [image, transform.with_name(f"{transform.name}.tfm"), record]
    try:
        changed = max(case.files[role].stat().st_mtime for role in (settings.fixed, settings.moving))
        if min(file.stat().st_mtime for file in written) < changed:
            return None
        content = read_json(record)
        return content["quality"] if content["settings"]["deformable"] == settings.deformable else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _of_known_kind(volume: Volume) -> Volume:
    """Return the volume, as a CT if it states no modality and its values are Hounsfield units."""
    if volume.modality or not_hounsfield(volume.voxels):
        return volume
    return volume.replace(modality="CT")
