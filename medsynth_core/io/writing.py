"""Writing of volumes to image files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np

from medsynth_core.errors import MedSynthError
from medsynth_core.interruption import held_back
from medsynth_core.io.atomic import atomic_write, check_place
from medsynth_core.io.itk_files import write_itk
from medsynth_core.io.nifti import write_nifti
from medsynth_core.io.nifti_geometry import check_storable
from medsynth_core.io.sidecar import check_sidecar, has_sidecar, sidecar_beside
from medsynth_core.version import __version__
from medsynth_core.volume import Volume

_WRITERS = {".nii": write_nifti, ".nii.gz": write_nifti, ".nrrd": write_itk, ".mha": write_itk}


def write_volume(volume: Volume, path: str | os.PathLike[str]) -> Path:
    """Write a volume atomically as compressed NIfTI, NRRD or MetaImage.

    Voxels keep their type (bool becomes uint8, float16 becomes float32). NRRD and MetaImage keep the matrix bit by
    bit; NIfTI stores single precision, so a matrix read from a NIfTI file is kept bit by bit too. A grid that was read
    from a file of the same format is stated in the same numbers, so that ITK and 3D Slicer read exactly the same.
    ``volume.metadata["description"]`` is written into the file; uncertainty is not. Modality, unit and metadata are
    written as JSON beside it, as by `write_labelled`, if MedSynth made the volume (``metadata`` states
    ``medsynth_version``), or if such a JSON describes the file that is replaced.

    Args:
        volume: the volume to write; its axes must be perpendicular.
        path: ends with ``.nii``, ``.nii.gz``, ``.nrrd`` or ``.mha``. An existing file is replaced.

    Returns:
        The path of the file.

    Raises:
        MedSynthError: the suffix is not supported, the format cannot store the voxels or axes, `read_volume` would
            refuse the voxels (not finite, or fewer than two), or the file or its JSON cannot be written. No partial
            file is left then, and an existing file is unchanged.
    """
    check_place(Path(path))
    if "medsynth_version" not in volume.metadata and not has_sidecar(Path(path)):
        with _written(volume, Path(path)) as target:
            return target
    return write_labelled(volume.replace(metadata={"medsynth_version": __version__, **volume.metadata}), path)


@contextmanager
def _written(volume: Volume, target: Path) -> Iterator[Path]:
    """Write a volume to a temporary file, and move it to ``target`` when the block succeeds."""
    suffix = _suffix(target)
    volume.lps_frame()  # refuses sheared axes
    storable = volume.replace(voxels=_storable(volume.voxels))
    with atomic_write(target) as temporary:
        _WRITERS[suffix](storable, temporary)
        yield target


def write_labelled(volume: Volume, path: str | os.PathLike[str]) -> Path:
    """Write a volume as `write_volume` does, with modality, unit and metadata as JSON beside it: both or neither.

    ``volume.metadata`` must state ``medsynth_version``, which identifies the JSON as MedSynth's.

    Raises:
        MedSynthError: as `write_volume`; or the JSON would replace that of another program.
    """
    with ExitStack() as files:
        files.enter_context(sidecar_beside(volume, Path(path)))
        written = files.enter_context(_written(volume, Path(path)))
        # Both files are complete; a signal now must not put only one of them into place.
        with held_back():
            files.close()
    return written


def check_output(volume: Volume, path: str | os.PathLike[str]) -> None:
    """Check, before long work, that a volume on the grid of ``volume`` can be written to ``path``.

    Raises:
        MedSynthError: as `write_labelled`.
    """
    if _WRITERS[_suffix(Path(path))] is write_nifti:
        check_storable(volume)
    volume.lps_frame()
    check_place(Path(path))
    check_sidecar(Path(path))


def _suffix(target: Path) -> str:
    suffix = next((suffix for suffix in _WRITERS if target.name.lower().endswith(suffix)), "")
    if not suffix or target.name.lower() == suffix:
        raise MedSynthError(f"{target} cannot be written: the name must end with {', '.join(_WRITERS)}.", kind="output")
    return suffix


def _storable(voxels: np.ndarray) -> np.ndarray:
    """Return voxels in a data type and byte order that all writers support, without changing values."""
    if voxels.size < 2:
        count = ["no voxels", "a single voxel"][voxels.size]
        raise MedSynthError(f"The volume has {count}, so it is not written to an image file; choose a complete image.")
    if voxels.dtype.kind == "f" and not np.isfinite(voxels).all():
        bad = int(voxels.size - np.count_nonzero(np.isfinite(voxels)))
        raise MedSynthError(
            f"{bad} of {voxels.size} voxels of the volume are not finite (NaN or infinite), so it is not written to an "
            "image file; replace them by valid values."
        )
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


def check_distinct(paths: list[Path]) -> None:
    """Check that no output file overwrites an input file or another output file.

    Raises:
        MedSynthError: two paths refer to the same file.
    """
    found = [path.resolve() for path in paths]
    for path in found:
        if found.count(path) > 1:
            raise MedSynthError(
                f"{path} is named twice among the files to read and write; use a different name for each."
            )
