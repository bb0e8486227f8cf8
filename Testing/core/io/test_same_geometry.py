"""Written in the format of its input, a volume has its geometry to the last bit, as ITK and so Slicer reads it."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from io_helpers import noise_volume, oblique_matrix

from medsynth_core.grid import resample
from medsynth_core.io.reading import read_volume
from medsynth_core.io.writing import write_volume
from medsynth_core.volume import LPS_TO_RAS

SUFFIXES = (".nrrd", ".nii", ".nii.gz", ".mha")
SEEDS = range(60)


def written_by_itk(path: Path, seed: int) -> Path:
    """Write a volume on a random oblique grid with ITK."""
    image = sitk.GetImageFromArray(noise_volume(seed=seed).voxels)
    lps = LPS_TO_RAS @ oblique_matrix(seed, left_handed=seed % 2 == 1)
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    image.SetSpacing(spacing.tolist())
    image.SetDirection((lps[:3, :3] / spacing).ravel().tolist())
    image.SetOrigin(lps[:3, 3].tolist())
    sitk.WriteImage(image, str(path))
    return path


def geometry(path: Path) -> tuple[tuple[float, ...], ...]:
    image = sitk.ReadImage(str(path))
    return image.GetSpacing(), image.GetOrigin(), image.GetDirection()


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("seed", SEEDS)
def test_a_copy_has_the_geometry_that_itk_reads(tmp_path, suffix, seed):
    original = written_by_itk(tmp_path / f"a{suffix}", seed)
    copy = write_volume(read_volume(original), tmp_path / f"b{suffix}")
    again = write_volume(read_volume(copy), tmp_path / f"c{suffix}")
    assert geometry(copy) == geometry(original) == geometry(again)
    assert np.array_equal(read_volume(copy).ijk_to_ras, read_volume(original).ijk_to_ras)


@pytest.mark.parametrize("codes", [(1, 1), (0, 1), (1, 0), (2, 2), (0, 4), (3, 1)])
@pytest.mark.parametrize("units", ["mm", "meter", "micron"])
@pytest.mark.parametrize("seed", range(6))
def test_a_nifti_of_nibabel_is_copied_with_qform_sform_and_unit(tmp_path, codes, units, seed):
    matrix = oblique_matrix(seed, left_handed=seed % 2 == 1)
    image = nib.Nifti1Image(noise_volume().voxels.T, matrix)
    image.set_qform(matrix, codes[0])
    image.set_sform(matrix, codes[1])
    image.header.set_xyzt_units(units, "sec")
    nib.save(image, tmp_path / "a.nii")
    copy = write_volume(read_volume(tmp_path / "a.nii"), tmp_path / "b.nii.gz")
    assert geometry(copy) == geometry(tmp_path / "a.nii")
    assert np.array_equal(nib.load(copy).affine, nib.load(tmp_path / "a.nii").affine)


@pytest.mark.parametrize("target", SUFFIXES)
@pytest.mark.parametrize("source", SUFFIXES)
@pytest.mark.parametrize("seed", range(5))
def test_another_format_has_it_to_its_precision(tmp_path, source, target, seed):
    original = written_by_itk(tmp_path / f"a{source}", seed)
    copy = write_volume(read_volume(original), tmp_path / f"b{target}")
    single = ".nii" in source or ".nii" in target
    for there, here in zip(geometry(original), geometry(copy), strict=True):
        assert np.allclose(there, here, rtol=4e-7 if single else 1e-14, atol=3e-7 if single else 4e-15)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_is_resampled_onto_a_grid_has_its_geometry(tmp_path, suffix):
    like = read_volume(written_by_itk(tmp_path / f"a{suffix}", 3))
    turned = like.ijk_to_ras.copy()
    turned[:3, 3] += 0.3
    moved = resample(like.replace(ijk_to_ras=turned), like)
    assert geometry(write_volume(moved, tmp_path / f"b{suffix}")) == geometry(tmp_path / f"a{suffix}")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_another_grid_is_not_written_in_the_old_numbers(tmp_path, suffix):
    volume = read_volume(written_by_itk(tmp_path / f"a{suffix}", 4))
    turned = volume.ijk_to_ras.copy()
    turned[:3, 3] += 1
    again = read_volume(write_volume(volume.replace(ijk_to_ras=turned), tmp_path / f"b{suffix}"))
    assert np.allclose(again.ijk_to_ras, turned, rtol=1e-6)
