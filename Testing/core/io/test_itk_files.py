from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from io_helpers import noise_volume, oblique_matrix

from medsynth_core.errors import MedSynthError
from medsynth_core.io import itk_files
from medsynth_core.io.reading import read_volume
from medsynth_core.io.writing import write_volume
from medsynth_core.volume import Volume

SUFFIXES = [".nrrd", ".mha"]


def itk_image(seed: int = 0) -> sitk.Image:
    """Return an oblique image as ITK has it, its numbers being anything but round."""
    image = sitk.GetImageFromArray(noise_volume(seed=seed).voxels)
    matrix = oblique_matrix(seed)
    spacing = np.linalg.norm(matrix[:3, :3], axis=0)
    image.SetSpacing(spacing.tolist())
    image.SetDirection((matrix[:3, :3] / spacing).ravel().tolist())
    image.SetOrigin(matrix[:3, 3].tolist())
    return image


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("seed", range(20))
def test_any_matrix_survives_bit_by_bit(tmp_path, suffix, seed):
    volume = noise_volume(ijk_to_ras=oblique_matrix(seed, left_handed=seed % 2 == 1), dtype="f4")
    read = read_volume(write_volume(volume, tmp_path / f"v{suffix}"))
    assert np.array_equal(read.ijk_to_ras, volume.ijk_to_ras)
    assert np.array_equal(read.voxels, volume.voxels)
    assert read.voxels.dtype == volume.voxels.dtype


@pytest.mark.parametrize("suffix", [".nrrd", ".nhdr", ".mha", ".mhd"])
@pytest.mark.parametrize("seed", range(5))
def test_a_file_of_another_program_has_the_geometry_of_itk(tmp_path, suffix, seed):
    image = itk_image(seed)
    sitk.WriteImage(image, str(tmp_path / f"v{suffix}"))
    ours, itk = read_volume(tmp_path / f"v{suffix}"), Volume.from_sitk(image)
    assert np.allclose(ours.ijk_to_ras, itk.ijk_to_ras, rtol=1e-14, atol=1e-13)
    assert np.array_equal(ours.voxels, itk.voxels)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("kind", ["u1", "i1", "u2", "i2", "u4", "i4", "i8", "u8", "f4", "f8"])
def test_every_number_type_survives(tmp_path, suffix, kind):
    volume = noise_volume(dtype=kind)
    read = read_volume(write_volume(volume, tmp_path / f"v{suffix}"))
    assert read.voxels.dtype == np.dtype(kind)
    assert np.array_equal(read.voxels, volume.voxels)


@pytest.mark.parametrize(
    ("space", "signs"),
    [("right-anterior-superior", (1, 1, 1)), ("LPS", (-1, -1, 1)), ("left-anterior-superior", (-1, 1, 1))],
)
def test_the_named_spaces_of_nrrd_become_ras(tmp_path, space, signs):
    sitk.WriteImage(itk_image(), str(tmp_path / "v.nrrd"))
    content = (tmp_path / "v.nrrd").read_bytes()
    lps = read_volume(tmp_path / "v.nrrd").ijk_to_ras[:3] * np.reshape((-1, -1, 1), (3, 1))
    (tmp_path / "w.nrrd").write_bytes(content.replace(b"left-posterior-superior", space.encode()))
    assert np.array_equal(read_volume(tmp_path / "w.nrrd").ijk_to_ras[:3], lps * np.reshape(signs, (3, 1)))


def test_a_sheared_nrrd_is_kept_exactly(tmp_path):
    sitk.WriteImage(sitk.GetImageFromArray(noise_volume().voxels), str(tmp_path / "v.nrrd"))
    content = (tmp_path / "v.nrrd").read_bytes().replace(b"(0,0,1)", b"(0,0.25,2)", 1)
    (tmp_path / "v.nrrd").write_bytes(content)
    assert np.array_equal(read_volume(tmp_path / "v.nrrd").ijk_to_ras[:3, 2], [0, -0.25, 2])


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("v.nrrd", b"space: left-posterior-superior\n"),
        ("v.nrrd", b"space directions: (1,0,0) (0,1,0) (0,0,1)\n"),
        ("v.mha", b"TransformMatrix = 1 0 0 0 1 0 0 0 1\n"),
        ("v.mha", b"ElementSpacing = 1 1 1\n"),
    ],
)
def test_a_file_that_does_not_state_its_orientation_is_refused(tmp_path, name, line):
    sitk.WriteImage(sitk.GetImageFromArray(noise_volume().voxels), str(tmp_path / name))
    content = (tmp_path / name).read_bytes()
    assert line in content
    replacement = b"space dimension: 3\n" if line.startswith(b"space:") else b""
    (tmp_path / name).write_bytes(content.replace(line, replacement))
    with pytest.raises(MedSynthError, match="does not state the position of its voxels"):
        read_volume(tmp_path / name)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("compressed", [True, False])
def test_a_truncated_file_is_refused_in_silence(tmp_path, capfd, suffix, compressed):
    path = tmp_path / f"v{suffix}"
    noise = np.random.default_rng(0).normal(size=(20, 20, 20))
    sitk.WriteImage(sitk.GetImageFromArray(noise), str(path), compressed)
    path.write_bytes(path.read_bytes()[:20_000])
    with pytest.raises(MedSynthError, match="is damaged(,| or) truncated"):
        read_volume(path)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", ["v.nrrd", "v.nhdr", "v.mha", "v.mhd"])
@pytest.mark.parametrize("content", [b"", b"hello\n", b"NRRD0004\n", bytes(1000)])
def test_something_else_by_that_name_is_refused_in_silence(tmp_path, capfd, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(MedSynthError, match="cannot be read as a"):
        read_volume(tmp_path / name)
    assert capfd.readouterr() == ("", "")


def test_a_header_without_its_data_file_is_refused(tmp_path, capfd):
    for name, data in (("v.mhd", "v.raw"), ("v.nhdr", "v.raw")):
        sitk.WriteImage(itk_image(), str(tmp_path / name))
        (tmp_path / data).unlink()
        with pytest.raises(
            MedSynthError, match=rf"{name} cannot be read|voxels of {name} should be in the file 'v.raw'"
        ):
            read_volume(tmp_path / name)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_colours_and_a_fourth_dimension_are_refused(tmp_path, suffix):
    path = str(tmp_path / f"v{suffix}")
    sitk.WriteImage(sitk.GetImageFromArray(np.zeros((3, 4, 5, 3), np.uint8), isVector=True), path)
    with pytest.raises(MedSynthError, match="3 values per voxel"):
        read_volume(path)
    sitk.WriteImage(sitk.JoinSeries([itk_image(), itk_image()]), path)
    with pytest.raises(MedSynthError, match="4 dimensions"):
        read_volume(path)


def test_the_description_stands_in_the_file(tmp_path):
    volume = noise_volume(metadata={"description": "synthetic PET,\nSUVbw"})
    for suffix in SUFFIXES:
        path = write_volume(volume, tmp_path / f"v{suffix}")
        reader = sitk.ImageFileReader()
        reader.SetFileName(str(path))
        reader.ReadImageInformation()
        assert reader.GetMetaData("description") == "synthetic PET, SUVbw"


NRRD = {
    "type": "short",
    "dimension": "3",
    "space": "left-posterior-superior",
    "sizes": "4 5 6",
    "space directions": "(1,0,0) (0,1,0) (0,0,2)",
    "kinds": "domain domain domain",
    "endian": "little",
    "encoding": "raw",
    "space origin": "(1,2,3)",
}
VOXELS = np.arange(120, dtype="<i2")


def nrrd(folder: Path, more: bytes = b"", **changes: str | None) -> Path:
    """Write a NRRD file; a field that is None is left out."""
    fields = {**NRRD, **{name.replace("_", " "): value for name, value in changes.items()}}
    lines = [f"{name}: {value}\n" for name, value in fields.items() if value is not None]
    head = b"NRRD0004\n" + "".join(lines).encode() + more
    (folder / "v.nrrd").write_bytes(head + b"\n" + VOXELS.tobytes())
    return folder / "v.nrrd"


def test_the_template_of_these_tests_is_read(tmp_path):
    read = read_volume(nrrd(tmp_path))
    assert np.array_equal(read.voxels.ravel(), VOXELS)
    assert read.ijk_to_ras.tolist() == [[-1, 0, 0, -1], [0, -1, 0, -2], [0, 0, 2, 3], [0, 0, 0, 1]]


@pytest.mark.parametrize("space", ["LAS", "las", "left-anterior-superior", "Left-Anterior-Superior"])
def test_left_anterior_superior(tmp_path, space):
    directions = "(0,1,0) (0,0,-1) (-1.3,0,0)"
    volume = read_volume(nrrd(tmp_path, space=space, space_directions=directions, space_origin="(86.6,-133.9,116.8)"))
    assert volume.ijk_to_ras[:3, 3].tolist() == [-86.6, -133.9, 116.8]
    assert volume.ijk_to_ras[:3, :3].T.tolist() == [[0, 1, 0], [0, 0, -1], [1.3, 0, 0]]
    assert np.allclose(volume.ijk_to_ras, Volume.from_sitk(sitk.ReadImage(str(tmp_path / "v.nrrd"))).ijk_to_ras)


@pytest.mark.parametrize("space", ["scanner-xyz", "3D-right-handed", "3D-left-handed", "Scanner-XYZ"])
def test_a_space_that_does_not_name_the_patients_sides_is_refused_for_that_reason(tmp_path, space):
    with pytest.raises(MedSynthError, match=f"in the space '{space}', which does not say where the patient's left"):
        read_volume(nrrd(tmp_path, space=space))


@pytest.mark.parametrize("origin", ["(1,2)", "(x,y,z)", "(1,2,3,4)", "none", "(,,)", "(1;2;3)", "1,2,3"])
def test_an_origin_that_is_not_three_numbers_is_refused(tmp_path, origin):
    with pytest.raises(MedSynthError, match=r"v\.nrrd (cannot be read|does not state the position)"):
        read_volume(nrrd(tmp_path, space_origin=origin))


@pytest.mark.parametrize("origin", ["(nan,0,0)", "(inf,0,0)"])
def test_an_origin_that_is_not_finite_is_refused(tmp_path, origin):
    with pytest.raises(MedSynthError):
        read_volume(nrrd(tmp_path, space_origin=origin))


@pytest.mark.parametrize("length", [1100, 3000, 5000, 100_000])
@pytest.mark.parametrize(
    "line", ["zork: {}", "units: {}", "{}: 1", "{}", "type: {}", "space origin: ({},0,0)", "NRRD{}"]
)
def test_a_line_that_is_too_long_for_itks_library_is_refused_before_it_reads_it(tmp_path, monkeypatch, length, line):
    monkeypatch.setattr(itk_files, "_itk_image", lambda *_: pytest.fail("ITK was asked"))
    with pytest.raises(MedSynthError, match=f"a line has {length + len(line) - 2} characters"):
        read_volume(nrrd(tmp_path, line.format("7" * length).encode() + b"\n"))


@pytest.mark.parametrize("line", ["key:={}", "# {}", "content: {}"])
def test_long_comments_and_keys_are_read(tmp_path, line):
    """3D Slicer writes such lines into segmentations."""
    assert np.array_equal(read_volume(nrrd(tmp_path, line.format("x" * 5000).encode() + b"\n")).voxels.ravel(), VOXELS)


def test_two_positions_in_one_header_are_refused(tmp_path):
    path = nrrd(tmp_path, b"space origin: (7,8,9)\n")
    with pytest.raises(MedSynthError, match="cannot be read|contradicts itself"):
        read_volume(path)


@pytest.mark.parametrize("unit", ["um", "cm", "m", "in", "µm", "micrometer"])
def test_a_nrrd_in_another_unit_of_length_is_refused(tmp_path, unit):
    for stated in (f'"{unit}" "{unit}" "{unit}"', f'"mm" "mm" "{unit}"', " ".join([unit] * 3)):
        path = nrrd(tmp_path, **{"space units": stated})
        with pytest.raises(MedSynthError, match=r"'space units' of its header\), but they are read in mm; convert it"):
            read_volume(path)


@pytest.mark.parametrize("unit", ["mm", "MM", "millimeter", "Millimetres", "milli-meter", ""])
def test_a_nrrd_in_millimetres_is_read(tmp_path, unit):
    volume = read_volume(nrrd(tmp_path, **{"space units": f'"{unit}" "{unit}" "{unit}"'}))
    assert np.array_equal(volume.ijk_to_ras, read_volume(nrrd(tmp_path)).ijk_to_ras)


@pytest.mark.parametrize("field", ["old min", "oldmax"])
def test_a_quantized_nrrd_is_refused(tmp_path, field):
    with pytest.raises(MedSynthError, match=f"have to be rescaled by '{field}'"):
        read_volume(nrrd(tmp_path, **{field: "100"}))


@pytest.mark.parametrize("encoding", ["bzip2", "bz2", "zrl", "zstd"])
def test_an_encoding_that_cannot_be_read_is_named(tmp_path, encoding):
    with pytest.raises(MedSynthError, match=f"has the encoding '{encoding}'.* save it with the encoding gzip or raw"):
        read_volume(nrrd(tmp_path, encoding=encoding))


@pytest.mark.parametrize(
    "pair", ["space:=RAS", "space units:=um", "space directions:=none", "encoding:=bzip2", "old min:=1", "data file:=x"]
)
def test_a_key_with_its_value_is_no_field(tmp_path, pair):
    plain = read_volume(nrrd(tmp_path))
    path = tmp_path / "pair.nrrd"
    head, _, voxels = nrrd(tmp_path).read_bytes().partition(b"\n\n")
    path.write_bytes(head + b"\n" + pair.encode() + b"\n\n" + voxels)
    volume = read_volume(path)
    assert np.array_equal(volume.ijk_to_ras, plain.ijk_to_ras) and np.array_equal(volume.voxels, plain.voxels)
