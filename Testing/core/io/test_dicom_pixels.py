"""Compressed, multi-frame, colour and damaged DICOM files."""

from __future__ import annotations

import numpy as np
import pytest
from dicom_builder import AXIAL, enhanced, instance, item, stored_pixels, write_series
from pydicom import dcmread
from pydicom.uid import RLELossless

from medsynth_core.errors import MedSynthError
from medsynth_core.io.reading import read_volume

HEIGHTS = ((0, 0, 4), (0, 0, 0), (0, 0, 2))


@pytest.mark.parametrize("dtype", ["uint16", "int16", "uint8"])
def test_rle_compressed_slices(tmp_path, capfd, dtype):
    pixels = stored_pixels(3, (40, 50), "int32").astype(dtype)
    write_series(tmp_path / "plain", pixels=pixels, RescaleSlope=0.5)
    for path in write_series(tmp_path / "rle", pixels=pixels, RescaleSlope=0.5):
        dataset = dcmread(path)
        dataset.compress(RLELossless, generate_instance_uid=False)
        dataset.save_as(path)
    plain, packed = read_volume(tmp_path / "plain"), read_volume(tmp_path / "rle")
    assert np.array_equal(packed.voxels, plain.voxels)
    assert np.array_equal(packed.ijk_to_ras, plain.ijk_to_ras)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.4.102", "1.2.840.10008.1.2.4.201"])
def test_a_compression_that_is_not_supported_is_named(tmp_path, capfd, syntax):
    for path in write_series(tmp_path):
        dataset = dcmread(path)
        dataset.compress(RLELossless, generate_instance_uid=False)
        dataset.file_meta.TransferSyntaxUID = syntax
        dataset.save_as(path)
    with pytest.raises(MedSynthError, match=f"cannot be decoded .*{syntax}.*decompress the series first"):
        read_volume(tmp_path)
    assert capfd.readouterr() == ("", "")


def test_frames_of_an_enhanced_instance_are_sorted_and_scaled(tmp_path):
    pixels = stored_pixels(3)
    enhanced(pixels, HEIGHTS).save_as(tmp_path / "e.dcm", enforce_file_format=True)
    volume = read_volume(tmp_path / "e.dcm")
    assert np.array_equal(volume.voxels, pixels[[1, 2, 0]] * 2.0 - 7)
    assert volume.spacing == (0.6, 0.8, 2.0)
    assert (volume.modality, volume.unit) == ("CT", "HU")
    assert volume.metadata["NumberOfSlices"] == 3


def test_a_compressed_enhanced_instance(tmp_path):
    pixels = stored_pixels(3)
    dataset = enhanced(pixels, HEIGHTS)
    dataset.compress(RLELossless)
    dataset.save_as(tmp_path / "e.dcm", enforce_file_format=True)
    assert np.array_equal(read_volume(tmp_path).voxels, pixels[[1, 2, 0]] * 2.0 - 7)


def test_an_enhanced_instance_with_two_time_points_is_refused(tmp_path):
    enhanced(stored_pixels(6), HEIGHTS + HEIGHTS, "MR").save_as(tmp_path / "e.dcm", enforce_file_format=True)
    with pytest.raises(MedSynthError, match="3 of the 6 slices"):
        read_volume(tmp_path)


def test_an_enhanced_instance_with_two_stacks_is_refused(tmp_path):
    dataset = enhanced(stored_pixels(3), HEIGHTS, "MR")
    sagittal = [item(ImageOrientationPatient=[0, 1, 0, 0, 0, -1])]
    dataset.PerFrameFunctionalGroupsSequence[0].PlaneOrientationSequence = sagittal
    dataset.save_as(tmp_path / "e.dcm", enforce_file_format=True)
    with pytest.raises(MedSynthError, match="2 different orientations"):
        read_volume(tmp_path)


def test_frames_without_functional_groups_have_no_place(tmp_path):
    pixels = stored_pixels(3)
    dataset = instance(pixels, "MR", NumberOfFrames=3, ImagePositionPatient=[0, 0, 0])
    assert list(dataset.ImageOrientationPatient) == list(AXIAL)
    dataset.save_as(tmp_path / "m.dcm", enforce_file_format=True)
    with pytest.raises(MedSynthError, match=r"does not state where its 3 frame\(s\) lie"):
        read_volume(tmp_path)


def test_colours_are_refused(tmp_path):
    for path in write_series(tmp_path):
        dataset = dcmread(path)
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation, dataset.PlanarConfiguration = 3, "RGB", 0
        dataset.PixelData = dataset.PixelData * 3
        dataset.save_as(path)
    with pytest.raises(MedSynthError, match="holds colours"):
        read_volume(tmp_path)


@pytest.mark.parametrize("part", [0.5, 0.9, 0.999])
def test_a_truncated_slice_is_named(tmp_path, capfd, part):
    paths = write_series(tmp_path, pixels=stored_pixels(3, (40, 50)))
    content = paths[1].read_bytes()
    paths[1].write_bytes(content[: int(len(content) * part)])
    with pytest.raises(MedSynthError, match=r"slice001\.dcm is damaged or truncated"):
        read_volume(tmp_path)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("length", [140, 200, 400, 700])
def test_a_slice_that_ends_in_its_header_is_not_passed_over(tmp_path, length):
    paths = write_series(tmp_path)
    paths[2].write_bytes(paths[2].read_bytes()[:length])
    with pytest.raises(MedSynthError, match=r"slice002\.dcm"):
        read_volume(tmp_path)


def test_a_slice_without_pixels_is_named(tmp_path):
    path = write_series(tmp_path)[1]
    dataset = dcmread(path)
    del dataset.PixelData
    dataset.save_as(path)
    with pytest.raises(MedSynthError, match=r"slice001\.dcm is damaged"):
        read_volume(tmp_path)


def test_values_that_follow_a_table_are_refused(tmp_path):
    paths = write_series(tmp_path, modality="MR")
    for path in paths:
        dataset = dcmread(path)
        dataset.ModalityLUTSequence = [dcmread(path, specific_tags=["Modality"])]
        dataset.save_as(path)
    with pytest.raises(MedSynthError, match="follow a table"):
        read_volume(tmp_path)
