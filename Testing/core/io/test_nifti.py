from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from io_helpers import noise_volume, oblique_matrix

from medsynth_core.errors import MedSynthError
from medsynth_core.io.reading import read_volume
from medsynth_core.io.writing import check_output, write_labelled, write_volume
from medsynth_core.volume import LPS_TO_RAS, Volume

ORIENTATIONS = ["RAS", "LAS", "LPS", "ASL", "IRA", "PIR", "RPI", "SPL"]


def patch(path: Path, offset: int, kind: str, *values: float) -> Path:
    """Overwrite fields of the header of an uncompressed NIfTI file."""
    content = bytearray(path.read_bytes())
    struct.pack_into(kind, content, offset, *values)
    path.write_bytes(content)
    return path


def itk_matrix(image: sitk.Image) -> np.ndarray:
    lps = np.eye(4)
    lps[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    lps[:3, 3] = image.GetOrigin()
    return LPS_TO_RAS @ lps


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_one_head_in_eight_axis_orders_is_one_head(shared_data, orientation):
    folder = shared_data / "dicom-edge" / "nifti-orientations"
    straight, turned = (read_volume(folder / f"{name}.nii.gz") for name in ("RAS", orientation))
    to_turned = np.linalg.inv(turned.ijk_to_ras) @ straight.ijk_to_ras
    indices = np.indices(straight.shape[::-1]).reshape(3, -1)
    i, j, k = np.rint(to_turned[:3, :3] @ indices + to_turned[:3, 3:]).astype(int)
    assert np.abs(to_turned[:3, :3] - np.rint(to_turned[:3, :3])).max() < 1e-5
    assert np.array_equal(turned.voxels[k, j, i], straight.voxels[indices[2], indices[1], indices[0]])


@pytest.mark.parametrize(
    "name",
    [f"dicom-edge/nifti-orientations/{name}.nii.gz" for name in ORIENTATIONS]
    + [f"torso-ct-labels/{name}.nii.gz" for name in ("ct_3mm", "ct_3mm_organs_117class", "mr_3mm")]
    + ["stroke-multimodal/T2.nii.gz", "sts/STS_008/ct.nii.gz", "sts/STS_008/pet.nii.gz"],
)
def test_real_files_read_as_itk_and_so_slicer_reads_them(shared_data, name):
    volume, image = read_volume(shared_data / name), sitk.ReadImage(str(shared_data / name))
    assert np.allclose(volume.voxels, sitk.GetArrayFromImage(image), rtol=1e-6, atol=0)
    corner = [*np.subtract(image.GetSize(), 1), 1]
    assert np.abs((volume.ijk_to_ras - itk_matrix(image)) @ corner).max() < 1e-3


@pytest.mark.parametrize("name", ["stroke-multimodal/T1.nii.gz", "torso-ct-labels/ct_3mm.nii.gz"])
def test_a_file_keeps_voxels_and_matrix_bit_by_bit_through_a_round_trip(shared_data, tmp_path, name):
    first = read_volume(shared_data / name)
    second = read_volume(write_volume(first, tmp_path / "copy.nii.gz"))
    assert np.array_equal(first.ijk_to_ras, second.ijk_to_ras)
    assert first.voxels.dtype == second.voxels.dtype
    assert np.array_equal(first.voxels, second.voxels)


@pytest.mark.parametrize("seed", range(20))
def test_any_matrix_is_rounded_once_and_then_stays(tmp_path, seed):
    volume = noise_volume(ijk_to_ras=oblique_matrix(seed, left_handed=seed % 2 == 1))
    once = read_volume(write_volume(volume, tmp_path / "a.nii"))
    twice = read_volume(write_volume(once, tmp_path / "b.nii.gz"))
    assert np.array_equal(once.ijk_to_ras, volume.ijk_to_ras.astype(np.float32))
    assert np.array_equal(once.ijk_to_ras, twice.ijk_to_ras)


@pytest.mark.parametrize("diagonal", [(1, 1, 1), (-1, -1, 1), (1, -1, -1), (-1, 1, -1), (-1, 1, 1), (1, 1, -1)])
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_itk_reads_what_is_written(tmp_path, diagonal, suffix):
    matrix = np.diag([*np.array([0.5, 0.75, 3]) * diagonal, 1.0])
    matrix[:3, 3] = 10, -20, 30
    volume = noise_volume(ijk_to_ras=matrix)
    image = sitk.ReadImage(str(write_volume(volume, tmp_path / f"v{suffix}")))
    assert np.array_equal(sitk.GetArrayFromImage(image), volume.voxels)
    assert np.allclose(itk_matrix(image), matrix, atol=1e-5)


@pytest.mark.parametrize("seed", range(10))
def test_the_qform_says_the_same_as_the_sform(tmp_path, seed):
    matrix = oblique_matrix(seed, left_handed=seed % 2 == 1)
    path = write_volume(noise_volume(ijk_to_ras=matrix), tmp_path / "v.nii")
    patch(path, 254, "<h", 0)
    assert np.allclose(read_volume(path).ijk_to_ras, matrix, atol=2e-4)


@pytest.mark.parametrize("kind", ["u1", "i1", "u2", "i2", "u4", "i4", "i8", "u8", "f4", "f8"])
def test_every_number_type_survives(tmp_path, kind):
    volume = noise_volume(dtype=kind)
    path = write_volume(volume, tmp_path / "v.nii.gz")
    read = read_volume(path)
    assert read.voxels.dtype == np.dtype(kind)
    assert np.array_equal(read.voxels, volume.voxels)
    assert np.array_equal(sitk.GetArrayFromImage(sitk.ReadImage(str(path))), volume.voxels)


def test_voxels_can_be_changed_after_reading(tmp_path):
    volume = read_volume(write_volume(noise_volume(), tmp_path / "v.nii.gz"))
    volume.voxels[0, 0, 0] = 77
    assert volume.voxels[0, 0, 0] == 77


def test_scale_and_intercept_of_the_header_are_applied(tmp_path):
    volume = noise_volume()
    path = patch(write_volume(volume, tmp_path / "v.nii"), 112, "<2f", 0.25, -3)
    read = read_volume(path)
    assert read.voxels.dtype == np.float32
    assert np.array_equal(read.voxels, volume.voxels * 0.25 - 3)


NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize("scale", [(0, 0), (0, NAN), (NAN, 0), (NAN, INF), (INF, 0), (-INF, NAN)])
def test_a_slope_of_zero_or_none_means_that_there_is_no_scale(tmp_path, scale):
    path = patch(write_volume(noise_volume(), tmp_path / "v.nii"), 112, "<2f", *scale)
    assert np.array_equal(read_volume(path).voxels, noise_volume().voxels)


@pytest.mark.parametrize("scale", [(0, 50), (NAN, 5), (INF, -5), (2, NAN), (1, INF), (1e-20, 0), (1e-17, 5)])
def test_a_scale_that_programs_read_differently_is_refused(tmp_path, scale):
    path = patch(write_volume(noise_volume(), tmp_path / "v.nii"), 112, "<2f", *scale)
    with pytest.raises(MedSynthError, match="a scale of the voxels that programs read differently"):
        read_volume(path)


@pytest.mark.parametrize("offset", [0, 4, 348, 351, 352.5, -352, NAN, INF, -INF])
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_voxels_that_start_within_the_header_or_nowhere_are_refused(tmp_path, offset, suffix):
    path = patch(write_volume(noise_volume(), tmp_path / "w.nii"), 108, "<f", offset)
    content = path.read_bytes()
    path = tmp_path / f"v{suffix}"
    path.write_bytes(gzip.compress(content) if suffix == ".nii.gz" else content)
    with pytest.raises(MedSynthError, match="states that the voxels start at byte"):
        read_volume(path)


@pytest.mark.parametrize("offset", [1e9, 3e38])
def test_voxels_that_start_behind_the_end_are_refused(tmp_path, offset):
    path = patch(write_volume(noise_volume(), tmp_path / "v.nii"), 108, "<f", offset)
    with pytest.raises(MedSynthError, match="ends before the last voxel"):
        read_volume(path)


def test_what_lies_between_header_and_voxels_and_behind_them_is_left_out(tmp_path):
    content = bytearray(write_volume(noise_volume(), tmp_path / "v.nii").read_bytes())
    struct.pack_into("<f", content, 108, 384)
    (tmp_path / "v.nii").write_bytes(bytes(content[:348]) + bytes(36) + bytes(content[352:]) + b"more")
    assert np.array_equal(read_volume(tmp_path / "v.nii").voxels, noise_volume().voxels)


def test_metres_and_micrometres_become_millimetres(tmp_path):
    path = write_volume(noise_volume(), tmp_path / "v.nii")
    assert np.allclose(read_volume(patch(path, 123, "B", 3)).spacing, [0.0007, 0.0008, 0.0033])
    assert np.allclose(read_volume(patch(path, 123, "B", 1)).spacing, [700, 800, 3300])


@pytest.mark.parametrize("order", "<>")
def test_nifti_2_and_both_byte_orders_are_read(tmp_path, order):
    voxels = noise_volume().voxels
    header = bytearray(544)
    struct.pack_into(order + "i8s", header, 0, 540, b"n+2\0\r\n\x1a\n")
    struct.pack_into(order + "2h8q", header, 12, 4, 16, 3, 6, 5, 4, 1, 1, 1, 1)
    struct.pack_into(order + "q2d", header, 168, 544, 1, 0)
    struct.pack_into(order + "2i", header, 344, 0, 1)
    rows = [[0.1, 0, 0, 7], [0, 0.2, 0, 8], [0, 0, 0.3, 9]]
    struct.pack_into(order + "12d", header, 400, *np.ravel(rows))
    (tmp_path / "v.nii").write_bytes(header + voxels.astype(order + "i2").tobytes())
    read = read_volume(tmp_path / "v.nii")
    assert np.array_equal(read.voxels, voxels)
    assert read.voxels.dtype == np.int16
    assert np.array_equal(read.ijk_to_ras[:3], rows)


TURNED = [[0, -2, 0, 5], [2, 0, 0, 6], [0, 0, 2, 7]]


def test_of_two_stated_matrices_that_of_the_scanner_counts(tmp_path, capfd):
    volume = noise_volume(ijk_to_ras=np.diag([2.0, 2, 2, 1]))
    path = patch(write_volume(volume, tmp_path / "v.nii"), 280, "<12f", *np.ravel(TURNED))
    read = read_volume(path).ijk_to_ras
    assert np.array_equal(read[:3], TURNED)
    assert capfd.readouterr().err == ""
    assert np.allclose(read, itk_matrix(sitk.ReadImage(str(path))))


@pytest.mark.parametrize(
    ("code", "sform"),
    [
        (4, TURNED),  # an atlas: nibabel takes it, ITK the qform
        (1, [[3, 0, 0, 0], [0, 3, 0, 0], [0, 0, 3, 0]]),  # another spacing than stated, which ITK takes
        (1, [[2, 0, 1, 0], [0, 2, 0, 0], [0, 0, 2, 0]]),  # a shear, which ITK cannot hold
        (-1, np.eye(4)[:3]),  # no valid code
        (6, np.eye(4)[:3]),
        (256, np.eye(4)[:3]),
    ],
)
def test_a_matrix_that_programs_read_differently_is_refused(tmp_path, code, sform):
    volume = noise_volume(ijk_to_ras=np.diag([2.0, 2, 2, 1]))
    path = patch(write_volume(volume, tmp_path / "v.nii"), 254, "<h", code)
    patch(path, 280, "<12f", *np.ravel(sform))
    with pytest.raises(MedSynthError, match="contradicts itself about the position|sform codes are 1 and"):
        read_volume(path)


@pytest.mark.parametrize(
    ("offset", "kind", "values"),
    [
        (256, "<3f", (0.9, 0.9, 0)),  # longer than 1
        (256, "<3f", (NAN, 0, 0)),
        (80, "<f", (0,)),
        (80, "<f", (-2,)),
        (80, "<f", (NAN,)),
        (76, "<f", (-0.3,)),  # neither 1 nor -1: left- or right-handed?
        (268, "<f", (NAN,)),
    ],
)
def test_a_qform_that_is_no_rotation_and_spacing_is_refused(tmp_path, offset, kind, values):
    path = patch(write_volume(noise_volume(), tmp_path / "v.nii"), 254, "<h", 0)
    patch(path, offset, kind, *values)
    with pytest.raises(MedSynthError, match=r"v\.nii is damaged|contradicts itself"):
        read_volume(path)


def test_half_a_turn_whose_quaternion_was_rounded_is_read_as_itk_reads_it(tmp_path):
    path = patch(write_volume(noise_volume(), tmp_path / "v.nii"), 254, "<h", 0)
    patch(path, 256, "<3f", 0.6, 0.8, 1e-4)  # the squares add up to a little over 1
    assert np.allclose(read_volume(path).ijk_to_ras, itk_matrix(sitk.ReadImage(str(path))), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(("origin", "ok"), [(1e5, True), (1e13, False), (1e39, False), (-1e300, False)])
def test_a_position_that_single_precision_cannot_hold_is_not_written(tmp_path, origin, ok):
    matrix = np.diag([1.0, 1, 1, 1])
    matrix[1, 3] = origin + 0.1
    volume = noise_volume(ijk_to_ras=matrix, metadata={"medsynth_version": "1"})
    for suffix in (".nii", ".nii.gz"):
        path = tmp_path / f"v{suffix}"
        if ok:
            written = read_volume(write_labelled(volume, path)).ijk_to_ras
            assert np.abs(written - matrix).max() < 0.01
            continue
        for refused in (check_output, write_volume, write_labelled):
            with pytest.raises(MedSynthError, match="too large for single precision.*write a .nrrd or .mha") as refusal:
                refused(volume, path)
            assert refusal.value.kind == "output" and not list(tmp_path.iterdir())
    assert ok or np.array_equal(read_volume(write_volume(volume, tmp_path / "v.nrrd")).ijk_to_ras, matrix)


def test_a_side_that_nifti_cannot_count_is_refused_before_and_when_written(tmp_path):
    volume = noise_volume(shape=(1, 40_000, 1))
    for refused in (check_output, write_volume):
        with pytest.raises(MedSynthError, match=r"1×40000×1 voxels cannot be written as NIfTI.*up to 32767"):
            refused(volume, tmp_path / "v.nii.gz")
    assert not list(tmp_path.iterdir())
    assert read_volume(write_volume(volume, tmp_path / "v.mha")).shape == volume.shape


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("sizes", [(2**62, 2**62, 2**62), (2**40, 5, 4), (2**63 - 1, 1, 1)])
def test_sizes_of_nifti_2_that_overflow_are_refused(tmp_path, order, sizes):
    header = bytearray(544)
    struct.pack_into(order + "i8s", header, 0, 540, b"n+2\0\r\n\x1a\n")
    struct.pack_into(order + "2h8q", header, 12, 4, 16, 3, *sizes, 1, 1, 1, 1)
    struct.pack_into(order + "q2d", header, 168, 544, 1, 0)
    struct.pack_into(order + "2i", header, 344, 0, 1)
    struct.pack_into(order + "12d", header, 400, *np.ravel(np.eye(4)[:3]))
    for suffix, pack in ((".nii", bytes), (".nii.gz", gzip.compress)):
        (tmp_path / f"v{suffix}").write_bytes(pack(bytes(header) + bytes(1000)))
        with pytest.raises(MedSynthError, match="ends before the last voxel"):
            read_volume(tmp_path / f"v{suffix}")


def pair(folder: Path, packed: bool = False, upper: bool = False) -> tuple[Path, Path]:
    """Write a NIfTI pair and return header and voxels."""
    content = bytearray(write_volume(noise_volume(), folder / "whole.nii").read_bytes())
    (folder / "whole.nii").unlink()
    content[344:348] = b"ni1\0"
    struct.pack_into("<f", content, 108, 0)
    names = [f"v{suffix}{'.gz' if packed else ''}" for suffix in (".hdr", ".img")]
    paths = [folder / (name.upper() if upper else name) for name in names]
    for path, part in zip(paths, (content[:348], content[352:]), strict=True):
        path.write_bytes(gzip.compress(part) if packed else bytes(part))
    return paths[0], paths[1]


@pytest.mark.parametrize("upper", [False, True])
@pytest.mark.parametrize("packed", [False, True])
def test_a_pair_is_read_from_either_of_its_files(tmp_path, packed, upper):
    for path in pair(tmp_path, packed, upper):
        read = read_volume(path)
        assert np.array_equal(read.voxels, noise_volume().voxels)
        assert np.allclose(read.ijk_to_ras, noise_volume().ijk_to_ras)


def test_a_pair_is_read_as_itk_reads_it(tmp_path):
    header, _ = pair(tmp_path)
    image = sitk.ReadImage(str(header))
    assert np.array_equal(read_volume(header).voxels, sitk.GetArrayFromImage(image))
    assert np.allclose(read_volume(header).ijk_to_ras, itk_matrix(image))


@pytest.mark.parametrize(
    ("header_suffix", "voxel_suffix"), [(".hdr", ".img.gz"), (".hdr.gz", ".img"), (".hdr", ".IMG")]
)
def test_a_pair_of_which_one_file_is_packed_or_in_capitals(tmp_path, header_suffix, voxel_suffix):
    halves = []
    for path, suffix in zip(pair(tmp_path), (header_suffix, voxel_suffix), strict=True):
        content = path.read_bytes()
        path.unlink()
        halves.append(path.with_name(path.stem + suffix))
        halves[-1].write_bytes(gzip.compress(content) if suffix.endswith(".gz") else content)
    for half in halves:
        assert np.array_equal(read_volume(half).voxels, noise_volume().voxels)


def test_half_a_pair_is_refused(tmp_path):
    header, voxels = pair(tmp_path)
    voxels.unlink()
    with pytest.raises(MedSynthError, match=r"v\.img, which holds the voxels of v\.hdr, does not exist"):
        read_volume(header)


@pytest.mark.parametrize("magic", [bytes(4), b"abcd"])
def test_an_analyze_image_is_refused_for_the_true_reason(tmp_path, magic):
    header, voxels = pair(tmp_path)
    patch(header, 344, "4s", magic)
    for path in (header, voxels):
        with pytest.raises(MedSynthError, match="is an Analyze image, which does not state the position"):
            read_volume(path)


def test_a_sheared_sform_is_kept_exactly(tmp_path):
    path = write_volume(noise_volume(), tmp_path / "v.nii")
    sheared = [[1, 0, 0.5, 0], [0, 1, 0, 0], [0, 0, 2, 0]]
    patch(path, 280, "<12f", *np.ravel(sheared))
    patch(path, 252, "<h", 0)
    assert np.array_equal(read_volume(path).ijk_to_ras[:3], sheared)


def test_a_file_without_orientation_is_refused(tmp_path):
    path = patch(write_volume(noise_volume(), tmp_path / "v.nii"), 252, "<2h", 0, 0)
    with pytest.raises(MedSynthError, match="sform and qform codes are both 0"):
        read_volume(path)


def test_a_singular_matrix_is_refused(tmp_path):
    path = patch(write_volume(noise_volume(), tmp_path / "v.nii"), 252, "<h", 0)
    patch(path, 280, "<12f", 1, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0)
    with pytest.raises(MedSynthError, match="singular"):
        read_volume(path)


def test_a_fourth_dimension_is_refused_but_not_an_empty_one(tmp_path):
    path = write_volume(noise_volume(shape=(4, 5, 6)), tmp_path / "v.nii")
    patch(path, 40, "<8h", 4, 6, 5, 4, 1, 1, 1, 1)
    assert read_volume(path).shape == (4, 5, 6)
    patch(path, 40, "<8h", 4, 6, 5, 2, 2, 1, 1, 1)
    with pytest.raises(MedSynthError, match=r"has 4 dimensions \(6×5×2×2\)"):
        read_volume(path)


@pytest.mark.parametrize("count", [2, 3])
def test_a_single_slice_is_a_volume(tmp_path, count):
    volume = noise_volume(shape=(1, 5, 6))
    path = patch(write_volume(volume, tmp_path / "v.nii"), 40, "<h", count)
    read = read_volume(path)
    assert np.array_equal(read.voxels, volume.voxels)
    assert np.allclose(read.ijk_to_ras, volume.ijk_to_ras)


@pytest.mark.parametrize(("code", "what"), [(128, "colours"), (2304, "colours"), (32, "complex numbers"), (77, "77")])
def test_voxels_of_several_numbers_are_refused(tmp_path, code, what):
    path = patch(write_volume(noise_volume(), tmp_path / "v.nii"), 70, "<h", code)
    with pytest.raises(MedSynthError, match=what):
        read_volume(path)


def test_real_colours_are_refused(tmp_path):
    colours = sitk.GetImageFromArray(np.zeros((3, 4, 5, 3), np.uint8), isVector=True)
    sitk.WriteImage(colours, str(tmp_path / "rgb.nii.gz"))
    with pytest.raises(MedSynthError, match=r"rgb\.nii\.gz"):
        read_volume(tmp_path / "rgb.nii.gz")


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("part", [0.2, 0.6, 0.99])
def test_a_truncated_file_is_refused(tmp_path, suffix, part):
    path = write_volume(noise_volume(shape=(20, 20, 20), dtype="f4"), tmp_path / f"v{suffix}")
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * part)])
    with pytest.raises(MedSynthError, match="damaged"):
        read_volume(path)


def test_a_flipped_bit_in_a_compressed_file_is_noticed(tmp_path):
    path = write_volume(noise_volume(shape=(20, 20, 20), dtype="f4"), tmp_path / "v.nii.gz")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 16
    path.write_bytes(content)
    with pytest.raises(MedSynthError, match="damaged"):
        read_volume(path)


PRETENDERS = [b"", b"hello", b"<html>" * 200, gzip.compress(b"no image" * 200, mtime=0), bytes(600)]


@pytest.mark.parametrize("content", PRETENDERS)
def test_something_else_by_that_name_is_refused(tmp_path, content):
    (tmp_path / "v.nii.gz").write_bytes(content)
    with pytest.raises(MedSynthError, match="not a NIfTI image"):
        read_volume(tmp_path / "v.nii.gz")


def test_an_absurd_size_is_refused_without_asking_for_the_memory(tmp_path):
    for suffix in (".nii", ".nii.gz"):
        path = write_volume(noise_volume(), tmp_path / "v.nii")
        patch(path, 40, "<8h", 3, 32767, 32767, 32767, 1, 1, 1, 1)
        packed = gzip.compress(path.read_bytes()) if suffix == ".nii.gz" else path.read_bytes()
        (tmp_path / f"absurd{suffix}").write_bytes(packed)
        with pytest.raises(MedSynthError, match="truncated|memory"):
            read_volume(tmp_path / f"absurd{suffix}")


def test_a_size_of_zero_is_refused(tmp_path):
    path = patch(write_volume(noise_volume(), tmp_path / "v.nii"), 40, "<4h", 3, 0, 5, 4)
    with pytest.raises(MedSynthError, match="has no voxels"):
        read_volume(path)


def test_what_the_volume_is_stands_in_the_file(tmp_path):
    volume = noise_volume(metadata={"description": "synthetic PET, SUVbw"})
    path = write_volume(volume, tmp_path / "v.nii")
    assert path.read_bytes()[148:228].rstrip(b"\0") == b"synthetic PET, SUVbw"


def test_slices_that_are_not_contiguous_in_memory_are_written_in_order(tmp_path):
    voxels = noise_volume(shape=(6, 5, 4)).voxels.transpose(2, 1, 0)[:, ::-1]
    volume = Volume(voxels, np.eye(4))
    assert np.array_equal(read_volume(write_volume(volume, tmp_path / "v.nii.gz")).voxels, voxels)
