"""Any image that a user has, as a volume."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from medsynth_core.errors import MedSynthError
from medsynth_core.io.itk_files import read_itk
from medsynth_core.io.nifti import read_nifti
from medsynth_core.io.sidecar import read_sidecar, sidecar_path
from medsynth_core.volume import Volume

NIFTI_SUFFIXES = (".nii", ".nii.gz")
ITK_SUFFIXES = (".nrrd", ".nhdr", ".mha", ".mhd")


def read_volume(path: str | os.PathLike[str], modality: str = "", unit: str = "") -> Volume:
    """Read a NIfTI, NRRD or MetaImage file, a DICOM folder, or the DICOM series that one file belongs to.

    Image files say nothing about modality and unit: state them, unless MedSynth wrote the file and the JSON
    beside it. DICOM says both (CT in HU, MR without a unit), and what is stated here must agree. PET becomes SUVbw
    where its tags allow it, whatever it is stored in, or what is asked for; where they do not and no unit is asked
    for, values in Bq/mL stay that, and ``metadata["suv_refused"]`` says why. Of several series in a DICOM folder
    the one of the modality asked for is read; see `medsynth_core.io.dicom.choice` for the whole rule.

    Args:
        path: ``.nii``, ``.nii.gz``, ``.nrrd``, ``.nhdr``, ``.mha``, ``.mhd``, a folder, or a DICOM file.
        modality: DICOM modality: ``CT``, ``PT``, ``MR``, or ``""`` for what the file says.
        unit: ``HU``, ``SUVbw``, ``Bq/mL``, ``1``, or ``""`` for what the file says. PET as DICOM is also read in
            ``SUVlbm``, ``SUVlbm-james``, ``SUVlbm-janma``, ``SUVibw`` (g/mL) or ``SUVbsa`` (cm²/mL).

    Returns:
        Voxels (k, j, i) in the type they are stored in (float32 where a scale has to be applied), and the
        matrix exactly as the file states it, whether its axes are perpendicular or not.

    Raises:
        MedSynthError: there is no such file, it is no image, it is damaged, it is not a scalar 3-D image,
            it states no orientation, its voxels are fewer than two or not all finite, its modality or
            unit is another one than stated, or a PET lacks a tag that the SUV asked for needs.
    """
    place = Path(path)
    try:
        volume = _read(place, modality, unit)
    except OSError as error:
        reason = "there is no such file or folder" if isinstance(error, FileNotFoundError) else error.strerror
        raise MedSynthError(f"{place} cannot be read: {reason or error}.") from error
    except MemoryError as error:
        raise MedSynthError(f"{place} does not fit into the memory of this computer.") from error
    _check_voxels(volume.voxels, place)
    return volume


def _read(path: Path, modality: str, unit: str) -> Volume:
    path.stat()
    name = path.name.lower()
    if path.is_dir() or (not name.endswith(NIFTI_SUFFIXES + ITK_SUFFIXES) and _is_dicom(path)):
        from medsynth_core.io.dicom.reading import read_dicom  # pydicom is slow to import

        return read_dicom(path, modality, unit)
    if name.endswith(NIFTI_SUFFIXES):
        return _stated(read_nifti(path), path, modality, unit)
    if name.endswith(ITK_SUFFIXES):
        return _stated(read_itk(path), path, modality, unit)
    raise MedSynthError(
        f"{path} is not an image that can be read here; give a NIfTI (.nii, .nii.gz), NRRD (.nrrd) or "
        "MetaImage (.mha) file, a DICOM folder or a DICOM file."
    )


def _stated(volume: Volume, path: Path, modality: str, unit: str) -> Volume:
    """Return ``volume`` with the modality and unit that the user or the JSON beside the file states."""
    beside = read_sidecar(path)
    for what, asked in (("modality", modality), ("unit", unit)):
        found = beside.get(what)
        if asked and found and asked != found:
            raise MedSynthError(
                f"{path} was asked for as {asked}, but {sidecar_path(path).name} beside it says that its {what} is "
                f"{found}; choose another file, or remove that one if it is wrong."
            )
    return volume.replace(
        modality=modality or str(beside.pop("modality", "")),
        unit=unit or str(beside.pop("unit", "")),
        metadata={**volume.metadata, **beside},
    )


def _is_dicom(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"


def _check_voxels(voxels: np.ndarray, path: Path) -> None:
    if voxels.dtype.kind not in "iuf":
        raise MedSynthError(f"{path} holds {voxels.dtype} values, but a volume holds real numbers.")
    if voxels.size < 2:
        raise MedSynthError(f"{path} holds {['no voxels', 'a single voxel'][voxels.size]}, which is no volume.")
    if voxels.dtype.kind == "f" and not np.isfinite(voxels).all():
        bad = int(voxels.size - np.isfinite(voxels).sum())
        raise MedSynthError(
            f"{path} holds {bad} voxels that are not numbers or infinite, of {voxels.size}; "
            "replace them by a value that means something."
        )
