"""What the files of a data set say of their images, without reading voxels: missing units, synthetic images."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from medsynth_core.datasets.manifest import Case
from medsynth_core.errors import MedSynthError
from medsynth_core.io.pet_json import pet_json
from medsynth_core.io.pictures import is_picture
from medsynth_core.io.reading import ITK_SUFFIXES, NIFTI_SUFFIXES
from medsynth_core.io.sidecar import read_sidecar
from medsynth_core.preparation.value_checks import assumed_unit
from medsynth_core.systems.data_needs import DataNeeds, Role
from medsynth_core.volume import states_synthetic

SYNTHETIC = "The image is synthetic, so the model would learn from the output of another model."


def data_notes(cases: Sequence[Case], needs: DataNeeds) -> list[str]:
    """Return what the user of a data set should know: for each role a sentence on all images that it is true of."""
    return [*synthetic_notes(cases, needs), *unit_notes(cases, needs)]


def synthetic_notes(cases: Sequence[Case], needs: DataNeeds) -> list[str]:
    """Return a sentence for each role with images that a model made; [] if there are none."""
    return _notes(cases, needs, lambda file, _role: SYNTHETIC if _is_synthetic(file) else "")


def unit_notes(cases: Sequence[Case], needs: DataNeeds) -> list[str]:
    """Return a sentence for each role with images that state no unit although their values do not tell it (PET)."""
    return _notes(cases, needs, lambda file, role: "" if states_unit(file) else unit_assumption(role, ""))


def unit_assumption(role: Role, stated: str) -> str:
    """Return the sentence on the unit that is assumed of an image in a role; "" if nothing has to be assumed.

    Hounsfield units are recognized by the values, as are other values in a CT; those of a PET may be in several units.

    Args:
        role: role of the image.
        stated: unit that the image states; "" if none.
    """
    return assumed_unit(role.unit, role.modality) if role.modality == "PT" and role.unit and not stated else ""


def _notes(cases: Sequence[Case], needs: DataNeeds, note: Callable[[Path, Role], str]) -> list[str]:
    found = []
    for role in needs.roles:
        files = [case.files[role.name] for case in cases if role.name in case.files]
        said = [sentence for file in files if os.path.isfile(file) and (sentence := note(file, role))]
        if said:
            found.append(f"{role.name} ({len(said)} of {len(files)}): {said[0]}")
    return found


def _is_synthetic(file: Path) -> bool:
    if is_picture(file):
        return False  # it states nothing
    if _is_image_file(file):
        return states_synthetic(_facts(file))
    from medsynth_core.io.dicom.errors import DAMAGE
    from medsynth_core.io.dicom.files import read_dataset
    from medsynth_core.io.dicom.synthetic_mark import is_synthetic

    try:
        header = read_dataset(file, stop_before_pixels=True)
    except (*DAMAGE, OSError):  # reading the image says what is wrong with it
        return False
    return header is not None and is_synthetic(header)


def states_unit(file: Path) -> bool:
    """Return whether an image file states the unit of its voxels: as DICOM, or by a JSON beside it."""
    return not _is_image_file(file) or bool(_facts(file).get("unit")) or bool(pet_json(file))


def _facts(file: Path) -> dict[str, object]:
    try:
        return read_sidecar(file)
    except MedSynthError:  # reading the image says what is wrong with it
        return {}


def _is_image_file(file: Path) -> bool:
    return file.name.lower().endswith((*NIFTI_SUFFIXES, *ITK_SUFFIXES, ".hdr", ".img"))
