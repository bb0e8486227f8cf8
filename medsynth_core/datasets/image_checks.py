"""Checks of a single image of a data set."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import numpy as np

from medsynth_core.datasets.stated_facts import SYNTHETIC
from medsynth_core.errors import MedSynthError
from medsynth_core.io.picture_volume import read_colours, read_grey
from medsynth_core.io.reading import read_volume
from medsynth_core.modality import modality_name
from medsynth_core.preparation.filled_ct import blanked_region
from medsynth_core.preparation.unit_limits import absurd_values, scan_doubts
from medsynth_core.preparation.value_checks import not_hounsfield, not_synthesizable, unusable_ct
from medsynth_core.systems.data_needs import Role
from medsynth_core.volume import Volume

# Higher SUVs occur only at an injection site; activity concentrations in a patient are thousands of Bq/mL.
HIGHEST_SUV = 100.0


@dataclass(frozen=True, eq=False)
class ImageCheck:
    """Result of checking an image file.

    Attributes:
        volume: the image; None if it is refused.
        refused: why it cannot be used, one sentence each.
        doubtful: what a person should review, one sentence each.
    """

    volume: Volume | None
    refused: tuple[str, ...] = ()
    doubtful: tuple[str, ...] = ()


def check_image(file: Path, role: Role) -> ImageCheck:
    """Read the image in ``file`` and check that it has the modality and unit of ``role``.

    Refused: files that cannot be read; maps of errors; a stated modality or unit other than that of the role; a CT
    without Hounsfield units or without air around the patient, or another modality with Hounsfield units; values that
    no patient has. Doubtful: images made by a model; values that look like another unit, are outside the limits of
    their unit or are all the same.
    """
    try:
        volume = _read(file, role)
    except MedSynthError as error:
        return ImageCheck(None, (error.message,))
    if volume.is_error_map:
        return ImageCheck(None, (f"{role.name}: The image shows the errors of a synthetic image, not a patient.",))
    reasons = not_synthesizable(volume.voxels) or (
        unusable_ct(volume.voxels) if role.unit == "HU" else absurd_values(volume.voxels, role.unit)
    )
    if reasons:
        return ImageCheck(None, (f"{role.name}: {reasons[0]}",))
    if role.modality not in ("", "CT") and not not_hounsfield(volume.voxels):
        kind = modality_name(role.modality)
        return ImageCheck(
            None, (f"{role.name}: The values are Hounsfield units, so this is a CT, not a {kind} image.",)
        )
    doubts = _strange_values(volume.voxels, role.unit)
    if role.unit == "HU":
        doubts += blanked_region(volume.voxels)
    elif not doubts:
        doubts += scan_doubts(volume.voxels, role.modality, role.unit, "image")
    if volume.is_synthetic:
        doubts.insert(0, SYNTHETIC)
    return ImageCheck(volume, doubtful=tuple(f"{role.name}: {doubt}" for doubt in doubts))


def _read(file: Path, role: Role) -> Volume:
    """Return the image of a role; of one in colour the green channel, which holds most of its contrast.

    Raises:
        MedSynthError: it cannot be read, or is not what the role says.
    """
    if role.colours:
        return read_colours(file, role.modality, role.unit)["green"]
    if role.pictures:
        return read_grey(file, role.modality, role.unit, role.channel)
    return read_volume(file, role.modality, role.unit)


def digest(volume: Volume) -> str:
    """Return a hash of the voxels that does not depend on their data type."""
    voxels = np.ascontiguousarray(volume.voxels, dtype=np.float32)
    return blake2b(voxels.tobytes() + str(voxels.shape).encode(), digest_size=16).hexdigest()


def _strange_values(voxels: np.ndarray, unit: str) -> list[str]:
    """Return why voxels do not look like an image in ``unit``; [] if they do."""
    low, high = float(voxels.min()), float(np.percentile(voxels, 99.9))
    if low == voxels.max():
        return [f"All voxels have the value {low:g}."]
    if unit.startswith("SUV") and high > HIGHEST_SUV:
        return [f"Values up to {high:g} are implausible for {unit}; they may be in Bq/mL."]
    if unit == "Bq/mL" and high < HIGHEST_SUV:
        return [f"Values up to {high:g} are implausible for Bq/mL; they may be SUV."]
    return []
