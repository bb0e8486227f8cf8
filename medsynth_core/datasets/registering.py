"""All pairs of a manifest registered, one after the other, and the manifest of the result."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from medsynth_core import __version__
from medsynth_core.datasets.manifest import Case, write_manifest
from medsynth_core.errors import MedSynthError
from medsynth_core.io.atomic import make_folder
from medsynth_core.io.reading import read_volume
from medsynth_core.io.writing import write_labelled
from medsynth_core.preparation.contract import not_hounsfield
from medsynth_core.preparation.registration import register, write_registration
from medsynth_core.progress import Progress, ProgressCallback
from medsynth_core.volume import Volume


@dataclass(frozen=True)
class PairSettings:
    """What is registered to what.

    Attributes:
        fixed: role that stays where it is.
        moving: role that is moved.
        fixed_modality: DICOM modality, ``""`` for what the file, or its values, say.
        moving_modality: likewise.
        deformable: whether the moving images may also bend.
    """

    fixed: str
    moving: str
    fixed_modality: str = ""
    moving_modality: str = ""
    deformable: bool = False


@dataclass(frozen=True)
class RegisteredCase:
    """A case whose moving image lies on its fixed one.

    Attributes:
        case: with the moved image.
        quality: as `medsynth_core.preparation.registration.Registration.quality`.
        skipped: whether it was there already.
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

    The transform and its quality are ``MOVING_to_FIXED.tfm`` and ``.json`` beside the image, the manifest is
    ``OUTPUT/manifest.csv``; in it other roles name the files that they named. A case that was finished with the same
    settings, after its images were last changed, is not done again, so that what was cancelled can be taken up.

    Args:
        cases: all with files for both roles.
        settings: the roles, and how.
        output: folder; made if it is not there.
        progress: called as ``progress(fraction, message)``.

    Raises:
        MedSynthError: an image cannot be read or registered (with the name of its case), a case's name cannot be that
            of a folder, or a file cannot be written.
        Cancelled: the progress callback asked to stop; what is finished remains.
    """
    output = Path(output)
    progress = progress if isinstance(progress, Progress) else Progress(progress)
    if settings.fixed == settings.moving:
        raise MedSynthError(f"The role '{settings.fixed}' cannot be registered to itself; choose two roles.")
    for case in cases:
        _check_name(case.name)
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
    write_manifest([one.case for one in done], output / "manifest.csv")
    progress(1.0, "All cases are registered")
    return done


def _check_name(name: str) -> None:
    if name != Path(name).name or "\\" in name:
        raise MedSynthError(f"The case '{name}' cannot be the name of a folder; rename it in the manifest.")


def _image(case: Case, settings: PairSettings, output: Path) -> Path:
    return output / case.name / f"{settings.moving}.nii.gz"


def _check_apart(case: Case, image: Path) -> None:
    if image.resolve() in [file.resolve() for file in case.files.values()]:
        raise MedSynthError(
            f"The moved image of the case '{case.name}' would be written over {image}; choose another folder.",
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
    result = moving.replace(voxels=found.moved.voxels, ijk_to_ras=found.moved.ijk_to_ras)
    write_labelled(result.replace(metadata={"medsynth_version": __version__, **result.metadata}), image)
    # The record comes last: where it is, everything is.
    write_registration(found, folder, name)
    return RegisteredCase(moved, found.quality(), skipped=False)


def _finished(case: Case, settings: PairSettings, image: Path, transform: Path) -> dict[str, Any] | None:
    """Return the quality of a case that needs nothing to be done, else None."""
    record = transform.with_name(f"{transform.name}.json")
    written = [image, transform.with_name(f"{transform.name}.tfm"), record]
    try:
        changed = max(case.files[role].stat().st_mtime for role in (settings.fixed, settings.moving))
        if min(file.stat().st_mtime for file in written) < changed:
            return None
        content = json.loads(record.read_text(encoding="utf-8"))
        return content["quality"] if content["settings"]["deformable"] == settings.deformable else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _of_known_kind(volume: Volume) -> Volume:
    """Return a volume that is called a CT if it states no modality and its values are Hounsfield units."""
    if volume.modality or not_hounsfield(volume.voxels):
        return volume
    return volume.replace(modality="CT")
