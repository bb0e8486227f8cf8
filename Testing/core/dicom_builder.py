"""DICOM objects made for the tests: only the tags that reading depends on, and honest pixels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

CLASSES = {
    "CT": "1.2.840.10008.5.1.4.1.1.2",
    "MR": "1.2.840.10008.5.1.4.1.1.4",
    "PT": "1.2.840.10008.5.1.4.1.1.128",
    "enhanced CT": "1.2.840.10008.5.1.4.1.1.2.1",
    "enhanced MR": "1.2.840.10008.5.1.4.1.1.4.1",
    "screenshot": "1.2.840.10008.5.1.4.1.1.7",
}
AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
DEFAULTS: dict[str, dict[str, Any]] = {
    "CT": {"RescaleSlope": 1, "RescaleIntercept": -1024},
    "MR": {},
    "PT": {"Units": "BQML", "RescaleSlope": 2.5, "RescaleIntercept": 0},
}


def stored_pixels(count: int, shape: tuple[int, int] = (4, 5), dtype: str = "uint16") -> np.ndarray:
    """Return stored values in which every voxel of a small stack differs."""
    return np.arange(count * shape[0] * shape[1]).reshape(count, *shape).astype(dtype)


def instance(pixels: np.ndarray, modality: str = "CT", storage: str = "", **tags: Any) -> FileDataset:
    """Return a single-frame instance with ``pixels`` (rows, columns); ``tags`` are added, None removes."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = CLASSES[storage or modality]
    meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset = FileDataset("", {}, file_meta=meta, preamble=bytes(128))
    dataset.SOPClassUID, dataset.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    dataset.Modality, dataset.PatientName, dataset.PatientID = modality, "Doe^Jane", "secret-17"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.FrameOfReferenceUID = "1.2.3", "1.2.3.4", "1.2.3.5"
    dataset.SeriesDescription, dataset.ImageType = "test series", ["ORIGINAL", "PRIMARY", "AXIAL"]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows, dataset.Columns = pixels.shape[-2:]
    dataset.BitsAllocated = dataset.BitsStored = pixels.dtype.itemsize * 8
    dataset.HighBit, dataset.PixelRepresentation = dataset.BitsStored - 1, int(pixels.dtype.kind == "i")
    dataset.PixelData = pixels.tobytes()
    defaults = {"PixelSpacing": [0.8, 0.6], "SliceThickness": 3, "ImageOrientationPatient": list(AXIAL)}
    for keyword, value in {**defaults, **DEFAULTS[modality], **tags}.items():
        if value is not None:
            setattr(dataset, keyword, value)
    return dataset


def write_series(
    folder: Path,
    positions: Sequence[Sequence[float]] = ((-10, -20, 0), (-10, -20, 3), (-10, -20, 6)),
    pixels: np.ndarray | None = None,
    per_slice: Sequence[dict[str, Any]] | None = None,
    prefix: str = "slice",
    **tags: Any,
) -> list[Path]:
    """Write one file for each position (LPS), and return the paths in that order."""
    folder.mkdir(parents=True, exist_ok=True)
    pixels = stored_pixels(len(positions)) if pixels is None else pixels
    paths = []
    for number, position in enumerate(positions):
        own = per_slice[number] if per_slice else {}
        dataset = instance(pixels[number], **{"ImagePositionPatient": list(position), **tags, **own})
        paths.append(folder / f"{prefix}{number:03d}.dcm")
        dataset.save_as(paths[-1], enforce_file_format=True)
    return paths


def enhanced(
    pixels: np.ndarray, positions: Sequence[Sequence[float]], modality: str = "CT", **tags: Any
) -> FileDataset:
    """Return an enhanced multi-frame instance; slope 2 and intercept -7 lie in the shared groups."""
    plain = dict.fromkeys(("PixelSpacing", "SliceThickness", "ImageOrientationPatient"))
    scale = {"RescaleSlope": None, "RescaleIntercept": None}
    dataset = instance(pixels, modality, storage=f"enhanced {modality}", **plain, **scale, **tags)
    dataset.NumberOfFrames = len(pixels)
    shared = Dataset()
    shared.PlaneOrientationSequence = [item(ImageOrientationPatient=list(AXIAL))]
    shared.PixelMeasuresSequence = [item(PixelSpacing=[0.8, 0.6], SliceThickness=3)]
    shared.PixelValueTransformationSequence = [item(RescaleSlope=2, RescaleIntercept=-7, RescaleType="HU")]
    dataset.SharedFunctionalGroupsSequence = [shared]
    dataset.PerFrameFunctionalGroupsSequence = [
        item(PlanePositionSequence=[item(ImagePositionPatient=list(position))]) for position in positions
    ]
    return dataset


def item(**tags: Any) -> Dataset:
    """Return an item of a sequence."""
    made = Dataset()
    for keyword, value in tags.items():
        setattr(made, keyword, value)
    return made
