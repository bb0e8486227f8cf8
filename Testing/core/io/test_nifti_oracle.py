"""Valid NIfTI files are read as nibabel and SimpleITK read them; an orientation that those invent is refused."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from medsynth_core.errors import MedSynthError
from medsynth_core.io.nifti_header import DATATYPES
from medsynth_core.io.reading import read_volume
from medsynth_core.volume import LPS_TO_RAS

SEEDS = range(60)
# Which of the two matrices a header states, and how often these kinds are tried.
STATED = ("both", "both", "sform", "qform")


@dataclass(frozen=True)
class Example:
    """A valid file and what is stored in it."""

    path: Path
    stored: np.ndarray
    stated: str
    version: int


def rotation(chance: np.random.Generator) -> np.ndarray:
    """Return a random rotation, or one that only swaps and turns axes, either also with a mirrored one."""
    if chance.random() < 0.4:
        matrix = np.eye(3)[chance.permutation(3)] * chance.choice([-1, 1], 3)
    else:
        matrix = np.linalg.qr(chance.normal(size=(3, 3)))[0]
    return matrix * [1, 1, chance.choice([-1, 1])]


def affine(chance: np.random.Generator) -> np.ndarray:
    """Return a matrix with perpendicular axes, voxels of 0.3 to 6 mm and an origin within 700 mm."""
    matrix = np.eye(4)
    matrix[:3, :3] = rotation(chance) * chance.uniform(0.3, 6, 3)
    matrix[:3, 3] = chance.uniform(-700, 700, 3)
    return matrix


def voxels(chance: np.random.Generator) -> np.ndarray:
    """Return random numbers (i, j, k) of a random type, over all that the type can hold where it is an integer."""
    kind = np.dtype(chance.choice(list(DATATYPES.values())))
    shape = tuple(int(side) for side in chance.integers(2, 9, 3))
    if kind.kind == "f":
        return chance.normal(0, 500, shape).astype(kind)
    limits = np.iinfo(kind)
    return chance.integers(limits.min, limits.max, shape, dtype=kind, endpoint=True)


def example(seed: int, folder: Path) -> Example:
    """Write a random valid file with nibabel: version, byte order, type, matrices, scale and compression vary."""
    chance = np.random.default_rng(seed)
    stored, matrix, stated = voxels(chance), affine(chance), STATED[seed % len(STATED)]
    version = int(chance.integers(1, 3))
    kind = (nib.Nifti1Image, nib.Nifti2Image)[version - 1]
    header = kind.header_class(endianness=chance.choice(["<", ">"]))
    header.set_data_dtype(stored.dtype)
    image = kind(stored, matrix, header)
    image.header.set_xyzt_units(chance.choice(["mm", "unknown"]), "sec")
    image.set_sform(matrix, int(chance.integers(1, 5)) if stated != "qform" else 0)
    image.set_qform(matrix, int(chance.integers(1, 5)) if stated != "sform" else 0)
    path = folder / f"{seed}{chance.choice(['.nii', '.nii.gz'])}"
    nib.save(image, path)
    return Example(path, stored, stated, version)


def scaled(example: Example, slope: float, intercept: float) -> Example:
    """Write a scale into the header of an example, whose stored numbers stay."""
    image = nib.load(example.path)
    image = type(image)(example.stored, image.affine, image.header)
    image.header.set_slope_inter(slope, intercept)
    path = example.path.with_name("scaled.nii")
    # Through the header alone: given numbers, nibabel would choose the scale itself.
    with path.open("wb") as file:
        image.header["vox_offset"] = image.header.single_vox_offset
        image.header.write_to(file)
        file.write(bytes(image.header.single_vox_offset - file.tell()))
        file.write(example.stored.astype(image.header.get_data_dtype()).tobytes("F"))
    return replace(example, path=path)


def itk_affine(image: sitk.Image) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    matrix[:3, 3] = image.GetOrigin()
    return LPS_TO_RAS @ matrix


def farthest(one: np.ndarray, other: np.ndarray, shape: tuple[int, ...]) -> float:
    """Return how far, in mm, two matrices put a corner of an image (i, j, k) apart at most."""
    corners = np.array([(*(np.array(shape) * where), 1) for where in np.ndindex(2, 2, 2)])
    return float(np.linalg.norm((corners @ (one - other).T)[:, :3], axis=1).max())


@pytest.mark.parametrize("seed", SEEDS)
def test_a_valid_file_is_read_as_nibabel_and_itk_read_it(seed, tmp_path):
    found = example(seed, tmp_path)
    volume, oracle = read_volume(found.path), nib.load(found.path)
    assert volume.voxels.dtype == found.stored.dtype
    assert np.array_equal(volume.voxels, found.stored.T)
    assert np.array_equal(volume.voxels, np.asanyarray(oracle.dataobj).T)
    # A qform is a quaternion in single precision, whose fourth number follows from the three stated ones.
    tolerance = 2e-2 if found.stated == "qform" else 1e-3
    assert farthest(volume.ijk_to_ras, oracle.affine, found.stored.shape) < tolerance
    if found.version == 2:  # which ITK does not read
        return
    itk = sitk.ReadImage(str(found.path))
    assert np.array_equal(volume.voxels, sitk.GetArrayFromImage(itk))
    assert farthest(volume.ijk_to_ras, itk_affine(itk), found.stored.shape) < tolerance


@pytest.mark.parametrize("seed", [seed for seed in SEEDS if STATED[seed % len(STATED)] != "qform"])
def test_a_stated_sform_is_that_of_nibabel_to_the_last_bit(seed, tmp_path):
    found = example(seed, tmp_path)
    assert np.array_equal(read_volume(found.path).ijk_to_ras, nib.load(found.path).affine)


@pytest.mark.parametrize(
    ("slope", "intercept"), [(0.25, -3), (-2, 0), (1, 0), (1, 1000), (1e-4, 0.5), (None, None), (37.5, -1024)]
)
@pytest.mark.parametrize("seed", range(10))
def test_a_scale_is_applied_as_nibabel_and_itk_apply_it(seed, slope, intercept, tmp_path):
    found = scaled(example(seed, tmp_path), slope, intercept)
    volume = read_volume(found.path)
    expected = nib.load(found.path).get_fdata().T
    # Results are in single precision where voxels are not stored in double.
    unit = np.finfo("f8" if found.stored.dtype == np.float64 else "f4").eps
    size = np.abs(expected) + abs(intercept or 0)
    assert np.all(np.abs(volume.voxels - expected) <= 4 * unit * size)
    if found.version == 2:  # which ITK does not read
        return
    itk = sitk.GetArrayFromImage(sitk.ReadImage(str(found.path))).astype(np.float64)
    assert np.all(np.abs(itk - expected) <= 4 * np.finfo("f4").eps * size)


@pytest.mark.parametrize("seed", range(8))
def test_a_sheared_sform_is_kept_as_nibabel_keeps_it(seed, tmp_path):
    chance = np.random.default_rng(seed)
    matrix = affine(chance) @ np.array([[1, 0, 0.2, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]])
    image = nib.Nifti1Image(np.zeros((3, 4, 5), np.int16), matrix)
    image.set_qform(None, 0)
    image.set_sform(matrix, 1)
    nib.save(image, tmp_path / "v.nii")
    assert np.array_equal(read_volume(tmp_path / "v.nii").ijk_to_ras, nib.load(tmp_path / "v.nii").affine)


def test_an_orientation_that_nibabel_and_itk_invent_is_refused(tmp_path):
    image = nib.Nifti1Image(np.zeros((3, 4, 5), np.int16), None)
    image.set_qform(None, 0)
    image.set_sform(None, 0)
    nib.save(image, tmp_path / "v.nii")
    assert not np.array_equal(nib.load(tmp_path / "v.nii").affine, itk_affine(sitk.ReadImage(str(tmp_path / "v.nii"))))
    with pytest.raises(MedSynthError, match="sform and qform codes are both 0"):
        read_volume(tmp_path / "v.nii")
