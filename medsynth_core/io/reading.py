"""Reading of volumes from any supported file format."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from medsynth_core.errors import MedSynthError
from medsynth_core.io.itk_files import read_nrrd
from medsynth_core.io.metaimage import read_metaimage
from medsynth_core.io.nifti import PAIR_SUFFIXES, is_nifti_pair, read_nifti, read_nifti_pair
from medsynth_core.io.pet_json import pet_json, read_pet, why_undescribed
from medsynth_core.io.regular_file import check_regular
from medsynth_core.io.sidecar import read_sidecar, sidecar_path
from medsynth_core.volume import Volume

NIFTI_SUFFIXES = (".nii", ".nii.gz")
ITK_SUFFIXES = (".nrrd", ".nhdr", ".mha", ".mhd")
_READERS = {NIFTI_SUFFIXES: read_nifti, ITK_SUFFIXES[:2]: read_nrrd, ITK_SUFFIXES[2:]: read_metaimage}


def read_volume(path: str | os.PathLike[str], modality: str = "", unit: str = "", *, allow_nan: bool = False) -> Volume:
    """Read a NIfTI, NRRD or MetaImage file, a DICOM folder, or the DICOM series that one file belongs to.

    Image files do not state modality and unit, so pass them unless a JSON file beside the image does: MedSynth's, or
    that of PET-BIDS, whose dose, weight and times are used as the tags of DICOM are.
    DICOM states both (CT in HU, MR without a unit); arguments must agree with it. By default PET is converted to SUVbw
    if its tags allow it, whatever its stored unit. If they do not, values stored in Bq/mL stay in Bq/mL and
    ``metadata["suv_refused"]`` states why; if a unit is requested, the conversion must succeed. If a DICOM folder
    contains several series, ``modality`` selects one; `medsynth_core.io.dicom.series_choice` describes the rules.

    Args:
        path: ``.nii``, ``.nii.gz``, ``.nrrd``, ``.nhdr``, ``.mha``, ``.mhd``, ``.hdr`` or ``.img`` of a NIfTI pair, a
            folder, or a DICOM file.
        modality: DICOM modality: ``CT``, ``PT``, ``MR``, or ``""`` for that stated by the file.
        unit: ``HU``, ``SUVbw``, ``Bq/mL``, ``1``, or ``""`` for that stated by the file. PET from DICOM can also be
            read in ``SUVlbm``, ``SUVlbm-james``, ``SUVlbm-janma``, ``SUVibw`` (g/mL) or ``SUVbsa`` (cm²/mL).
        allow_nan: whether voxels may be NaN, as in an image without values outside its field of view.

    Returns:
        Voxels (k, j, i) in their stored data type (float32 if a scale has to be applied), and the
        matrix exactly as stated in the file, whether its axes are perpendicular or not.

    Raises:
        MedSynthError: the file does not exist, is not an image, is damaged, is not a scalar 3-D image, states no
            orientation, has fewer than two voxels or voxels that are not finite, or has another modality or unit
            than requested; or a PET lacks a tag needed for the requested SUV.
    """
    place = Path(path)
    try:
        volume = _read(place, modality, unit)
    except OSError as error:
        reason = "no such file or folder" if isinstance(error, FileNotFoundError) else error.strerror
        raise MedSynthError(f"{place} cannot be read: {reason or error}.") from error
    except MemoryError as error:
        raise MedSynthError(f"{place} does not fit into the memory of this computer.") from error
    check_voxels(volume.voxels, place, allow_nan=allow_nan)
    return volume


def _read(path: Path, modality: str, unit: str) -> Volume:
    if "\0" in str(path):  # for which Python raises a ValueError
        raise MedSynthError(f"{path} cannot be read: its name contains a null character.")
    check_regular(path)
    name = path.name.lower()
    for suffixes, read in _READERS.items():
        if name.endswith(suffixes):
            return _stated(read(path), path, modality, unit)
    from medsynth_core.io.dicom.files import is_dicom  # pydicom is slow to import

    if path.is_dir() or is_dicom(path):
        from medsynth_core.io.dicom.series_reading import read_dicom

        return read_dicom(path, modality, unit)
    # Scanners and other programs also use these suffixes, for DICOM among others.
    if name.endswith(PAIR_SUFFIXES) and is_nifti_pair(path):
        return _stated(read_nifti_pair(path), path, modality, unit)
    raise MedSynthError(
        f"{path} is not in a supported image format; choose a NIfTI (.nii, .nii.gz, .hdr with .img), NRRD "
        "(.nrrd) or MetaImage (.mha) file, a DICOM folder or a DICOM file."
    )


def _stated(volume: Volume, path: Path, modality: str, unit: str) -> Volume:
    """Return ``volume`` with the modality and unit stated by the user or by the JSON beside the file."""
    beside = read_sidecar(path)
    if not beside and (facts := pet_json(path)):
        return read_pet(volume, facts, path, modality, unit)
    if not beside and (reason := why_undescribed(path)):
        volume = volume.replace(metadata={**volume.metadata, "suv_refused": f"{reason}; state modality and unit"})
    for what, asked in (("modality", modality), ("unit", unit)):
        found = beside.get(what)
        if asked and found and asked != found:
            raise MedSynthError(
                f"{path} was requested as {asked}, but {sidecar_path(path).name} beside it states that its {what} is "
                f"{found}; choose another file, or remove the JSON if it is wrong."
            )
    return volume.replace(
        modality=modality or str(beside.pop("modality", "")),
        unit=unit or str(beside.pop("unit", "")),
        metadata={**volume.metadata, **beside},
    )


def check_voxels(voxels: np.ndarray, path: str | os.PathLike[str], *, allow_nan: bool = False) -> None:
    """Check that the values of a file are those of an image.

    Args:
        voxels: any array.
        path: the file, for the message.
        allow_nan: whether voxels may be NaN.

    Raises:
        MedSynthError: they are no real numbers, fewer than two, or not finite.
    """
    if voxels.dtype.kind not in "iuf":
        raise MedSynthError(f"{path} contains {voxels.dtype} values, but a volume needs real numbers.")
    if voxels.size < 2:
        raise MedSynthError(f"{path} has {['no voxels', 'a single voxel'][voxels.size]}, so it is not a volume.")
    good = np.isfinite(voxels) | np.isnan(voxels) if allow_nan else np.isfinite(voxels)
    if not good.all():
        bad = int(voxels.size - np.count_nonzero(good))
        raise MedSynthError(
            f"{bad} of {voxels.size} voxels of {path} are not finite (NaN or infinite); replace them by valid values."
        )
