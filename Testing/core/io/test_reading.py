from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import SimpleITK as sitk
from io_helpers import let_everybody_in, noise_volume, without_privileges

from medsynth_core.errors import MedSynthError
from medsynth_core.io.reading import read_volume
from medsynth_core.io.writing import write_volume
from medsynth_core.volume import Volume

SUFFIXES = [".nii", ".nii.gz", ".nrrd", ".mha"]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_modality_and_unit_are_what_the_user_says(tmp_path, suffix):
    path = write_volume(noise_volume(), tmp_path / f"v{suffix}")
    volume = read_volume(str(path), modality="CT", unit="HU")
    assert (volume.modality, volume.unit) == ("CT", "HU")
    assert (read_volume(path).modality, read_volume(path).unit) == ("", "")


@pytest.mark.parametrize("name", ["ct.nii.gz", "ct.nrrd", "ct.mha", "folder", "slice.dcm"])
def test_a_missing_file_is_reported(tmp_path, name):
    with pytest.raises(MedSynthError, match=f"{name} cannot be read: no such file or folder"):
        read_volume(tmp_path / name)


@pytest.mark.parametrize("name", ["notes.txt", "picture.png", "ct.hdr", "ct"])
def test_a_file_that_is_not_an_image_is_refused(tmp_path, name):
    (tmp_path / name).write_bytes(b"nothing to see here" * 20)
    with pytest.raises(MedSynthError, match=f"{name} is not in a supported image format; choose a NIfTI"):
        read_volume(tmp_path / name)


def test_a_picture_is_no_volume(tmp_path):
    sitk.WriteImage(sitk.GetImageFromArray(np.zeros((5, 6), np.uint8)), str(tmp_path / "picture.png"))
    with pytest.raises(MedSynthError, match="is not in a supported image format"):
        read_volume(tmp_path / "picture.png")


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_voxels_that_are_no_numbers_are_refused(tmp_path, suffix, value):
    voxels = np.ones((3, 4, 5), np.float32)
    voxels[1, 2, 3] = voxels[0, 0, 0] = value
    path = tmp_path / f"v{suffix}"
    sitk.WriteImage(Volume(voxels, np.eye(4)).to_sitk(), str(path))
    with pytest.raises(MedSynthError, match="2 of 60 voxels of .* are not finite"):
        read_volume(path)
    if np.isnan(value):
        assert np.array_equal(read_volume(path, allow_nan=True).voxels, voxels, equal_nan=True)
    else:
        with pytest.raises(MedSynthError, match="2 of 60 voxels of .* are not finite"):
            read_volume(path, allow_nan=True)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_one_voxel_is_no_volume(tmp_path, suffix):
    path = tmp_path / f"v{suffix}"
    sitk.WriteImage(Volume(np.ones((1, 1, 1), np.int16), np.eye(4)).to_sitk(), str(path))
    with pytest.raises(MedSynthError, match="has a single voxel"):
        read_volume(path)


@pytest.mark.parametrize("suffix", [".nrrd", ".mha"])
def test_complex_voxels_are_refused(tmp_path, suffix):
    image = sitk.GetImageFromArray(np.zeros((3, 4, 5), np.complex64))
    sitk.WriteImage(image, str(tmp_path / f"v{suffix}"))
    with pytest.raises(MedSynthError, match="complex|values per voxel"):
        read_volume(tmp_path / f"v{suffix}")


@pytest.mark.parametrize("name", ["ct.nii.gz", "ct.nrrd", "ct.mha", "ct.dcm"])
def test_a_file_without_permission_is_refused(tmp_path, name):
    (tmp_path / name).write_bytes(b"content")
    (tmp_path / name).chmod(0)
    tmp_path.chmod(0o755)
    let_everybody_in(tmp_path)
    with without_privileges(), pytest.raises(MedSynthError, match=r"cannot be read: Permission denied\."):
        read_volume(tmp_path / name)


def test_an_empty_folder_holds_no_images(tmp_path):
    (tmp_path / "notes.txt").write_text("no image")
    with pytest.raises(MedSynthError, match="contains no DICOM images"):
        read_volume(tmp_path)


def test_image_files_are_read_without_loading_dicom_or_torch(tmp_path):
    path = write_volume(noise_volume(), tmp_path / "v.nii.gz")
    code = (
        "import sys; from medsynth_core.io.reading import read_volume; "
        "from medsynth_core.io.writing import write_volume; "
        f"write_volume(read_volume({str(path)!r}), {str(path)!r}); "
        "print([name for name in ('torch', 'monai', 'pydicom') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
