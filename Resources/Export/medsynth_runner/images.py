"""Image files: reading, and writing of results with what is stated about them."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from .grid import Grid
from .nifti import check_nifti
from .preparing import Scan
from .refusal import RefusalError

SUFFIXES = (".nii.gz", ".nii", ".nrrd", ".mha")


def read(path: Path, role: str) -> tuple[sitk.Image, Scan]:
    """Return the image in a file, and its voxels (float32) on their grid.

    Raises:
        RefusalError: the file cannot be read, or is not a scalar image with three dimensions.
    """
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    try:
        check_nifti(path)
        image = sitk.ReadImage(str(path))
    except (OSError, RuntimeError) as error:
        raise RefusalError(f"{path} cannot be read as an image; check that it is there and complete.") from error
    if image.GetDimension() != 3 or image.GetNumberOfComponentsPerPixel() != 1:
        kind = f"{image.GetDimension()} dimensions and {image.GetNumberOfComponentsPerPixel()} values per voxel"
        raise RefusalError(f"{path}, the image for '{role}', has {kind}; choose one with three and one.")
    matrix = np.eye(4)
    matrix[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * np.array(image.GetSpacing())
    matrix[:3, 3] = image.GetOrigin()
    voxels = sitk.GetArrayFromImage(image).astype(np.float32, copy=False)
    k, j, i = voxels.shape
    return image, Scan(voxels, Grid((k, j, i), matrix))


def suffix_of(path: Path) -> str:
    """Return the suffix of an image to write.

    Raises:
        RefusalError: no image is written with such a suffix.
    """
    found = next((suffix for suffix in SUFFIXES if path.name.endswith(suffix)), "")
    if not found:
        raise RefusalError(f"{path} has no suffix of an image; choose one of {', '.join(SUFFIXES)}.")
    return found


def write(voxels: np.ndarray, like: sitk.Image, path: Path, facts: Mapping[str, Any]) -> None:
    """Write voxels (k, j, i) on the grid of an image, and what is stated about them as JSON beside it.

    Raises:
        RefusalError: the file cannot be written.
    """
    image = sitk.GetImageFromArray(voxels)
    image.CopyInformation(like)
    image.SetMetaData("ITK_FileNotes", str(facts["description"])[:79])
    suffix = suffix_of(path)
    # Written elsewhere first: a result is there completely or not at all.
    try:
        with tempfile.TemporaryDirectory(prefix=".", dir=path.parent) as folder:
            made, stated = Path(folder) / f"image{suffix}", Path(folder) / "image.json"
            sitk.WriteImage(image, str(made), useCompression=suffix != ".nii")
            stated.write_text(json.dumps({**facts, "image_file": path.name}, indent=2) + "\n", encoding="utf-8")
            os.replace(stated, _beside(path, suffix))
            os.replace(made, path)
    except (OSError, RuntimeError) as error:
        raise RefusalError(f"{path} cannot be written ({str(error).strip().splitlines()[-1]}).") from error


def _beside(path: Path, suffix: str) -> Path:
    """Return the path of the JSON beside an image; another program's JSON of the usual name is left alone."""
    usual = path.with_name(f"{path.name[: -len(suffix)]}.json")
    try:
        content = json.loads(usual.read_text(encoding="utf-8")) if usual.exists() else {"medsynth_version": ""}
    except ValueError:
        content = {}
    return usual if "medsynth_version" in content else path.with_name(f"{path.name}.json")
