"""The runner of exported models reads files as MedSynth does, refuses the others, and writes all results or none."""

from __future__ import annotations

import gzip
import json

import nibabel
import numpy as np
import pytest
from builders import axial_matrix, phantom_ct
from exported import imported_runner

import medsynth_core as ms

OBLIQUE = np.array([[0.96, -0.28, 0, -10], [0.28, 0.96, 0, 12], [0, 0, 1, 40], [0, 0, 0, 1]]) @ np.diag([-2, -2, 3, 1])
FLIPPED = axial_matrix() @ np.diag([1, 1, -1, 1])
FACTS = {"description": "synthetic PT", "medsynth_version": "1", "modality": "PT", "unit": "SUVbw"}


@pytest.fixture(scope="module")
def runner(tmp_path_factory):
    with imported_runner(tmp_path_factory.mktemp("runner")) as get:
        yield get


@pytest.fixture
def side(runner):
    return runner("settings").Image("ct", "CT", "HU", False, -1000.0, -1.0, {})


def written(tmp_path, name="ct.nii", matrix=None, **fields):
    """Return a CT as NIfTI file, some bytes of whose header are changed."""
    path = ms.write_volume(phantom_ct(matrix=matrix), tmp_path / name)
    content = bytearray(gzip.decompress(path.read_bytes()) if name.endswith(".gz") else path.read_bytes())
    for place, (kind, values) in fields.items():
        part = np.atleast_1d(np.array(values, dtype=f"<{kind}")).tobytes()
        content[int(place[2:]) : int(place[2:]) + len(part)] = part
    path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return path


@pytest.mark.parametrize("matrix", [axial_matrix(), OBLIQUE, FLIPPED], ids=["axial", "oblique", "flipped"])
@pytest.mark.parametrize("name", ["ct.nii", "ct.nii.gz"])
def test_voxels_and_matrix_are_medsynths(runner, side, matrix, name, tmp_path):
    path = written(tmp_path, name, matrix, at112=("f4", 0.5), at116=("f4", -20))
    wanted = ms.read_volume(path)
    _, scan = runner("images").read(path, side)
    np.testing.assert_allclose(scan.voxels, wanted.voxels, rtol=1e-6)
    np.testing.assert_array_equal(np.diag([-1, -1, 1, 1]) @ scan.grid.matrix, wanted.ijk_to_ras)


@pytest.mark.parametrize("kept", [252, 254], ids=["sform", "qform"])
def test_one_matrix_is_enough(runner, side, kept, tmp_path):
    path = written(tmp_path, "ct.nii", OBLIQUE, **{f"at{kept}": ("i2", 0)})
    _, scan = runner("images").read(path, side)
    np.testing.assert_allclose(np.diag([-1, -1, 1, 1]) @ scan.grid.matrix, OBLIQUE, atol=1e-4)


def test_big_endian_files_are_read(runner, side, tmp_path):
    voxels = np.arange(60, dtype=">i2").reshape(3, 4, 5)
    header = nibabel.Nifti1Header(endianness=">")
    header.set_data_dtype(">i2")
    image = nibabel.Nifti1Image(voxels, np.diag([2, 2, 3, 1.0]), header)
    image.set_qform(image.affine, 1)
    nibabel.save(image, tmp_path / "ct.nii")
    header, scan = runner("images").read(tmp_path / "ct.nii", side)
    assert header.order == ">"
    np.testing.assert_array_equal(scan.voxels, voxels.transpose())


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"at344": ("u1", list(b"ni1\0"))}, "magic"),
        ({"at0": ("i4", 540)}, "not a NIfTI-1 file"),
        ({"at40": ("i2", 2)}, "2 dimensions"),
        ({"at40": ("i2", [4, 44, 20, 6, 2])}, "4 dimensions"),
        ({"at42": ("i2", -44)}, "voxels"),
        ({"at70": ("i2", 32)}, "not one number each"),
        ({"at70": ("i2", 128)}, "not one number each"),
        ({"at108": ("f4", np.nan)}, "start at byte nan"),
        ({"at108": ("f4", -8)}, "start at byte -8"),
        ({"at108": ("f4", 348)}, "start at byte 348"),
        ({"at108": ("f4", 1e30)}, "start at byte 1e"),
        ({"at108": ("f4", 1 << 20)}, "is not complete"),
        ({"at112": ("f4", np.nan)}, "states a scale"),
        ({"at112": ("f4", [0, 5])}, "states a scale"),
        ({"at112": ("f4", [1, np.inf])}, "states a scale"),
        ({"at123": ("u1", 1)}, "another unit than millimetres"),
        ({"at252": ("i2", [0, 0])}, "does not state the position"),
        ({"at80": ("f4", 1.5)}, "size of its voxels"),
        ({"at280": ("f4", np.nan)}, "not finite"),
        ({"at280": ("f4", [1, 0.3])}, "not perpendicular"),
        ({"at292": ("f4", 100)}, "position of its voxels (qform and sform)"),
        ({"at256": ("f4", [2, 0, 0])}, "no rotation"),
    ],
)
@pytest.mark.parametrize("name", ["ct.nii", "ct.nii.gz"])
def test_headers_that_programs_read_differently_are_refused(runner, side, fields, words, name, tmp_path):
    with pytest.raises(runner("refusal").RefusalError) as refused:
        runner("images").read(written(tmp_path, name, **fields), side)
    assert words in str(refused.value)


def test_an_image_larger_than_the_memory_is_refused(runner, side, tmp_path):
    path = written(tmp_path, "ct.nii.gz", at42=("i2", [32767, 32767, 32767]))
    with pytest.raises(runner("refusal").RefusalError, match="more than this computer has"):
        runner("images").read(path, side)


@pytest.mark.parametrize(
    ("stated", "words"),
    [
        ({"modality": "PT"}, "has the modality 'PT'"),
        ({"unit": "1"}, "has the unit '1'"),
        ({"error_map": True}, "shows the errors"),
        ({"description": "expected error of x"}, "shows the errors"),
    ],
)
def test_the_json_beside_an_input_is_heeded(runner, side, stated, words, tmp_path):
    path = written(tmp_path)
    beside = tmp_path / "ct.json"
    usual = {"medsynth_version": "1", "modality": "CT", "unit": "HU", "image_file": "ct.nii"}
    beside.write_text(json.dumps(usual))
    runner("images").read(path, side)
    beside.write_text(json.dumps({**usual, **stated}))
    with pytest.raises(runner("refusal").RefusalError, match=words):
        runner("images").read(path, side)
    for ignored in ('["PT"]', "no JSON", "[" * 100000):
        beside.write_text(ignored)
        runner("images").read(path, side)


def test_the_json_of_another_image_is_not_that_of_an_input(runner, side, tmp_path):
    path = written(tmp_path)
    (tmp_path / "ct.mha").write_bytes(b"")
    (tmp_path / "ct.json").write_text(json.dumps({"medsynth_version": "1", "modality": "PT", "image_file": "ct.mha"}))
    runner("images").read(path, side)
    assert runner("beside").place(path) == tmp_path / "ct.nii.json"


def results(runner, side, tmp_path):
    header, scan = runner("images").read(written(tmp_path, matrix=OBLIQUE), side)
    return header, {tmp_path / f"{name}.nii.gz": (scan.voxels, FACTS) for name in ("one", "two")}


def test_results_are_written_on_the_grid_of_the_input_bit_by_bit(runner, side, tmp_path):
    header, made = results(runner, side, tmp_path)
    runner("images").write_all(made, header)
    found = ms.read_volume(tmp_path / "two.nii.gz")
    np.testing.assert_array_equal(found.ijk_to_ras, ms.read_volume(tmp_path / "ct.nii").ijk_to_ras)
    np.testing.assert_array_equal(found.voxels, made[tmp_path / "two.nii.gz"][0])
    assert (found.modality, found.unit) == ("PT", "SUVbw")


@pytest.mark.parametrize("fault", ["full", "replace"])
def test_results_appear_all_or_none(runner, side, fault, tmp_path, monkeypatch):
    header, made = results(runner, side, tmp_path)
    (tmp_path / "one.nii.gz").write_bytes(b"earlier")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    break_writing(runner, fault, monkeypatch)
    with pytest.raises(runner("refusal").RefusalError, match="cannot be written"):
        runner("images").write_all(made, header)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def break_writing(runner, fault, monkeypatch):
    if fault == "full":
        cut = runner("nifti").Header.of_result
        monkeypatch.setattr(runner("nifti").Header, "of_result", lambda *words: cut(*words)[:-10])
        return
    images, replace = runner("images"), runner("images").os.replace

    def broken(source, target):
        if str(target).endswith("two.nii.gz"):
            raise OSError("no space")
        replace(source, target)

    monkeypatch.setattr(images.os, "replace", broken)


def test_places_are_checked_before(runner, tmp_path):
    check, refusal = runner("images").check_places, runner("refusal").RefusalError
    check([tmp_path / "made.nii.gz"])
    (tmp_path / "folder.nii").mkdir()
    for path, words in ((tmp_path / "folder.nii", "not a file"), (tmp_path / "none" / "made.nii", "cannot be written")):
        with pytest.raises(refusal, match=words):
            check([path])
    for name in ("made.json", "made.nii.json"):
        (tmp_path / name).write_text("{}")
    with pytest.raises(refusal, match="belongs to another program"):
        check([tmp_path / "made.nii"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder.nii", "made.json", "made.nii.json"]
