"""Stored pixel values of DICOM files.

pydicom reads headers, uncompressed and run-length encoded pixels without changing them, so sign, unused bits and
slice scales are handled here. Other compressed pixels are decoded by GDCM (in SimpleITK), because pydicom would need
plug-ins that are not always installed and differ in their results. GDCM receives only the pixel module, so it cannot
rescale, reorder or reinterpret pixels, and only frames of the stated size, so it cannot take gigabytes.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
from pydicom import dcmwrite
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import MultiFrameGrayscaleWordSecondaryCaptureImageStorage, RLELossless

from medsynth_core.errors import MedSynthError
from medsynth_core.io.dicom.coded_frames import coded_sizes
from medsynth_core.io.dicom.errors import DAMAGE, damaged, invalid
from medsynth_core.io.dicom.files import read_dataset
from medsynth_core.io.quiet import quiet_itk
from medsynth_core.io.temporary import temporary_folder

_PIXEL_MODULE = [
    "Rows", "Columns", "SamplesPerPixel", "PhotometricInterpretation", "BitsAllocated", "BitsStored", "HighBit",
    "PixelRepresentation", "NumberOfFrames", "PixelData",
]  # fmt: skip


def stored_values(file: str) -> np.ndarray:
    """Return the stored integers of a file as (frames, rows, columns), before rescaling.

    Raises:
        MedSynthError: the file has no pixels, holds colours, has an unsupported compression, or is damaged.
        OSError: the file cannot be opened.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            dataset = read_dataset(file)
            if dataset is None:
                raise damaged(file)
            shape = (int(dataset.get("NumberOfFrames") or 1), int(dataset.Rows), int(dataset.Columns))
            if int(dataset.get("SamplesPerPixel", 1)) != 1:
                raise MedSynthError(f"The DICOM file {file} holds colours; choose the series with the original values.")
            return _used_bits(_pixels(dataset, file, shape).reshape(shape), dataset, file)
        except DAMAGE as error:
            raise damaged(file) from error


def _pixels(dataset: FileDataset, file: str, shape: tuple[int, int, int]) -> np.ndarray:
    syntax = dataset.file_meta.TransferSyntaxUID
    if not syntax.is_compressed or syntax == RLELossless:
        return dataset.pixel_array
    if any(size != shape[1:] for size in coded_sizes(dataset.PixelData, shape[0])):
        raise damaged(file)
    return _decoded(dataset, file)


def _decoded(dataset: FileDataset, file: str) -> np.ndarray:
    import SimpleITK as sitk

    bare = Dataset()
    for keyword in _PIXEL_MODULE:
        if keyword in dataset:
            bare[keyword] = dataset[keyword]
    bare.SOPClassUID = MultiFrameGrayscaleWordSecondaryCaptureImageStorage
    bare.SOPInstanceUID = dataset.SOPInstanceUID
    bare.file_meta = FileMetaDataset()
    bare.file_meta.TransferSyntaxUID = dataset.file_meta.TransferSyntaxUID
    bare.file_meta.MediaStorageSOPClassUID = bare.SOPClassUID
    bare.file_meta.MediaStorageSOPInstanceUID = bare.SOPInstanceUID
    bare.is_little_endian, bare.is_implicit_VR = True, False  # pydicom 2 does not see it from the syntax
    with temporary_folder() as folder, quiet_itk():
        copy = Path(folder, "pixels.dcm")
        dcmwrite(copy, bare, write_like_original=False)
        try:
            return np.asarray(sitk.GetArrayFromImage(sitk.ReadImage(str(copy), imageIO="GDCMImageIO")))
        except RuntimeError as error:
            syntax = dataset.file_meta.TransferSyntaxUID
            raise MedSynthError(
                f"The pixels of {file} cannot be decoded ({syntax.name}, {syntax}): they are damaged or "
                "compressed in a way that is not supported; decompress the series first (gdcmconv --raw)."
            ) from error


def _used_bits(pixels: np.ndarray, dataset: FileDataset, file: str) -> np.ndarray:
    """Drop the unused high bits, in which old scanners store overlays, and extend the sign."""
    stored, size = int(dataset.BitsStored), pixels.dtype.itemsize * 8
    # Programs disagree about values that do not begin at the lowest bit.
    if int(dataset.get("HighBit", stored - 1)) != stored - 1 or not 1 <= stored <= size:
        raise invalid(file, "HighBit")
    native = pixels.astype(pixels.dtype.newbyteorder("="), copy=False)
    return np.asarray((native << (size - stored)) >> (size - stored)) if stored < size else native
