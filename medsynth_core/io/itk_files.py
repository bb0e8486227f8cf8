"""Reading of NRRD files, and writing of NRRD and MetaImage files, with SimpleITK."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from medsynth_core.errors import MedSynthError
from medsynth_core.io.metaimage import FORMAT as METAIMAGE
from medsynth_core.io.quiet import quiet_itk
from medsynth_core.io.temporary import temporary_folder
from medsynth_core.io.text_header import check_nrrd_fields, check_nrrd_files, check_nrrd_lines, nrrd_matrix, unreadable
from medsynth_core.volume import Volume

if TYPE_CHECKING:
    import SimpleITK as sitk


def read_nrrd(path: Path) -> Volume:
    """Return the volume of a NRRD file, with the geometry exactly as stated in it.

    Raises:
        MedSynthError: the file is damaged, states no orientation, is not a scalar 3-D image, or is not in mm.
        OSError: the file cannot be opened.
    """
    check_nrrd_lines(path)
    check_nrrd_fields(path)
    check_nrrd_files(path)
    volume = Volume.from_sitk(_itk_image(path))
    matrix = nrrd_matrix(path)
    if not np.allclose(matrix, volume.ijk_to_ras, rtol=1e-9, atol=1e-9 * max(volume.spacing)):
        raise MedSynthError(
            f"{path.name} contradicts itself about the position of its voxels in the patient ('space', 'space "
            "directions' and 'space origin' of its header); export the image again."
        )
    return volume.replace(ijk_to_ras=matrix)


def _itk_image(path: Path) -> sitk.Image:
    import SimpleITK as sitk

    reader = sitk.ImageFileReader()
    reader.SetImageIO("NrrdImageIO")
    reader.SetFileName(str(path))
    try:
        with quiet_itk():
            return reader.Execute()
    except RuntimeError as error:
        raise unreadable(path, "NRRD") from error


def write_itk(volume: Volume, path: Path, fields: Mapping[str, str] | None = None) -> None:
    """Write a volume as compressed NRRD or MetaImage, by the suffix in any letter case; ``fields`` go into its header.

    ITK knows suffixes in small letters only: it writes ``.MHA`` as a header with the voxels in another file. So it
    writes into a folder of its own, of which one file is kept.

    Raises:
        MedSynthError: the axes of the volume are not perpendicular.
        OSError: the file cannot be written completely.
    """
    import SimpleITK as sitk

    image, suffix = volume.to_sitk(), path.suffix.lower()
    stated = volume.stated_in(METAIMAGE) if suffix == ".mha" else None
    for name, numbers in (stated or {}).items():
        getattr(image, f"Set{name}")(numbers)
    if description := str(volume.metadata.get("description", "")):
        image.SetMetaData("description", " ".join(description.split()))
    for key, value in (fields or {}).items():
        image.SetMetaData(key, value)
    with temporary_folder(path.parent, ".") as folder:
        made = folder / f"image{suffix}"
        try:
            with quiet_itk():
                sitk.WriteImage(image, str(made), useCompression=True, compressionLevel=1)
        except RuntimeError as error:
            raise OSError("the disk is full or not writable") from error
        if path.exists():
            shutil.copymode(path, made)
        os.replace(made, path)
