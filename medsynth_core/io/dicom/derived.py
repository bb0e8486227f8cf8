"""A synthetic volume as a derived DICOM series.

pydicom alone writes it: highdicom makes multi-frame objects, but what viewers and archives expect beside a
classic CT, PET or MR series is one of the same kind.
"""

from __future__ import annotations

import os
import warnings
from io import BytesIO
from pathlib import Path

import numpy as np
import pydicom
from pydicom import dcmwrite
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from medsynth_core import __version__
from medsynth_core.errors import MedSynthError
from medsynth_core.io.atomic import check_free, whole_folder
from medsynth_core.io.dicom.derived_common import common_tags, references
from medsynth_core.io.dicom.derived_ct_mr import ct_series, mr_series
from medsynth_core.io.dicom.derived_decay import Decay, decay_of
from medsynth_core.io.dicom.derived_items import item, numbers
from medsynth_core.io.dicom.derived_pet import pet_image, pet_series
from medsynth_core.io.dicom.derived_pixels import StoredSlice, stored_slices
from medsynth_core.io.dicom.derived_reference import Reference, read_reference
from medsynth_core.io.dicom.derived_window import window
from medsynth_core.volume import LPS_TO_RAS, Volume

_CLASSES = {
    "CT": "1.2.840.10008.5.1.4.1.1.2",
    "MR": "1.2.840.10008.5.1.4.1.1.4",
    "PT": "1.2.840.10008.5.1.4.1.1.128",
}
# Value 3 is required of CT and MR. Of PET, PS3.3 notes that value 2 will be PRIMARY, which holds for scans; an
# image made after the examination is SECONDARY by PS3.3 C.7.6.1.1.2, and must not pass for a scan.
_IMAGE_TYPES = {
    "CT": ["DERIVED", "SECONDARY", "AXIAL"],
    "MR": ["DERIVED", "SECONDARY", "OTHER"],
    "PT": ["DERIVED", "SECONDARY"],
}
_UNITS = {"CT": "HU", "PT": "SUVbw"}


def write_dicom(
    volume: Volume,
    output: str | os.PathLike[str],
    reference: str | os.PathLike[str],
    *,
    series_description: str = "",
) -> Path:
    """Write a synthetic volume as a DICOM series in the study and space of another, whole or not at all.

    One CT, PET or MR image a slice, on the grid of ``volume``, marked as synthetic and not for diagnosis by
    series description, Synthetic Data, image type, derivation and equipment. `derived_pixels.stored_slices` says
    how precise the voxels are; the grid is precise to 16 characters a number. Private tags are not copied.

    Args:
        volume: CT in HU, PET in SUVbw, or MR; its axes must be perpendicular. Its metadata may name ``model``,
            ``model_version``, ``weights_sha256``, ``limits`` and its ``source``.
        output: a new or empty folder.
        reference: folder or file of the series that it was made from, or of another one of the same patient in
            the same space. In a folder with several series the one that it was made from counts, if known.
        series_description: what follows the mark in the series description, 33 characters of ASCII; the model by
            default.

    Returns:
        The folder, with a file ``0001.dcm`` … for each slice, in order along the normal of the slices.

    Raises:
        MedSynthError: modality or unit of the volume unknown or another one, voxels or axes that DICOM cannot
            hold, no fitting reference, another space, or a folder that holds something or cannot be written to.
            Then nothing is left behind.
    """
    target = Path(output)
    _check_unit(volume)
    spacing, direction, _ = volume.lps_frame()  # refuses sheared axes
    check_free(target)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # odd values that the reference already had
        found = read_reference(Path(reference), volume)
        slices = stored_slices(volume)
        decay = decay_of(found)
        series = _series_tags(volume, found, decay, series_description)
        series.update(
            item(
                PixelSpacing=numbers(spacing[1::-1]),
                SliceThickness=numbers(spacing[2:])[0],
                ImageOrientationPatient=numbers(direction[:, :2].T.ravel()),
            )
        )
        # Readers stack slices along the normal, which is against k in a left-handed volume.
        along = np.linalg.det(direction) > 0
        with whole_folder(target) as folder:
            for number, k in enumerate(range(len(slices))[:: 1 if along else -1], start=1):
                made = _slice_tags(volume, found, decay, k, number)
                made.update(series)
                made.update(_pixels(slices[k], volume.modality))
                _save(made, folder / f"{number:04d}.dcm")
    return target


def _check_unit(volume: Volume) -> None:
    if volume.modality not in _CLASSES:
        raise MedSynthError(
            f"The modality of the volume is {volume.modality or 'not known'}, but DICOM is written of CT, PT and MR; "
            "give a volume that MedSynth made, with the JSON beside it."
        )
    unit = _UNITS.get(volume.modality, volume.unit)
    if volume.unit != unit:
        raise MedSynthError(
            f"The unit of the volume is {volume.unit or 'not known'}, but {volume.modality} is written to DICOM in "
            f"{unit}; make it again from an input in {unit}, or give a volume that MedSynth made, with the JSON beside "
            "it."
        )


def _series_tags(volume: Volume, reference: Reference, decay: Decay, description: str) -> Dataset:
    made = common_tags(volume, reference, description)
    made.SOPClassUID, made.ImageType = _CLASSES[volume.modality], _IMAGE_TYPES[volume.modality]
    made.update(window(volume, reference))
    if volume.modality == "PT":
        made.update(pet_series(reference, volume.shape[0], decay))
    else:
        made.update((ct_series if volume.modality == "CT" else mr_series)(reference.header))
    made.remove_private_tags()  # in sequences of the reference
    return made


def _slice_tags(volume: Volume, reference: Reference, decay: Decay, k: int, number: int) -> Dataset:
    crossed = reference.crossed_by(volume, k)
    made = references(crossed, reference)
    made.InstanceNumber = number
    made.ImagePositionPatient = numbers((LPS_TO_RAS @ volume.ijk_to_ras @ [0, 0, k, 1])[:3])
    if volume.modality == "PT":
        made.update(pet_image(reference, crossed[len(crossed) // 2], decay, number))
    return made


def _pixels(stored: StoredSlice, modality: str) -> Dataset:
    rows, columns = stored.values.shape
    made = item(
        SamplesPerPixel=1,
        PhotometricInterpretation="MONOCHROME2",
        Rows=rows,
        Columns=columns,
        BitsAllocated=16,
        BitsStored=16,
        HighBit=15,
        PixelRepresentation=int(stored.values.dtype.kind == "i"),
    )
    # An MR image has no scale by the standard, so it has one only where it needs it.
    if modality != "MR" or stored.slope != "1":
        made.update(item(RescaleSlope=stored.slope, RescaleIntercept="0"))
    made.add_new("PixelData", "OW", stored.values.astype("<u2" if stored.values.dtype.kind == "u" else "<i2").tobytes())
    return made


def _save(made: Dataset, path: Path) -> None:
    made.SOPInstanceUID = generate_uid(prefix=None)
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
    made.file_meta.ImplementationVersionName = f"MEDSYNTH {__version__}"[:16]
    buffer = BytesIO()
    if pydicom.__version__.startswith("2."):  # as in Slicer 5.10; it does not see the encoding from the syntax
        made.is_little_endian, made.is_implicit_VR = True, False
        dcmwrite(buffer, made, write_like_original=False)
    else:
        dcmwrite(buffer, made, enforce_file_format=True)
    path.write_bytes(buffer.getvalue())  # pydicom hides in a traceback that a disk is full
