"""Writing of a synthetic volume as a derived DICOM series.

Implemented here with pydicom because highdicom has no class for classic CT, MR and PET images, which viewers and
archives expect beside a series of the same kind.
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

from medsynth_core.errors import MedSynthError
from medsynth_core.io.atomic import check_free, whole_folder
from medsynth_core.io.dicom.derived.common_tags import common_tags, references
from medsynth_core.io.dicom.derived.ct_mr_tags import ct_series, mr_series
from medsynth_core.io.dicom.derived.decay_tags import Decay, decay_of
from medsynth_core.io.dicom.derived.items import item, numbers
from medsynth_core.io.dicom.derived.pet_tags import pet_image, pet_series
from medsynth_core.io.dicom.derived.reference import Reference, read_reference
from medsynth_core.io.dicom.derived.stored_pixels import StoredSlice, stored_slices
from medsynth_core.io.dicom.derived.window_tags import window
from medsynth_core.io.dicom.synthetic_mark import ERROR_MAP_TYPE
from medsynth_core.version import __version__
from medsynth_core.volume import LPS_TO_RAS, Volume

_CLASSES = {
    "CT": "1.2.840.10008.5.1.4.1.1.2",
    "MR": "1.2.840.10008.5.1.4.1.1.4",
    "PT": "1.2.840.10008.5.1.4.1.1.128",
}
# CT and MR require value 3. For PET, the standard (PS3.3 C.8.9.4) allows only PRIMARY as value 2, so the image type
# does not tell a synthetic PET from a scan; the other marks do (`synthetic_mark.is_synthetic`).
_IMAGE_TYPES = {
    "CT": ["DERIVED", "SECONDARY", "AXIAL"],
    "MR": ["DERIVED", "SECONDARY", "OTHER"],
    "PT": ["DERIVED", "PRIMARY"],
}
_UNITS = {"CT": "HU", "PT": "SUVbw"}


def write_dicom(
    volume: Volume,
    output: str | os.PathLike[str],
    reference: str | os.PathLike[str],
    *,
    series_description: str = "",
) -> Path:
    """Write a synthetic volume atomically as a DICOM series in the study and frame of reference of another series.

    Each slice is one CT, PET or MR image on the grid of ``volume``, marked as synthetic and not for diagnosis in the
    series description, Synthetic Data, image type, derivation and equipment. `stored_pixels.stored_slices` states the
    precision of the voxels; numbers of the grid have 16 characters. Private tags are not copied.

    Args:
        volume: CT in HU, PET in SUVbw, or MR; its axes must be perpendicular. Its metadata may state ``model``,
            ``model_version``, ``weights_sha256``, ``limits`` and ``source``.
        output: a new or empty folder.
        reference: folder or file of the source series, or of another series of the same patient and frame of
            reference. If a folder contains several series, the source is used, if known.
        series_description: text after the mark in the series description, 33 characters of ASCII; by default the
            model.

    Returns:
        The folder, with one file ``0001.dcm`` … per slice, in order along the slice normal.

    Raises:
        MedSynthError: the modality or unit of the volume is unknown or not supported, DICOM cannot store its voxels
            or axes, there is no matching reference, the frame of reference differs, or the folder is not empty or not
            writable. No partial output is left then.
    """
    target = Path(output)
    _check_unit(volume)
    spacing, direction, _ = volume.lps_frame()  # refuses sheared axes
    check_free(target)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # invalid values that come from the reference
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
        # Readers stack slices along the normal, which is opposite to k in a left-handed volume.
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
            f"The modality of the volume is {volume.modality or 'unknown'}, but only CT, PT and MR can be written to "
            "DICOM; choose a volume made by MedSynth, with the JSON beside it."
        )
    unit = _UNITS.get(volume.modality, volume.unit)
    if volume.unit != unit:
        raise MedSynthError(
            f"The unit of the volume is {volume.unit or 'unknown'}, but {volume.modality} is written to DICOM in "
            f"{unit}; make it again from an input in {unit}, or choose a volume made by MedSynth, with the JSON beside "
            "it."
        )


def _image_type(volume: Volume) -> list[str]:
    kind = _IMAGE_TYPES[volume.modality]
    return [*kind[:2], ERROR_MAP_TYPE] if volume.is_error_map else kind


def _series_tags(volume: Volume, reference: Reference, decay: Decay, description: str) -> Dataset:
    made = common_tags(volume, reference, description)
    made.SOPClassUID, made.ImageType = _CLASSES[volume.modality], _image_type(volume)
    made.update(window(volume, reference))
    if volume.modality == "PT":
        made.update(pet_series(reference, volume.shape[0], decay))
    else:
        made.update((ct_series if volume.modality == "CT" else mr_series)(reference.header))
    made.remove_private_tags()  # from sequences copied from the reference
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
    # By the standard, MR images have no rescale slope, so it is written only if needed.
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
    if pydicom.__version__.startswith("2."):  # as in Slicer 5.10; it does not derive the encoding from the syntax
        made.is_little_endian, made.is_implicit_VR = True, False
        dcmwrite(buffer, made, write_like_original=False)
    else:
        dcmwrite(buffer, made, enforce_file_format=True)
    path.write_bytes(buffer.getvalue())  # pydicom would hide the OSError of a full disk
