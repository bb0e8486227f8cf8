"""Each bad input to the command ends in one sentence and status 2, and leaves no files behind."""

import json
import shutil
import sys
import zipfile

import numpy as np
import pytest
import SimpleITK as sitk
from builders import phantom_ct

from medsynth_core import write_volume
from medsynth_core.cli.app import run
from medsynth_core.errors import ExitStatus
from medsynth_core.resources import resource_folder

SAMPLE = resource_folder() / "SampleCase"
BUNDLED = resource_folder() / "Models" / "ct-to-pet"


def image(folder, array, vector=False):
    path = folder / "bad.nii.gz"
    sitk.WriteImage(sitk.GetImageFromArray(array, isVector=vector), str(path))
    return path


def voxels(**changes):
    array = phantom_ct().voxels.astype(np.float32)
    for value in changes.values():
        array[1, 2, 3] = value
    return array


def without_geometry(folder):
    path = folder / "bad.nii"
    write_volume(phantom_ct(), path)
    content = bytearray(path.read_bytes())
    content[252:256] = bytes(4)  # qform_code and sform_code
    path.write_bytes(content)
    return path


def singular_geometry(folder):
    path = folder / "bad.nrrd"
    head = "NRRD0004\ntype: short\ndimension: 3\nspace: left-posterior-superior\nsizes: 2 2 2\n"
    head += "space directions: (1,0,0) (1,0,0) (0,0,1)\nspace origin: (0,0,0)\nencoding: raw\nendian: little\n\n"
    path.write_bytes(head.encode() + bytes(16))
    return path


def text_file(folder):
    path = folder / "bad.nii.gz"
    path.write_text("no image")
    return path


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda folder: folder / "nothing.nii.gz", "no such file"),
        (text_file, "bad.nii.gz"),
        (lambda folder: image(folder, np.zeros((2, 3, 4, 5), np.float32)), "dimensions"),
        (lambda folder: image(folder, np.zeros((3, 4, 5, 3), np.uint8), vector=True), "bad.nii.gz"),
        (lambda folder: SAMPLE / "mr_t1.nii.gz", "not Hounsfield units"),
        (lambda folder: SAMPLE / "pet.nii.gz", "not Hounsfield units"),
        (lambda folder: image(folder, voxels(nan=np.nan)), "are not finite"),
        (lambda folder: image(folder, voxels(inf=np.inf)), "are not finite"),
        (lambda folder: image(folder, np.zeros((1, 1, 1), np.float32)), "single voxel"),
        (without_geometry, "does not state the position of its voxels"),
        (singular_geometry, "bad.nrrd"),
    ],
)
def test_an_input_that_is_no_ct(make, words, tmp_path, monkeypatch, capsys):
    source = make(tmp_path)
    (tmp_path / "out").mkdir()
    refused(["synthesize", source, tmp_path / "out" / "pet.nii.gz", "--model", "ct-to-pet"], words, monkeypatch, capsys)
    assert list((tmp_path / "out").iterdir()) == []


def change_network(package):
    card = package / "configs" / "metadata.json"
    card.write_text(card.read_text().replace('"stages": 2', '"stages": 3'))


def truncate(package):
    weights = package / "models" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])


def tamper(package):
    weights = package / "models" / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)


@pytest.mark.parametrize(
    ("damage", "words"),
    [(change_network, "do not fit the network"), (truncate, "SHA-256 differs"), (tamper, "SHA-256 differs")],
)
def test_a_model_that_is_not_whole(damage, words, tmp_path, monkeypatch, capsys):
    package = shutil.copytree(BUNDLED, tmp_path / "package")
    damage(package)
    write_volume(phantom_ct(), tmp_path / "ct.nii.gz")
    target = tmp_path / "pet.nii.gz"
    refused(["synthesize", tmp_path / "ct.nii.gz", target, "--model", package], words, monkeypatch, capsys)
    assert not target.exists() and not (tmp_path / "pet.json").exists()


def test_a_package_with_a_path_that_leaves_its_folder(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MEDSYNTH_MODELS", str(tmp_path / "library"))
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as archive:
        archive.writestr("../evil.txt", "evil")
    refused(["models", "import", tmp_path / "evil.zip"], "points outside the package", monkeypatch, capsys)
    assert not (tmp_path.parent / "evil.txt").exists()


def test_an_output_folder_that_is_not_there(tmp_path, monkeypatch, capsys):
    target = tmp_path / "nowhere" / "pet.nii.gz"
    refused(["synthesize", SAMPLE / "ct.nii.gz", target, "--model", "ct-to-pet"], "does not exist", monkeypatch, capsys)


def refused(arguments, words, monkeypatch, capsys):
    """Run the command and check that it ends in one sentence."""
    monkeypatch.setattr(sys, "argv", ["medsynth", *map(str, arguments), "--json"])
    assert run() == ExitStatus.USER_MISTAKE
    told = capsys.readouterr()
    error = json.loads(told.out)["error"]
    assert words in error["message"]
    assert error["message"] in told.err and "Traceback" not in told.err
    assert "\n" not in error["message"] and error["message"].endswith(".")
