"""Builds DICOM objects for the tests with the tags that reading depends on."""

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
    "enhanced PT": "1.2.840.10008.5.1.4.1.1.130",
    "screenshot": "1.2.840.10008.5.1.4.1.1.7",
}
AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
DEFAULTS: dict[str, dict[str, Any]] = {
    "CT": {"RescaleSlope": 1, "RescaleIntercept": -1024},
    "MR": {},
    "PT": {"Units": "BQML", "RescaleSlope": 2.5, "RescaleIntercept": 0},
}


# 70 kg and 368.08 MBq of F-18, scanned an hour after injection.
SUV_TAGS: dict[str, Any] = {
    "PatientWeight": 70, "PatientSize": 1.75, "PatientSex": "O", "Units": "BQML", "SeriesType": ["STATIC", "IMAGE"],
    "DecayCorrection": "START", "CorrectedImage": ["NORM", "DTIM", "ATTN", "SCAT", "DECY", "RAN"],
    "SeriesDate": "20250101", "SeriesTime": "110000", "AcquisitionDate": "20250101", "AcquisitionTime": "110000",
    "ActualFrameDuration": 300000, "FrameReferenceTime": 149605,
}  # fmt: skip
INJECTION: dict[str, Any] = {
    "RadiopharmaceuticalStartDateTime": "20250101100000",
    "RadiopharmaceuticalStartTime": "100000",
    "RadionuclideTotalDose": 368.08e6,
    "RadionuclideHalfLife": 6586.2,
}


def stored_pixels(count: int, shape: tuple[int, int] = (4, 5), dtype: str = "uint16") -> np.ndarray:
    """Return stored values in which every voxel of a small stack differs."""
    return np.arange(count * shape[0] * shape[1]).reshape(count, *shape).astype(dtype)


def instance(
    pixels: np.ndarray,
    modality: str = "CT",
    storage: str = "",
    private: dict[tuple[int, int], tuple[str, Any]] | None = None,
    **tags: Any,
) -> FileDataset:
    """Return a single-frame instance with ``pixels`` (rows, columns); ``tags`` are added, None removes.

    ``private`` gives VR and value of elements that have no keyword.
    """
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
    for tag, (vr, value) in (private or {}).items():
        dataset.add_new(tag, vr, value)
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


def write_pet(folder: Path, injected: dict[str, Any] | None = None, **tags: Any) -> list[Path]:
    """Write a PET series with all that an SUV needs; ``injected`` and ``tags`` are changes, None removes."""
    return write_series(folder, modality="PT", **{**SUV_TAGS, **injection(**(injected or {})), **tags})


def injection(**changes: Any) -> dict[str, Any]:
    """Return the radiopharmaceutical information of `INJECTION` with changes, as a tag; None removes."""
    stated = {keyword: value for keyword, value in {**INJECTION, **changes}.items() if value is not None}
    return {"RadiopharmaceuticalInformationSequence": [item(**stated)]}


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
