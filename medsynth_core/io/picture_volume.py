"""Pictures as volumes of one slice, so that they are prepared for a training as slices of a volume are."""

from __future__ import annotations

import os

import numpy as np

from medsynth_core.errors import MedSynthError
from medsynth_core.io.pictures import COLOURS, Channel, is_picture, read_colour_picture, read_picture
from medsynth_core.io.reading import check_voxels, read_volume
from medsynth_core.volume import LPS_TO_RAS, PICTURE, Volume


def read_grey(
    path: str | os.PathLike[str], modality: str = "", unit: str = "", channel: Channel | None = None
) -> Volume:
    """Read a volume, or a picture as a volume of one slice.

    A picture states no size: its pixels get a side of 1 mm, and ``metadata["picture"]`` says that they have none.

    Args:
        path: what `read_volume` reads, or a picture (PNG, JPEG, TIFF, BMP).
        modality: DICOM modality, as for `read_volume`.
        unit: unit of the values, as for `read_volume`.
        channel: what of a colour picture is read; None refuses colours.

    Returns:
        Voxels (k, j, i), of a picture (1, rows, columns), with row 0 at the top.

    Raises:
        MedSynthError: as `read_volume` and `read_picture`; or a channel is stated for a file that is not a picture.
    """
    if is_picture(path):
        return _volume(path, read_picture(path, channel), modality, unit)
    if channel is not None:
        raise MedSynthError(
            f"{os.fspath(path)} is not a picture, so it has no channel '{channel}'; leave the channel out, or choose a "
            "picture.",
            kind="input",
        )
    return read_volume(path, modality, unit)


def read_mask(path: str | os.PathLike[str]) -> Volume:
    """Read a mask: a volume, or a picture, in which 255 is 1 if it has no other values but 0, as programs write it.

    Raises:
        MedSynthError: as `read_grey`.
    """
    mask = read_grey(path)
    if mask.is_picture and set(np.unique(mask.voxels)) <= {0, 255}:
        return mask.replace(voxels=mask.voxels // 255)
    return mask


def read_colours(path: str | os.PathLike[str], modality: str = "", unit: str = "") -> dict[str, Volume]:
    """Read a colour picture as three volumes of one slice: ``red``, ``green`` and ``blue``, as `read_grey` does.

    Raises:
        MedSynthError: as `read_colour_picture`; or the file is not a picture.
    """
    if not is_picture(path):
        raise MedSynthError(
            f"{os.fspath(path)} is not a picture, but an image in colour is needed; choose a PNG, JPEG, TIFF or BMP.",
            kind="input",
        )
    values = read_colour_picture(path)
    return {name: _volume(path, values[..., number], modality, unit) for number, name in enumerate(COLOURS)}


def _volume(path: str | os.PathLike[str], values: np.ndarray, modality: str, unit: str) -> Volume:
    check_voxels(values, os.fspath(path))
    return Volume(np.ascontiguousarray(values[None]), LPS_TO_RAS, modality, unit, {PICTURE: True})
