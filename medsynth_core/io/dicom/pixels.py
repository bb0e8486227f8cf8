"""The stored values of DICOM files.

pydicom alone reads the headers, and here the native pixels too: it applies nothing to them, so signs, unused
bits and the scale of each slice stay in our hands. Whatever is compressed goes through GDCM (in SimpleITK):
pydicom would need plug-ins that are not everywhere, and would decode differently with each. GDCM gets nothing
but the pixel module, so it cannot rescale, reorder or reinterpret either.
"""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path

import numpy as np
from pydicom import dcmread, dcmwrite
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import MultiFrameGrayscaleWordSecondaryCaptureImageStorage

from medsynth_core.errors import MedSynthError
from medsynth_core.io.dicom.damage import DAMAGE, damaged
from medsynth_core.io.itk_files import quiet_itk

_PIXEL_MODULE = [
    "Rows", "Columns", "SamplesPerPixel", "PhotometricInterpretation", "BitsAllocated", "BitsStored", "HighBit",
    "PixelRepresentation", "NumberOfFrames", "PixelData",
]  # fmt: skip


def stored_values(file: str) -> np.ndarray:
    """Return the integers of a file as (frames, rows, columns), before any rescaling.

    Raises:
        MedSynthError: no pixels, colours, a compression that cannot be decoded, or a damaged file.
        OSError: the file cannot be opened.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            dataset = dcmread(file)
            shape = (int(dataset.get("NumberOfFrames") or 1), int(dataset.Rows), int(dataset.Columns))
            if int(dataset.get("SamplesPerPixel", 1)) != 1:
                raise MedSynthError(f"The DICOM file {file} holds colours; give the series of the original values.")
            compressed = dataset.file_meta.TransferSyntaxUID.is_compressed
            pixels = _decoded(dataset, file) if compressed else dataset.pixel_array
            return _used_bits(pixels.reshape(shape), dataset)
        except DAMAGE as error:
            raise damaged(file) from error


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
    with tempfile.TemporaryDirectory() as folder, quiet_itk():
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


def _used_bits(pixels: np.ndarray, dataset: FileDataset) -> np.ndarray:
    """Drop the bits above the highest used one, where old scanners keep overlays, and extend the sign."""
    unused = pixels.dtype.itemsize * 8 - int(dataset.HighBit) - 1
    native = pixels.astype(pixels.dtype.newbyteorder("="), copy=False)
    return np.asarray((native << unused) >> unused) if unused > 0 else native
