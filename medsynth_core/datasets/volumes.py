"""Creation of a case from volumes in memory."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from medsynth_core.datasets.manifest import Case
from medsynth_core.io.writing import write_labelled
from medsynth_core.progress import Progress, ProgressCallback
from medsynth_core.version import __version__
from medsynth_core.volume import Volume


def case_from_volumes(
    volumes: Mapping[str, Volume],
    folder: str | Path,
    name: str,
    patient: str = "",
    progress: Progress | ProgressCallback | None = None,
) -> Case:
    """Write volumes as ``FOLDER/ROLE.nii.gz`` and return them as a case without a split.

    Modality, unit and other facts are written as JSON beside each, as far as the volume states them.

    Args:
        volumes: role → volume.
        folder: existing folder for the images.
        name: name of the case.
        patient: the patient; ``""`` if this is the patient's only case.
        progress: called as ``progress(fraction, message)``.

    Raises:
        MedSynthError: a volume is a map of errors, or a file cannot be written.
        Cancelled: the progress callback asked to stop.
    """
    progress = progress if isinstance(progress, Progress) else Progress(progress)
    for role, volume in volumes.items():
        volume.refuse_error_map(f"'{role}' of a case")
    files = {}
    for index, (role, volume) in enumerate(volumes.items()):
        progress(index / len(volumes), f"Writing {role} of {name}")
        stated = volume.replace(metadata={"medsynth_version": __version__, **volume.metadata})
        files[role] = write_labelled(stated, Path(folder) / f"{role}.nii.gz")
    progress(1.0, f"{name} is written")
    return Case(name, "", files, patient)
