"""Compressed, multi-frame, colour and damaged DICOM files."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from dicom_builder import AXIAL, enhanced, instance, item, stored_pixels, write_series
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.uid import JPEGLSLossless, RLELossless

from medsynth_core.errors import MedSynthError
from medsynth_core.io.dicom import pixels as pixels_module
from medsynth_core.io.dicom.pixels import stored_values
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
    with pytest.raises(MedSynthError, match=r"does not state the position, .* of its 3 frame\(s\)"):
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
def test_a_slice_truncated_in_its_header_is_not_ignored(tmp_path, length):
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
    with pytest.raises(MedSynthError, match="use a lookup table"):
        read_volume(tmp_path)


def coded(folder, code, bits=16, dtype="int16", pixels=None):
    """Write three slices in JPEG-LS, RLE or uncompressed; ``code`` is a transfer syntax or None."""
    kind = np.dtype(dtype)
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1)) if kind.kind == "i" else (0, 2**bits)
    chance = np.random.default_rng(0)
    pixels = chance.integers(low, high, (3, 24, 30)).astype(kind) if pixels is None else pixels
    paths = write_series(folder, pixels=pixels, BitsStored=bits, HighBit=bits - 1, RescaleIntercept=0)
    for path in paths if code else []:
        dataset = dcmread(path)
        dataset.compress(code, generate_instance_uid=False)
        dataset.save_as(path)
    return paths


@pytest.mark.parametrize("code", [JPEGLSLossless, RLELossless])
@pytest.mark.parametrize(
    ("bits", "dtype"), [(16, "int16"), (15, "int16"), (12, "int16"), (16, "uint16"), (12, "uint16")]
)
def test_signed_values_keep_their_sign_in_jpeg_ls_and_rle(tmp_path, code, bits, dtype):
    plain, packed = coded(tmp_path / "plain", None, bits, dtype), coded(tmp_path / "packed", code, bits, dtype)
    assert np.array_equal(read_volume(tmp_path / "packed").voxels, read_volume(tmp_path / "plain").voxels)
    for one, other in zip(plain, packed, strict=True):
        assert np.array_equal(stored_values(str(other)), stored_values(str(one)))


def test_fifteen_signed_bits_in_jpeg_ls_reach_from_end_to_end(tmp_path):
    pixels = np.linspace(-16384, 16383, 3 * 24 * 30).round().reshape(3, 24, 30).astype(np.int16)
    coded(tmp_path, JPEGLSLossless, 15, pixels=pixels)
    voxels = read_volume(tmp_path).voxels
    assert (voxels.min(), voxels.max()) == (-16384, 16383) and np.array_equal(voxels, pixels)


def test_jpeg_2000_that_contradicts_the_sign_in_the_header_is_read_by_the_header():
    """A file that comes with pydicom: 13 signed bits, whose code stream says that they are not signed."""
    path = get_testdata_file("J2K_pixelrep_mismatch.dcm", download=False)
    values = stored_values(path)[0].astype(float)
    dataset = dcmread(path)
    hu = values * float(dataset.get("RescaleSlope", 1)) + float(dataset.get("RescaleIntercept", 0))
    assert (hu.min(), hu.max(), round(hu.mean(), 3)) == (-2000, 1896, -658.437)


@pytest.mark.parametrize("name", ["JPEG2000.dcm", "MR_small_jpeg_ls_lossless.dcm", "MR_small_RLE.dcm"])
def test_codes_of_other_programs_are_read_as_uncompressed(name):
    values = stored_values(get_testdata_file(name, download=False))[0]
    plain = {"JPEG2000.dcm": None}.get(name, "MR_small.dcm")
    if plain is None:
        assert (values.min(), values.max(), values.dtype) == (-30, 245, np.int16)
    else:
        assert np.array_equal(values, stored_values(get_testdata_file(plain, download=False))[0])


@pytest.mark.parametrize("name", ["MR_small_jpeg_ls_lossless.dcm", "JPEG2000.dcm", "JPEG-lossy.dcm"])
@pytest.mark.parametrize(("rows", "columns"), [(1, 0), (0, 1), (10_000, 10_000)])
def test_a_frame_of_another_size_than_stated_is_not_decoded(tmp_path, monkeypatch, name, rows, columns):
    dataset = dcmread(get_testdata_file(name, download=False))
    dataset.Rows, dataset.Columns = dataset.Rows + rows, dataset.Columns + columns
    dataset.save_as(tmp_path / "v.dcm")
    monkeypatch.setattr(pixels_module, "_decoded", lambda *_: pytest.fail("it was decoded"))
    with pytest.raises(MedSynthError, match="damaged"):
        stored_values(str(tmp_path / "v.dcm"))


@pytest.mark.parametrize("seed", range(12))
def test_damaged_rle_is_refused_or_has_the_stated_size_and_takes_no_memory(tmp_path, seed):
    path = coded(tmp_path, RLELossless)[0]
    content, chance = bytearray(path.read_bytes()), np.random.default_rng(seed)
    start = content.index(b"\xfe\xff\x00\xe0", 400)  # the first item of the pixel data
    for place in chance.integers(start, len(content), 8):
        content[place] = chance.integers(256)
    path.write_bytes(content)
    tracemalloc.start()
    try:
        assert stored_values(str(path)).shape == (1, 24, 30)
    except MedSynthError as refusal:
        assert "damaged" in str(refusal)
    finally:
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert most < 20e6
