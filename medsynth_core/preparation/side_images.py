"""The images of a case for the sides of a contract: grey ones, and colours as three grey ones."""

from __future__ import annotations

from pathlib import Path

from medsynth_core.errors import MedSynthError
from medsynth_core.io.picture_volume import read_colours, read_grey
from medsynth_core.preparation.contract import Side
from medsynth_core.preparation.contract_images import channels_of
from medsynth_core.volume import Volume


def read_side(path: Path, role: str, side: Side) -> dict[str, Volume]:
    """Return the grey images that the file of a role consists of, by their names in `channels_of`.

    Args:
        path: volume or picture.
        role: role of the image.
        side: states modality, unit, and whether the image is in colour.

    Raises:
        MedSynthError: the file cannot be read, is a map of errors, or is grey where colours are meant or the other way
            round.
    """
    if side.colours:
        found = read_colours(path, side.modality, side.unit)
        return dict(zip(channels_of({role: side}), found.values(), strict=True))
    volume = read_grey(path, side.modality, side.unit)
    volume.refuse_error_map(f"'{role}'", str(path))
    return {role: volume}


def check_one_kind(volumes: dict[str, Volume]) -> None:
    """Check that the images of a case are all pictures or all volumes, whose voxels have a place in the patient.

    Args:
        volumes: images by name, at least one.

    Raises:
        MedSynthError: there are both.
    """
    pictures = [name for name, volume in volumes.items() if volume.is_picture]
    others = [name for name in volumes if name not in pictures]
    if pictures and others:
        raise MedSynthError(
            f"The image for '{pictures[0]}' is a picture and that for '{others[0]}' a volume, so they "
            "cannot be aligned; use pictures or volumes for all images of a case."
        )
