"""NRRD and MetaImage files as volumes and back, through SimpleITK."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

from medsynth_core.errors import MedSynthError
from medsynth_core.io.text_header import check_metaimage_states_place, nrrd_matrix
from medsynth_core.volume import Volume

_STDERR = Lock()


def read_itk(path: Path) -> Volume:
    """Return the volume of a NRRD or MetaImage file, with the geometry exactly as the file states it.

    Raises:
        MedSynthError: the file is damaged, states no orientation, or is not a scalar 3-D image.
        OSError: it cannot be opened.
    """
    import SimpleITK as sitk

    is_nrrd = path.suffix.lower() in (".nrrd", ".nhdr")
    reader = sitk.ImageFileReader()
    reader.SetImageIO("NrrdImageIO" if is_nrrd else "MetaImageIO")
    reader.SetFileName(str(path))
    with path.open("rb"):  # ITK does not say why a file cannot be opened
        pass
    try:
        with quiet_itk():
            image = reader.Execute()
    except RuntimeError as error:
        raise MedSynthError(
            f"{path.name} cannot be read as a {'NRRD' if is_nrrd else 'MetaImage'} image: it is damaged, "
            "truncated or something else; export it again."
        ) from error
    volume = Volume.from_sitk(image)
    if is_nrrd:
        return volume.replace(ijk_to_ras=nrrd_matrix(path))
    check_metaimage_states_place(path)
    return volume


def write_itk(volume: Volume, path: Path) -> None:
    """Write a volume as NRRD or MetaImage, compressed.

    Raises:
        MedSynthError: its axes are not perpendicular.
        OSError: the file cannot be written to its end.
    """
    import SimpleITK as sitk

    image = volume.to_sitk()
    if description := str(volume.metadata.get("description", "")):
        image.SetMetaData("description", " ".join(description.split()))
    try:
        with quiet_itk():
            sitk.WriteImage(image, str(path), useCompression=True, compressionLevel=1)
    except RuntimeError as error:
        raise OSError("the disk is full or not writable") from error


@contextmanager
def quiet_itk() -> Iterator[None]:
    """Keep what ITK's libraries print by themselves from the user: failures are told as exceptions."""
    with _STDERR, open(os.devnull, "wb") as nowhere:
        try:
            sys.stderr.flush()
            kept = os.dup(2)
        except (AttributeError, OSError):  # a program without a console has nothing to protect
            yield
            return
        os.dup2(nowhere.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
