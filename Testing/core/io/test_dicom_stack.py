"""Slices of one series: order, position and scale, and which sets of slices are not a volume."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import SimpleITK as sitk
from dicom_builder import enhanced, stored_pixels, write_pet, write_series
from io_helpers import oblique_matrix

from medsynth_core.errors import MedSynthError
from medsynth_core.io.reading import read_volume
from medsynth_core.volume import Volume


def along_z(*heights: float) -> list[tuple[float, float, float]]:
    return [(-10, -20, height) for height in heights]


def test_the_matrix_follows_from_the_tags(tmp_path):
    write_series(tmp_path)
    volume = read_volume(tmp_path)
    expected = [[-0.6, 0, 0, 10], [0, -0.8, 0, 20], [0, 0, 3, 0], [0, 0, 0, 1]]
    assert np.array_equal(volume.ijk_to_ras, expected)
    assert (volume.modality, volume.unit) == ("CT", "HU")


def test_slices_are_sorted_by_place_and_not_by_name(tmp_path):
    pixels = stored_pixels(4)
    write_series(tmp_path, along_z(6, 0, 9, 3), pixels)
    volume = read_volume(tmp_path)
    assert np.array_equal(volume.voxels, pixels[[1, 3, 0, 2]].astype(int) - 1024)


@pytest.mark.parametrize("seed", range(4))
def test_oblique_series_lie_where_itk_puts_them(tmp_path, seed):
    turn = oblique_matrix(seed)
    row, column, normal = (turn[:3, axis] / np.linalg.norm(turn[:3, axis]) for axis in range(3))
    positions = [np.round(turn[:3, 3] + 2.5 * k * normal, 6).tolist() for k in (2, 0, 3, 1)]
    orientation = np.round([*row, *column], 8).tolist()
    paths = write_series(tmp_path, positions, ImageOrientationPatient=orientation)
    image = sitk.ReadImage([str(paths[k]) for k in (1, 3, 0, 2)])
    ours, itk = read_volume(tmp_path), Volume.from_sitk(image)
    assert np.array_equal(ours.voxels, itk.voxels)
    assert np.allclose(ours.ijk_to_ras, itk.ijk_to_ras, atol=1e-4)


def test_each_slice_has_its_own_scale(tmp_path):
    pixels = stored_pixels(3, dtype="int16")
    scales = [{"RescaleSlope": slope, "RescaleIntercept": shift} for slope, shift in ((2, 0), (0.5, 1), (1.25, 0))]
    write_series(tmp_path, pixels=pixels, per_slice=scales, modality="MR")
    volume = read_volume(tmp_path)
    assert volume.voxels.dtype == np.float32
    assert np.array_equal(volume.voxels, pixels * np.reshape([2, 0.5, 1.25], (3, 1, 1)) + [[[0]], [[1]], [[0]]])


@pytest.mark.parametrize(("intercept", "dtype", "result"), [(-1024, "uint16", "int16"), (40000, "uint16", "int32")])
def test_whole_numbers_stay_whole(tmp_path, intercept, dtype, result):
    pixels = stored_pixels(3, dtype=dtype)
    write_series(tmp_path, pixels=pixels, RescaleIntercept=intercept)
    volume = read_volume(tmp_path)
    assert volume.voxels.dtype == result
    assert np.array_equal(volume.voxels, pixels.astype(int) + intercept)


def test_signed_values_and_overlays_in_unused_bits(tmp_path):
    values = np.array([[[-1000, 5], [0, 2047]], [[-2048, 1], [2, 3]]], np.int16)
    with_overlay = (values & 0x0FFF) | (np.arange(8).reshape(2, 2, 2) << 12).astype(np.int16)
    tags = {"BitsStored": 12, "HighBit": 11, "RescaleIntercept": 0}
    write_series(tmp_path, along_z(0, 3), with_overlay.astype(np.int16), **tags)
    assert np.array_equal(read_volume(tmp_path).voxels, values)


def test_the_shear_of_a_tilted_gantry_is_kept_exactly(tmp_path):
    write_series(tmp_path, along_z(0, 5, 10), ImageOrientationPatient=[1, 0, 0, 0, 0.97, -0.2431])
    volume = read_volume(tmp_path)
    assert np.array_equal(volume.ijk_to_ras[:3, 2], [0, 0, 5])
    assert np.array_equal(volume.ijk_to_ras[:3, 1], [0, -0.97 * 0.8, -0.2431 * 0.8])


def test_missing_slices_are_counted_and_placed(tmp_path):
    write_series(tmp_path, along_z(0, 3, 6, 15, 18, 24))
    with pytest.raises(MedSynthError, match=r"3 slice\(s\) .* missing, the first ones between slices 3 and 4 \(9\.00"):
        read_volume(tmp_path)


def test_uneven_spacing_is_refused(tmp_path):
    write_series(tmp_path, along_z(0, 3, 7.2, 10))
    with pytest.raises(MedSynthError, match=r"unevenly spaced \(2\.80 to 4\.20 mm, widest between slices 2 and 3\)"):
        read_volume(tmp_path)


def test_a_slice_that_is_shifted_sideways_is_refused(tmp_path):
    write_series(tmp_path, [(-10, -20, 0), (-10, -20, 3), (-10, -20, 6), (-10, -15, 9)])
    with pytest.raises(MedSynthError, match=r"are shifted sideways against each other \(slice 4 by 5\.00 mm\)"):
        read_volume(tmp_path)


def test_slices_that_are_neither_even_nor_in_line_are_unevenly_spaced(tmp_path):
    write_series(tmp_path, [(-10, -20, 0), (-10, -15, 3), (-10, -20, 7.2), (-10, -20, 10)])
    with pytest.raises(MedSynthError, match=r"unevenly spaced \(2\.80 to 4\.20 mm"):
        read_volume(tmp_path)


@pytest.mark.parametrize("stated", [2, 4])
def test_a_wrong_number_of_frames_is_refused_for_that_reason(tmp_path, stated):
    dataset = enhanced(stored_pixels(3), along_z(0, 3, 6))
    dataset.NumberOfFrames = stated
    dataset.save_as(tmp_path / "enhanced.dcm", enforce_file_format=True)
    with pytest.raises(
        MedSynthError, match=rf"states {stated} frame\(s\) \(Number of Frames .* describes 3 \(Per-Frame"
    ):
        read_volume(tmp_path)


def test_rounded_positions_pass(tmp_path):
    write_series(tmp_path, along_z(*[round(k * 3.2699, 1) for k in range(12)]))
    assert read_volume(tmp_path).spacing[2] == pytest.approx(3.27, abs=0.01)


def test_several_images_at_one_place_are_refused(tmp_path):
    write_series(tmp_path, along_z(0, 3, 6, 0, 3, 6))
    with pytest.raises(MedSynthError, match="3 of the 6 slices .* have the same position as another one"):
        read_volume(tmp_path)


def test_copies_of_one_instance_count_once(tmp_path):
    for path in write_series(tmp_path):
        shutil.copy(path, tmp_path / f"copy of {path.name}")
    assert read_volume(tmp_path).shape == (3, 4, 5)


def test_mixed_orientations_are_refused(tmp_path):
    sagittal = {"ImageOrientationPatient": [0, 1, 0, 0, 0, -1]}
    write_series(tmp_path, along_z(0, 3, 6), per_slice=[{}, {}, sagittal])
    with pytest.raises(MedSynthError, match="have 2 different orientations"):
        read_volume(tmp_path)


@pytest.mark.parametrize(
    ("own", "tag"),
    [
        ({"PatientID": "another"}, "Patient ID (0010,0020)"),
        ({"FrameOfReferenceUID": "1.2.3.9"}, "Frame of Reference UID (0020,0052)"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.4"}, "SOP Class UID (0008,0016)"),
    ],
)
def test_slices_of_several_patients_spaces_or_kinds_are_refused(tmp_path, own, tag):
    common = {"PatientID": "P1", "FrameOfReferenceUID": "1.2.3.4"}
    write_series(tmp_path, along_z(0, 3, 6), per_slice=[common, common, {**common, **own}])
    with pytest.raises(MedSynthError) as refusal:
        read_volume(tmp_path)
    assert f"have 2 different values of {tag}, so they are not a single volume" in refusal.value.message


@pytest.mark.parametrize("own", [{"PixelSpacing": [0.8, 0.7]}, {"Rows": 5, "Columns": 4}])
def test_mixed_sizes_are_refused(tmp_path, own):
    write_series(tmp_path, per_slice=[{}, {}, own])
    with pytest.raises(MedSynthError, match="2 different sizes or pixel spacings"):
        read_volume(tmp_path)


def test_a_single_slice_is_as_thick_as_it_says(tmp_path):
    write_series(tmp_path, along_z(7))
    assert read_volume(tmp_path).spacing == (0.6, 0.8, 3.0)


def test_a_single_slice_of_unstated_thickness_is_refused(tmp_path):
    write_series(tmp_path, along_z(7), SliceThickness=None)
    with pytest.raises(MedSynthError, match="states no thickness"):
        read_volume(tmp_path)


@pytest.mark.parametrize("tag", ["ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"])
def test_slices_without_a_place_are_refused(tmp_path, tag):
    write_series(tmp_path, **{tag: None})
    with pytest.raises(MedSynthError, match="does not state the position"):
        read_volume(tmp_path)


def test_a_mosaic_is_refused(tmp_path):
    write_series(tmp_path, modality="MR", ImageType=["ORIGINAL", "PRIMARY", "M", "MOSAIC"])
    with pytest.raises(MedSynthError, match="is a mosaic"):
        read_volume(tmp_path)


@pytest.mark.parametrize("modality", ["CT", "MR", "PT"])
@pytest.mark.parametrize(
    ("apart", "stated", "thickness", "words"),
    [
        (6, 3, 3, "6 mm apart, but Spacing Between Slices (0018,0088) is 3: 1 of 2 slices may be missing"),
        (6, 3, None, "1 of 2 slices may be missing"),
        (7.5, 2.5, 2, "2 of 3 slices may be missing"),
        (4, 2, 5, "1 of 2 slices may be missing"),
        (3, 3, 3, ""),
        (3, 3, 6, ""),
        (6, 3, 6, ""),  # every second one of overlapping slices
        (6, 2, 4, ""),  # the gap between thick slices
        (3.27, 3, 3, ""),
        (3, 0, 3, ""),
        (3, -1.5, 1.5, ""),
        (3, None, 3, ""),
        (3, 6, 3, ""),
    ],
)
def test_a_stated_distance_that_the_slices_are_a_multiple_of_is_doubted(
    tmp_path, modality, apart, stated, thickness, words
):
    place = {"SpacingBetweenSlices": stated, "SliceThickness": thickness}
    write_series(tmp_path, along_z(0, apart, 2 * apart), modality=modality, **place)
    found = read_volume(tmp_path).metadata.get("warnings", [])
    assert [words in each for each in found] == [True] * bool(words)


def test_a_pet_in_suv_keeps_that_doubt_among_its_warnings(tmp_path):
    pixels = 6000 + stored_pixels(3)
    write_pet(tmp_path, SpacingBetweenSlices=1.5, SliceThickness=1.5, pixels=pixels)
    volume = read_volume(tmp_path)
    (doubt,) = volume.metadata["suv"]["warnings"]
    assert "1 of 2 slices may be missing" in doubt and "warnings" not in volume.metadata
