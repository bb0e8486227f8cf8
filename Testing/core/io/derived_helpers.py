"""Helpers for tests of derived DICOM: reference series, and other programs to read and validate the result."""

from __future__ import annotations

import math
import shutil
import subprocess
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from dicom_builder import enhanced, injection, item, stored_pixels, write_series
from pydicom import dcmread
from pydicom.dataset import FileDataset
from pydicom.valuerep import DA, TM

from medsynth_core.volume import LPS_TO_RAS, Volume

# Where the slices of `dicom_builder.write_series` lie.
GRID = LPS_TO_RAS @ np.array([[0.6, 0, 0, -10], [0, 0.8, 0, -20], [0, 0, 3, 0], [0, 0, 0, 1.0]])
PATIENT = {
    "PatientBirthDate": "19500102",
    "PatientSex": "F",
    "PatientWeight": "71.5",
    "PatientSize": "1.65",
    "StudyDate": "20200304",
    "StudyTime": "101500",
    "SeriesDate": "20200304",
    "SeriesTime": "103000",
    "AccessionNumber": "A17",
    "StudyID": "S1",
    "ReferringPhysicianName": "Roe^Richard",
    "SeriesNumber": 4,
    "PatientPosition": "HFS",
    "Manufacturer": "Scanner Works",
    "ManufacturerModelName": "Ring 3",
}
FLUORINE = item(CodeValue="77004003", CodingSchemeDesignator="SCT", CodeMeaning="^18^Fluorine")
# What dciodvfy says of every object here: Debian's is of 2022 and does not know Synthetic Data, which is newer.
KNOWN_FINDINGS = (
    "Error - Attribute with an even group number is not a recognized standard attribute - (0x0008,0x001c)",
)


def ct_reference(folder: Path, **tags: Any) -> Path:
    """Write a CT of three slices, and return its folder."""
    write_series(folder, **{"SeriesInstanceUID": "1.2.3.40", **PATIENT, **tags})
    return folder


def pet_reference(folder: Path, **tags: Any) -> Path:
    """Write a PET in Bq/mL of three slices with the tags that its SUV depends on, and return its folder."""
    tracer = item(
        Radiopharmaceutical="FDG",
        RadiopharmaceuticalStartTime="093000",
        RadionuclideTotalDose="370000000",
        RadionuclideHalfLife="6586.2",
        RadionuclideCodeSequence=[FLUORINE],
    )
    own = {
        "CorrectedImage": ["ATTN", "DECY", "SCAT"],
        "DecayCorrection": "START",
        "SeriesType": ["WHOLE BODY", "IMAGE"],
        "ActualFrameDuration": 120000,
        "AcquisitionDate": "20200304",
        "RadiopharmaceuticalInformationSequence": [tracer],
    }
    per_slice = [
        {"AcquisitionTime": f"10300{number}", "FrameReferenceTime": 60000 + number, "DecayFactor": 1.01 + number / 100}
        for number in range(3)
    ]
    chosen = {"SeriesInstanceUID": "1.2.3.41", **PATIENT, **own, **tags}
    write_series(folder, modality="PT", per_slice=per_slice, **chosen)
    return folder


def enhanced_pet_reference(folder: Path, **tags: Any) -> Path:
    """Write an enhanced PET in Bq/mL, an hour after the injection and on two beds half an hour apart.

    It was corrected for decay to 11:00; None removes a tag.
    """
    stated = {
        "SeriesInstanceUID": "1.2.3.42",
        **PATIENT,
        "Units": None,
        "DecayCorrected": "YES",
        "DecayCorrectionDateTime": "20250101110000",
        "AttenuationCorrected": "YES",
        "ScatterCorrected": "YES",
        "RandomsCorrected": "NO",
        "SeriesDate": "20250101",
        "SeriesTime": "143000",
        **injection(RadionuclideTotalDose=368.08, RadionuclideCodeSequence=[FLUORINE]),
    }
    dataset = enhanced(stored_pixels(3), [(-10, -20, height) for height in (0, 3, 6)], "PT", **{**stated, **tags})
    (shared,) = dataset.SharedFunctionalGroupsSequence
    unit = item(CodeValue="Bq/ml", CodingSchemeDesignator="UCUM", CodeMeaning="Bq/ml")
    mapping = item(MeasurementUnitsCodeSequence=[unit], RealWorldValueSlope=2.5, RealWorldValueIntercept=0.0)
    shared.RealWorldValueMappingSequence = [mapping]
    beds = ("20250101110000", "20250101110000", "20250101113000")
    for group, began in zip(dataset.PerFrameFunctionalGroupsSequence, beds, strict=True):
        group.FrameContentSequence = [item(FrameAcquisitionDateTime=began, FrameAcquisitionDuration=300000.0)]
    folder.mkdir(parents=True)
    dataset.save_as(folder / "enhanced.dcm", enforce_file_format=True)
    return folder


def series_start(header: FileDataset) -> datetime:
    """Return the time that the Frame Reference Time of a slice counts from."""
    return datetime.combine(DA(header.SeriesDate), TM(header.SeriesTime))


def decay_event(header: FileDataset) -> datetime:
    """Return the time that the values of a classic slice are corrected to, by PS3.3 C.8.9.1.1.5."""
    (tracer,) = header.RadiopharmaceuticalInformationSequence
    waited = math.log(header.DecayFactor) * tracer.RadionuclideHalfLife / math.log(2)
    return series_start(header) + timedelta(seconds=header.FrameReferenceTime / 1000 - waited)


def synthetic(
    modality: str = "PT", unit: str = "SUVbw", shape: tuple[int, int, int] = (3, 4, 5), **changes: Any
) -> Volume:
    """Return a volume on the grid of the references, as a model would make it."""
    model = {"model": "tiny", "model_version": "1.2.0", "weights_sha256": "c0ffee", "limits": ["No."]}
    facts: dict[str, Any] = {
        "voxels": np.random.default_rng(1).gamma(2.0, 1.5, shape).astype(np.float32),
        "ijk_to_ras": GRID,
        "metadata": {"synthetic": True, **model},
    }
    return Volume(**{**facts, "modality": modality, "unit": unit, **changes})


def headers(folder: Path) -> list[FileDataset]:
    """Return the objects of a folder in the order of their files."""
    return [dcmread(path) for path in sorted(folder.iterdir())]


def read_with_itk(folder: Path) -> Volume:
    """Return the series as ITK's reader gives it."""
    return Volume.from_sitk(sitk.ReadImage(sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder))))


def read_with_slicer(folder: Path) -> Volume:
    """Return the series as Slicer's own reader of volumes gives it."""
    slicer = pytest.importorskip("slicer", reason="Slicer's reader comes with the package slicer-core")
    import vtk
    from vtk.util.numpy_support import vtk_to_numpy

    scene = slicer.vtkMRMLScene()
    node, storage = slicer.vtkMRMLScalarVolumeNode(), slicer.vtkMRMLVolumeArchetypeStorageNode()
    scene.AddNode(node)
    scene.AddNode(storage)
    files = [str(path) for path in sorted(folder.iterdir())]
    storage.SetFileName(files[0])
    for file in files:
        storage.AddFileName(file)
    storage.SetSingleFile(0)
    storage.SetUseOrientationFromFile(1)
    assert storage.ReadData(node)
    matrix, image = vtk.vtkMatrix4x4(), node.GetImageData()
    node.GetIJKToRASMatrix(matrix)
    voxels = vtk_to_numpy(image.GetPointData().GetScalars()).reshape(image.GetDimensions()[::-1]).copy()
    return Volume(voxels, np.array([[matrix.GetElement(row, column) for column in range(4)] for row in range(4)]))


def findings(file: Path) -> list[str]:
    """Return the errors that dciodvfy finds in a file, but for those that `KNOWN_FINDINGS` explains."""
    if not shutil.which("dciodvfy"):
        pytest.skip("dciodvfy is not installed (Debian: dicom3tools)")
    told = subprocess.run(["dciodvfy", str(file)], capture_output=True, text=True, errors="replace", check=False).stderr
    assert any(line in ("CTImage", "MRImage", "PETImage") for line in told.splitlines()), told
    errors = [line for line in told.splitlines() if line.startswith("Error")]
    return [line for line in errors if not line.startswith(KNOWN_FINDINGS)]
