"""Suffixes count in any letter case: an image is read and written as what its suffix says."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from io_helpers import full_disk, noise_volume

from medsynth_core.errors import MedSynthError
from medsynth_core.io import itk_files
from medsynth_core.io.reading import read_volume
from medsynth_core.io.writing import check_output, write_labelled, write_volume
from medsynth_core.models.library import export_model

LABELLED = noise_volume().replace(modality="PT", unit="SUVbw", metadata={"medsynth_version": "1"})
CASES = [".NII", ".Nii", ".NII.GZ", ".nii.GZ", ".NII.gz", ".Nii.Gz", ".NRRD", ".Nrrd", ".MHA", ".mHA"]


@pytest.mark.parametrize("suffix", CASES)
def test_a_suffix_in_any_letters_is_written_as_what_it_says(tmp_path, suffix):
    check_output(LABELLED, tmp_path / f"v{suffix}")
    path = write_labelled(LABELLED, tmp_path / f"v{suffix}")
    small = write_volume(LABELLED.replace(metadata={}), tmp_path / f"small{suffix.lower()}")
    assert path.read_bytes() == small.read_bytes()
    assert (path.read_bytes()[:2] == b"\x1f\x8b") == suffix.lower().endswith(".gz")
    back = read_volume(path)
    assert np.array_equal(back.voxels, LABELLED.voxels) and np.allclose(back.ijk_to_ras, LABELLED.ijk_to_ras)
    assert back.unit == "SUVbw"
    assert sorted(os.listdir(tmp_path)) == sorted([f"small{suffix.lower()}", "v.json", f"v{suffix}"])


@pytest.mark.parametrize("suffix", [".MHD", ".Mhd", ".NHDR", ".Nhdr"])
def test_a_header_with_its_voxels_in_another_file_is_read(tmp_path, suffix):
    voxels = noise_volume().voxels
    sitk.WriteImage(sitk.GetImageFromArray(voxels), str(tmp_path / f"v{suffix.lower()}"))
    (tmp_path / f"v{suffix.lower()}").rename(tmp_path / f"v{suffix}")
    assert np.array_equal(read_volume(tmp_path / f"v{suffix}").voxels, voxels)


@pytest.mark.parametrize("header", [".hdr", ".HDR", ".Hdr"])
@pytest.mark.parametrize("voxels", [".img", ".IMG", ".Img", ".IMG.GZ"])
def test_a_pair_is_found_in_any_letters(tmp_path, header, voxels):
    sitk.WriteImage(sitk.GetImageFromArray(noise_volume().voxels), str(tmp_path / "v.img"))
    (tmp_path / "v.hdr").rename(tmp_path / f"v{header}")
    content = (tmp_path / "v.img").read_bytes()
    (tmp_path / "v.img").unlink()
    (tmp_path / f"v{voxels}").write_bytes(gzip.compress(content) if voxels.endswith("GZ") else content)
    for half in (header, voxels):
        assert np.array_equal(read_volume(tmp_path / f"v{half}").voxels, noise_volume().voxels)


def test_the_json_of_an_image_in_capitals_says_nothing_of_another(tmp_path):
    other = write_volume(noise_volume(), tmp_path / "pet.nii.gz")
    path = write_labelled(LABELLED, tmp_path / "pet.NRRD")
    assert (read_volume(path).unit, read_volume(other).unit) == ("SUVbw", "")
    again = write_labelled(LABELLED.replace(unit="Bq/mL"), tmp_path / "pet.NII.GZ")
    assert [read_volume(each).unit for each in (path, other, again)] == ["SUVbw", "", "Bq/mL"]


@pytest.mark.parametrize("suffix", [".MHA", ".mha", ".NRRD", ".nrrd", ".NII.GZ"])
def test_a_full_disk_leaves_nothing(tmp_path, suffix):
    noise = noise_volume((30, 40, 50), seed=1).replace(voxels=np.random.default_rng(0).normal(size=(30, 40, 50)))
    with full_disk(), pytest.raises(MedSynthError, match="cannot be written"):
        write_volume(noise, tmp_path / f"v{suffix}")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("fails", [True, False])
def test_what_itk_writes_beside_the_file_never_stays(tmp_path, monkeypatch, fails):
    def write(image: sitk.Image, name: str, **options: bool) -> None:
        Path(name).write_bytes(b"header")
        Path(name).with_suffix(".zraw").write_bytes(b"voxels of a patient")
        if fails:
            raise RuntimeError

    monkeypatch.setattr(sitk, "WriteImage", write)
    try:
        itk_files.write_itk(noise_volume(), tmp_path / "v.mha")
    except OSError:
        assert fails
    assert os.listdir(tmp_path) == ([] if fails else ["v.mha"])


@pytest.mark.parametrize("suffix", [".MHA", ".nrrd"])
def test_a_replaced_file_keeps_its_permissions(tmp_path, suffix):
    path = write_volume(noise_volume(), tmp_path / f"v{suffix}")
    path.chmod(0o640)
    write_volume(noise_volume(seed=1), path)
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_package_may_end_in_capitals(tmp_path):
    assert export_model("ct-to-pet", tmp_path / "model.ZIP").read_bytes()[:2] == b"PK"
