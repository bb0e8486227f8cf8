"""What MedSynth makes of an input, and what other libraries read in it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

Image = tuple[np.ndarray, np.ndarray]  # voxels (k, j, i) and matrix from (i, j, k) to RAS
# Part of an image's size by which rounding may move a corner, in general and of a quaternion near half a turn: ITK
# takes one within 1e-7 for half a turn, nibabel does not.
_ROUNDING, _QUATERNION = 3e-6, 8e-4
# Part of a voxel by which two matrices of a header may differ.
_MOVED = 0.01
LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
# Memory that another library gets for one small file.
_MEMORY = 256 * 2**20


def read_image(path: Path) -> Image:
    """Return the image that MedSynth reads."""
    from medsynth_core.io.reading import read_volume

    volume = read_volume(path, unit="Bq/mL" if _is_pet(path) else "")
    return volume.voxels, volume.ijk_to_ras


def _is_pet(path: Path) -> bool:
    return path.is_dir() and any(b"BQML" in file.read_bytes() for file in path.iterdir())


def check_package(path: Path) -> None:
    """Verify a model package."""
    from medsynth_core.models.library import verify_model

    verify_model(path)


def check_recipe(path: Path) -> None:
    """Read a recipe."""
    from medsynth_core.recipes.recipe import read_recipe

    read_recipe(path)


def check_manifest(path: Path) -> None:
    """Read a manifest and check its cases."""
    from medsynth_core.datasets.manifest import read_manifest, roles_in

    read_manifest(path, roles_in(path))


def check_request(path: Path) -> None:
    """Run the job of a request as the worker does."""
    from medsynth_core.errors import MedSynthError
    from medsynth_core.progress import Progress
    from medsynth_core.worker.server import JOBS, _parsed

    request = _parsed(path.read_text(encoding="utf-8", errors="replace"))
    if request is None or request["job"] not in JOBS:
        raise MedSynthError("No such job.")
    JOBS[request["job"]](request, Progress())


CHECKS: dict[str, Callable[[Path], Image | None]] = {
    "nifti": read_image,
    "nrrd": read_image,
    "metaimage": read_image,
    "dicom": read_image,
    "package": check_package,
    "recipe": check_recipe,
    "manifest": check_manifest,
    "request": check_request,
}


def nibabel_image(path: Path) -> Image:
    """Return the image that nibabel reads, with the matrix in millimetres."""
    import nibabel as nib

    found = nib.load(path)
    unit = {1: 1000.0, 3: 0.001}.get(int(found.header["xyzt_units"]) & 7, 1.0)
    voxels = np.asanyarray(found.dataobj)
    return voxels.reshape((*voxels.shape, 1, 1)[:3]).T, np.diag([unit, unit, unit, 1]) @ found.affine


def itk_image(path: Path) -> Image:
    """Return the image that ITK, and so 3D Slicer, reads."""
    import SimpleITK as sitk

    return _of_itk(sitk.ReadImage(str(path)))


def gdcm_image(path: Path) -> Image:
    """Return the DICOM series that ITK reads with GDCM."""
    import SimpleITK as sitk

    with _little_memory():
        (series,) = sitk.ImageSeriesReader.GetGDCMSeriesIDs(str(path))
        names = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(path), series)
        if len(names) != sum(1 for _ in path.iterdir()):
            raise ValueError("files that GDCM passes over")
        return _of_itk(sitk.ReadImage(names))


@contextmanager
def _little_memory() -> Iterator[None]:
    """Let GDCM refuse an element that claims gigabytes at once: it fills that memory before it reads the file."""
    if not sys.platform.startswith("linux"):
        yield
        return
    import resource

    limits = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + _MEMORY, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)


def pydicom_image(path: Path) -> Image:
    """Return the slices of a series as pydicom reads them, in the order of their positions."""
    from pydicom import dcmread

    slices = [dcmread(file) for file in path.iterdir()]
    if len({each.SeriesInstanceUID for each in slices}) > 1 or len({each.SOPInstanceUID for each in slices}) < len(
        slices
    ):
        raise ValueError("no single series")
    across = np.cross(*np.reshape(slices[0].ImageOrientationPatient, (2, 3)).astype(float))
    slices.sort(key=lambda each: float(across @ np.array(each.ImagePositionPatient, dtype=float)))
    planes = [
        each.pixel_array * float(each.get("RescaleSlope", 1)) + float(each.get("RescaleIntercept", 0))
        for each in slices
    ]
    first = slices[0]
    lps = np.eye(4)
    row, column = np.reshape(first.ImageOrientationPatient, (2, 3)).astype(float)
    lps[:3, 0], lps[:3, 1] = row * float(first.PixelSpacing[1]), column * float(first.PixelSpacing[0])
    place = [np.array(each.ImagePositionPatient, dtype=float) for each in slices]
    lps[:3, 2], lps[:3, 3] = (place[-1] - place[0]) / (len(place) - 1), place[0]
    return np.stack(planes), LPS_TO_RAS @ lps


def _of_itk(image: Any) -> Image:
    import SimpleITK as sitk

    voxels = sitk.GetArrayFromImage(image)
    if image.GetDimension() != 3 or voxels.ndim != 3:
        return voxels.reshape((1, 1, *voxels.shape)[-3:]), np.full((4, 4), np.nan)
    lps = np.eye(4)
    lps[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    lps[:3, 3] = image.GetOrigin()
    return voxels, LPS_TO_RAS @ lps


ORACLES: dict[str, tuple[Callable[[Path], Image], ...]] = {
    "nifti": (nibabel_image, itk_image),
    "nrrd": (itk_image,),
    "metaimage": (itk_image,),
    "dicom": (gdcm_image, pydicom_image),
}


def differences(kind: str, path: Path, image: Image) -> Iterator[str]:
    """Yield how the images that other libraries read differ from MedSynth's; one that refuses is not asked.

    ITK computes slices of a DICOM series that have different scales in the type of the first one, where others
    overflow; so one of the two libraries for DICOM must agree, and both of those for NIfTI.
    """
    found = [list(_answers(oracle, path, image)) for oracle in ORACLES.get(kind, ())]
    answered = [answer[0] for answer in found if answer]
    if kind != "dicom" or all(answered):
        yield from (what for answer in answered for what in answer)


def _answers(oracle: Callable[[Path], Image], path: Path, image: Image) -> Iterator[list[str]]:
    """Yield the differences to one library's image, or nothing if it refuses."""
    try:
        with np.errstate(all="ignore"):
            theirs = oracle(path)
    except Exception:  # other libraries refuse with whatever they raise
        return
    slack = _QUATERNION if _quaternion_counts(path, oracle is itk_image) else _ROUNDING
    yield [f"{oracle.__name__}: {what}" for what in _differ(image, theirs, slack)]


def _quaternion_counts(path: Path, always: bool) -> bool:
    """Return whether a NIfTI file states a quaternion near half a turn, and ``always`` or nothing else.

    ITK reads the quaternion; nibabel does where there is nothing else.
    """
    import nibabel as nib

    try:
        header = nib.load(path).header
        header["quatern_b"], header["sform_code"]
    except Exception:  # another kind of file, or one that nibabel refuses
        return False
    b, c, d = (float(header[f"quatern_{letter}"]) for letter in "bcd")
    return (always or int(header["sform_code"]) == 0) and 1 - (b * b + c * c + d * d) < (1e-3 if always else 1e-6)


def _differ(ours: Image, theirs: Image, slack: float) -> Iterator[str]:
    if ours[0].shape != theirs[0].shape:
        yield f"shape {theirs[0].shape} instead of {ours[0].shape}"
        return
    one, other = ours[0].astype(np.float64), theirs[0].astype(np.float64)
    tolerance = 1e-5 * np.abs(one) + 1e-6 * max(1.0, float(np.abs(one).max()))
    wrong = int((~(np.abs(one - other) <= tolerance)).sum())
    if wrong:
        yield f"{wrong} of {one.size} voxels differ"
    if np.isnan(theirs[1]).all():
        return  # a two-dimensional image states no third axis
    corners = np.array([(*np.multiply(ours[0].shape[::-1], where), 1) for where in np.ndindex(2, 2, 2)])
    apart = np.linalg.norm((corners @ (ours[1] - theirs[1]).T)[:, :3], axis=1).max()
    size = np.linalg.norm(ours[1][:3, :3] @ ours[0].shape[::-1])
    voxel = np.linalg.norm(ours[1][:3, :3], axis=0).min()
    if not apart <= max(2e-3, _MOVED * voxel) + slack * size:
        yield f"matrix puts a corner {apart:.3g} mm away"
