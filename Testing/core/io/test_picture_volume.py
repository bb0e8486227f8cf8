"""Pictures become volumes of one slice, grey or a volume for each colour."""

from __future__ import annotations

import numpy as np
import pytest
from builders import phantom_ct
from PIL import Image

from medsynth_core import MedSynthError, write_volume
from medsynth_core.grid import Grid
from medsynth_core.io.picture_volume import read_colours, read_grey, read_mask

GREY = np.arange(48, dtype=np.uint8).reshape(6, 8) * 5
COLOURED = np.stack([GREY, GREY[::-1], GREY[:, ::-1]], axis=-1)


def saved(values: np.ndarray, path, mode: str = "") -> str:
    image = Image.fromarray(values)
    (image.convert(mode) if mode else image).save(path)
    return str(path)


def test_a_picture_is_one_slice_with_its_first_row_at_the_top(tmp_path):
    volume = read_grey(saved(GREY, tmp_path / "a.png"), "DX", "1")
    assert np.array_equal(volume.voxels, GREY[None]) and volume.is_picture
    assert (volume.modality, volume.unit, volume.spacing) == ("DX", "1", (1.0, 1.0, 1.0))
    grid = Grid.of(volume)
    # Axes to the left and to the back of the patient, as an image is looked at.
    assert np.array_equal(grid.oriented().ijk_to_ras, grid.ijk_to_ras)


@pytest.mark.parametrize("suffix", ["png", "tiff", "bmp"])
def test_colours_are_three_volumes_in_the_order_of_the_file(tmp_path, suffix):
    found = read_colours(saved(COLOURED, tmp_path / f"a.{suffix}"), "OP", "1")
    assert list(found) == ["red", "green", "blue"]
    for number, volume in enumerate(found.values()):
        assert np.array_equal(volume.voxels[0], COLOURED[..., number]) and volume.is_picture


def test_transparency_is_no_colour(tmp_path):
    found = read_colours(saved(COLOURED, tmp_path / "a.png", "RGBA"), "OP", "1")
    assert np.array_equal(found["blue"].voxels[0], COLOURED[..., 2])


def test_grey_and_colour_are_not_taken_for_each_other(tmp_path):
    grey, coloured = saved(GREY, tmp_path / "grey.png"), saved(COLOURED, tmp_path / "coloured.png")
    with pytest.raises(MedSynthError, match=r"coloured.png is a colour picture, but a grey one is needed"):
        read_grey(coloured, "DX", "1")
    with pytest.raises(MedSynthError, match=r"grey.png is a grey picture, but one in colour is needed"):
        read_colours(grey, "OP", "1")
    assert np.array_equal(read_grey(coloured, channel="green").voxels[0], COLOURED[..., 1])
    # Grey values that are stored three times are grey, and may be colours as well: those of a grey object.
    thrice = saved(np.stack([GREY] * 3, axis=-1), tmp_path / "thrice.png")
    assert np.array_equal(read_grey(thrice).voxels[0], GREY) and len(read_colours(thrice)) == 3


def test_volumes_are_read_as_before_and_have_no_channels(tmp_path):
    path = tmp_path / "ct.nii.gz"
    write_volume(phantom_ct((4, 8, 8)), path)
    volume = read_grey(path, "CT", "HU")
    assert volume.shape == (4, 8, 8) and not volume.is_picture
    with pytest.raises(MedSynthError, match="is not a picture, so it has no channel 'green'"):
        read_grey(path, "CT", "HU", "green")
    with pytest.raises(MedSynthError, match="is not a picture, but an image in colour is needed"):
        read_colours(path, "OP", "1")


def test_values_that_are_no_image_are_refused(tmp_path):
    values = np.ones((4, 4), np.float32)
    values[2, 2] = np.nan
    with pytest.raises(MedSynthError, match="1 of 16 voxels of .*a.tiff are not finite"):
        read_grey(saved(values, tmp_path / "a.tiff"))
    with pytest.raises(MedSynthError, match="a single voxel"):
        read_grey(saved(GREY[:1, :1], tmp_path / "one.png"))


@pytest.mark.parametrize(("values", "wanted"), [((0, 255), (0, 1)), ((0, 1), (0, 1)), ((0, 2, 255), (0, 2, 255))])
def test_a_mask_of_two_values_is_a_label_of_0_and_1(tmp_path, values, wanted):
    mask = np.resize(np.array(values, np.uint8), (6, 8))
    volume = read_mask(saved(mask, tmp_path / "a.png"))
    assert np.array_equal(volume.voxels[0], np.resize(np.array(wanted), (6, 8)))
    write_volume(phantom_ct().replace(voxels=np.resize(np.array(values, np.uint8), (2, 6, 8))), tmp_path / "a.nii.gz")
    # The values of a volume are meant as they are.
    assert set(np.unique(read_mask(tmp_path / "a.nii.gz").voxels)) == set(values)
