"""``medsynth structure`` writes maps and reports mistakes."""

import json
import sys

import numpy as np
import pytest
import SimpleITK as sitk
from builders import phantom_ct
from PIL import Image

from medsynth_core import read_volume, write_volume
from medsynth_core.cli.app import run
from medsynth_core.errors import ExitStatus
from medsynth_core.structure.settings import preset
from medsynth_core.structure.volume_maps import structure_of, structure_of_volume


@pytest.fixture
def ct(tmp_path):
    volume = phantom_ct((6, 64, 64))
    write_volume(volume, tmp_path / "ct.nii.gz")
    picture = np.clip(volume.voxels[3] / 8 + 125, 0, 255).astype(np.uint8)
    Image.fromarray(picture).save(tmp_path / "x.png")
    Image.fromarray(np.stack([picture, picture // 2, picture], axis=-1)).save(tmp_path / "colour.png")
    return volume


@pytest.fixture
def medsynth(monkeypatch, tmp_path, ct):
    def call(*arguments):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["medsynth", "structure", *map(str, arguments)])
        return run()

    return call


def test_it_writes_label_map_and_mask_with_their_settings(medsynth, ct, tmp_path, capsys):
    options = ("--preset", "extremity-ct", "--alpha", 0.2, "--background-mask", "b.nrrd")
    assert medsynth("ct.nii.gz", "s.nii.gz", *options) == 0
    assert "s.nii.gz: lines on " in capsys.readouterr().out
    wanted = structure_of_volume(ct, preset("extremity-ct").with_values(alpha=0.2))
    for name, volume in zip(("s.nii.gz", "b.nrrd"), wanted, strict=True):
        read = read_volume(tmp_path / name)
        assert np.array_equal(read.voxels, volume.voxels) and read.same_grid(ct) and read.unit == "1"
        assert read.metadata["structure"]["alpha"] == 0.2


def test_a_segmentation_has_both_as_segments(medsynth, tmp_path, capsys):
    assert medsynth("ct.nii.gz", "s.seg.nrrd", "--solid", "--background-mask", "b.seg.nrrd", "--json") == 0
    shares = json.loads(capsys.readouterr().out)["shares"]
    image = sitk.ReadImage(str(tmp_path / "s.seg.nrrd"))
    labels = sitk.GetArrayFromImage(image)
    assert (labels == 1).mean() == shares["lines"] and (labels == 2).mean() == shares["background"]
    assert image.GetMetaData("Segment1_Name") == "background"
    # The background by itself is one segment.
    mask = sitk.ReadImage(str(tmp_path / "b.seg.nrrd"))
    assert np.array_equal(sitk.GetArrayFromImage(mask) == 1, labels == 2)
    assert mask.GetMetaData("Segment0_Name") == "background" and not mask.HasMetaDataKey("Segment1_Name")


def test_a_picture_gives_a_picture(medsynth, tmp_path, capsys):
    assert medsynth("x.png", "s.png", "--preset", "x-ray", "--background-mask", "b.png") == 0
    found = structure_of(np.asarray(Image.open(tmp_path / "x.png")), preset("x-ray"))
    assert np.array_equal(np.asarray(Image.open(tmp_path / "s.png")), np.where(found.lines, 255, 0))
    assert np.array_equal(np.asarray(Image.open(tmp_path / "b.png")), np.where(found.background, 255, 0))
    assert medsynth("colour.png", "c.png", "--channel", "green") == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("ct.nii.gz", "s.nii.gz", "--alpha", 1, "--beta", 1), "The structure map is empty (alpha: 1, beta: 1"),
        (("ct.nii.gz", "s.nii.gz", "--preset", "brain"), "There is no preset 'brain'"),
        (("ct.nii.gz", "s.nii.gz", "--median", 4), "'median' of the structure map is 4; choose an odd number"),
        (("ct.nii.gz", "s.nii.gz", "--channel", "red"), "not a picture"),
        (("ct.nii.gz", "ct.nii.gz"), "is named twice"),
        (("ct.nii.gz", "s.png"), "must end with .nii"),
        (("colour.png", "s.png"), "colour picture, but a grey one is needed"),
        (("x.png", "s.png", "--solid"), "picture of two dimensions"),
        (("x.png", "s.nii.gz"), "must end with .png"),
        (("none.png", "s.png"), "There is no file none.png"),
    ],
)
def test_mistakes_are_one_sentence_and_nothing_is_written(medsynth, arguments, words, tmp_path, capsys):
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert medsynth(*arguments) == ExitStatus.USER_MISTAKE
    said = capsys.readouterr().err
    assert words in said and len(said.strip().splitlines()) == 1
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
