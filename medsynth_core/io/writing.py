"""Volumes as image files."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from medsynth_core.errors import MedSynthError
from medsynth_core.io.atomic import atomic_write, check_place
from medsynth_core.io.itk_files import write_itk
from medsynth_core.io.nifti import write_nifti
from medsynth_core.io.sidecar import check_sidecar, sidecar_beside
from medsynth_core.volume import Volume

_WRITERS = {".nii": write_nifti, ".nii.gz": write_nifti, ".nrrd": write_itk, ".mha": write_itk}


def write_volume(volume: Volume, path: str | os.PathLike[str]) -> Path:
    """Write a volume as NIfTI, NRRD or MetaImage, compressed, whole or not at all.

    Voxels keep their type (bool becomes uint8, float16 float32). NRRD and MetaImage keep the matrix bit by
    bit; NIfTI holds single precision, so a matrix that came from a NIfTI file is kept bit by bit too. What
    ``volume.metadata["description"]`` says is written into the file; modality, unit and uncertainty are not.

    Args:
        volume: what to write; its axes must be perpendicular.
        path: ends with ``.nii``, ``.nii.gz``, ``.nrrd`` or ``.mha``. A file that is there is replaced.

    Returns:
        The path of the file.

    Raises:
        MedSynthError: another suffix, voxels or axes that such files cannot hold, or a place that cannot be
            written to. Then nothing is left behind, and a file that was there before is untouched.
    """
    target, suffix = Path(path), _suffix(Path(path))
    volume.lps_frame()  # refuses sheared axes
    storable = volume.replace(voxels=_storable(volume.voxels))
    with atomic_write(target) as temporary:
        _WRITERS[suffix](storable, temporary)
    return target


def write_labelled(volume: Volume, path: str | os.PathLike[str]) -> Path:
    """Write a volume as `write_volume` does, and its modality, unit and metadata as JSON beside it: both or neither.

    ``volume.metadata`` must state ``medsynth_version``, by which the JSON is known again.

    Raises:
        MedSynthError: as `write_volume`; or the JSON would speak of another image too, or replace another program's.
    """
    with sidecar_beside(volume, Path(path)):
        return write_volume(volume, path)


def check_output(volume: Volume, path: str | os.PathLike[str]) -> None:
    """Make sure, before long work, that a volume on the grid of ``volume`` can be written to ``path``.

    Raises:
        MedSynthError: as `write_labelled`.
    """
    _suffix(Path(path))
    volume.lps_frame()
    check_place(Path(path))
    check_sidecar(Path(path))


def _suffix(target: Path) -> str:
    suffix = next((suffix for suffix in _WRITERS if target.name.lower().endswith(suffix)), "")
    if not suffix or target.name.lower() == suffix:
        raise MedSynthError(f"{target} cannot be written: the name must end with {', '.join(_WRITERS)}.", kind="output")
    return suffix


def _storable(voxels: np.ndarray) -> np.ndarray:
    """Return voxels in a type and byte order that all writers know, without changing a value."""
    if voxels.dtype == bool:
        return voxels.astype(np.uint8)
    if voxels.dtype == np.float16:
        return voxels.astype(np.float32)
    if voxels.dtype.kind not in "iuf" or voxels.dtype.itemsize > 8:
        raise MedSynthError(
            f"Voxels of type {voxels.dtype} cannot be written to an image file; convert them to float32.",
            kind="output",
        )
    return voxels.astype(voxels.dtype.newbyteorder("="), copy=False)
