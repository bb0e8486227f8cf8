from __future__ import annotations

import numpy as np
import pytest
from io_helpers import full_disk, noise_volume

from medsynth_core.errors import MedSynthError
from medsynth_core.io.reading import read_volume
from medsynth_core.io.writing import write_labelled, write_volume
from medsynth_core.volume import Volume

SUFFIXES = [".nii", ".nii.gz", ".nrrd", ".mha"]


def noisy(shape: tuple[int, int, int]) -> Volume:
    voxels = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    return Volume(voxels, np.diag([1.0, 2, 3, 1]), "PT", "SUVbw")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path, capfd, suffix):
    path = write_volume(noise_volume(), tmp_path / f"v{suffix}")
    before = path.read_bytes()
    with full_disk(), pytest.raises(MedSynthError, match="cannot be written: ") as refusal:
        write_volume(noisy((20, 30, 40)), path)
    assert refusal.value.kind == "output"
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64, ">f4"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_cannot_be_read_again_is_not_written(tmp_path, suffix, kind, value):
    path = write_volume(noise_volume(), tmp_path / f"v{suffix}")
    before = path.read_bytes()
    voxels = np.ones((3, 4, 5), kind)
    voxels[1, 2, 3] = value
    with pytest.raises(MedSynthError, match="1 of 60 voxels of the volume are not finite") as refusal:
        write_volume(Volume(voxels, np.eye(4)), path)
    assert refusal.value.message.endswith(".") and path.read_bytes() == before and list(tmp_path.iterdir()) == [path]
    with pytest.raises(MedSynthError, match="1 of 60 voxels"):
        write_labelled(Volume(voxels, np.eye(4), metadata={"medsynth_version": "1"}), tmp_path / f"new{suffix}")
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("shape", [(1, 1, 1), (0, 4, 4)])
def test_a_volume_of_fewer_than_two_voxels_is_not_written(tmp_path, suffix, shape):
    with pytest.raises(MedSynthError, match="has (no voxels|a single voxel)"):
        write_volume(Volume(np.ones(shape, np.int16), np.eye(4)), tmp_path / f"v{suffix}")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_file_is_replaced_and_no_other_appears(tmp_path, suffix):
    write_volume(noise_volume(), tmp_path / f"v{suffix}")
    path = write_volume(noisy((4, 5, 6)), tmp_path / f"v{suffix}")
    assert np.array_equal(read_volume(path).voxels, noisy((4, 5, 6)).voxels)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd", ".mha"])
def test_files_are_compressed(tmp_path, suffix):
    empty = Volume(np.zeros((40, 40, 40), np.float32), np.eye(4))
    assert write_volume(empty, tmp_path / f"v{suffix}").stat().st_size < 5000


@pytest.mark.parametrize("name", ["v.png", "v", "v.nii.zip", ".nii.gz", "v.mhd", "v.nhdr", "v.hdr"])
def test_another_suffix_is_refused(tmp_path, name):
    with pytest.raises(MedSynthError, match=r"must end with \.nii, \.nii\.gz, \.nrrd, \.mha"):
        write_volume(noise_volume(), tmp_path / name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_sheared_axes_are_refused(tmp_path, suffix):
    sheared = np.array([[1, 0, 0.3, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]])
    with pytest.raises(MedSynthError, match="not perpendicular"):
        write_volume(noise_volume(ijk_to_ras=sheared), tmp_path / f"v{suffix}")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_masks_and_half_precision_are_written_without_loss(tmp_path, suffix):
    mask = noise_volume().voxels > 50
    half = noise_volume(dtype="f2").voxels / np.float16(4)
    for voxels, kind in ((mask, np.uint8), (half, np.float32)):
        read = read_volume(write_volume(Volume(voxels, np.eye(4)), tmp_path / f"v{suffix}"))
        assert read.voxels.dtype == kind
        assert np.array_equal(read.voxels, voxels)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_foreign_byte_order_is_written_right(tmp_path, suffix):
    voxels = noise_volume(dtype=">f4").voxels
    assert voxels.dtype.str == ">f4"
    read = read_volume(write_volume(Volume(voxels, np.eye(4)), tmp_path / f"v{suffix}"))
    assert np.array_equal(read.voxels, voxels)


def test_complex_numbers_are_refused(tmp_path):
    with pytest.raises(MedSynthError, match="array is of type complex64; choose the magnitude image"):
        write_volume(Volume(np.zeros((2, 2, 2), np.complex64), np.eye(4)), tmp_path / "v.nii.gz")


def test_a_missing_folder_is_refused(tmp_path):
    with pytest.raises(MedSynthError, match="does not exist; create it first") as refusal:
        write_volume(noise_volume(), tmp_path / "missing" / "v.nii.gz")
    assert refusal.value.kind == "output"
    assert list(tmp_path.iterdir()) == []
