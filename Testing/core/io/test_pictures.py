"""Pictures of two dimensions."""

import numpy as np
import pytest
from PIL import Image

from medsynth_core.errors import MedSynthError
from medsynth_core.io.pictures import is_picture, read_colour_picture, read_picture, write_picture

GREY = np.arange(48, dtype=np.uint8).reshape(6, 8) * 5


def colours():
    return np.stack([GREY, GREY[::-1], GREY[:, ::-1]], axis=-1)


@pytest.mark.parametrize("name", ["a.png", "a.PNG", "b.tiff", "c.bmp"])
def test_grey_values_are_those_stored(tmp_path, name):
    Image.fromarray(GREY).save(tmp_path / name)
    assert is_picture(tmp_path / name) and np.array_equal(read_picture(tmp_path / name), GREY)


def test_pictures_of_sixteen_bits_keep_them(tmp_path):
    Image.fromarray(GREY.astype(np.uint16) * 200).save(tmp_path / "a.png")
    assert np.array_equal(read_picture(tmp_path / "a.png"), GREY.astype(int) * 200)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA", "P"])
def test_equal_channels_are_grey(tmp_path, mode):
    Image.fromarray(GREY).convert(mode).save(tmp_path / "a.png")
    assert np.array_equal(read_picture(tmp_path / "a.png"), GREY)


@pytest.mark.parametrize("mode", ["L", "1", "P"])
def test_masks_as_gif_are_read(tmp_path, mode):
    mask = np.where(GREY > 100, np.uint8(255), np.uint8(0))
    Image.fromarray(mask).convert(mode).save(tmp_path / "21_manual1.gif")
    assert is_picture(tmp_path / "21_manual1.gif") and np.array_equal(read_picture(tmp_path / "21_manual1.gif"), mask)


def test_an_animation_is_refused(tmp_path):
    Image.fromarray(GREY).save(tmp_path / "a.gif", save_all=True, append_images=[Image.fromarray(GREY[::-1])])
    with pytest.raises(MedSynthError, match="2 pages"):
        read_picture(tmp_path / "a.gif")


def test_masks_of_one_bit_are_read(tmp_path):
    Image.fromarray(GREY > 100).save(tmp_path / "a.png")
    assert np.array_equal(read_picture(tmp_path / "a.png") != 0, GREY > 100)


def test_a_colour_picture_needs_a_channel(tmp_path):
    Image.fromarray(colours()).save(tmp_path / "a.png")
    with pytest.raises(MedSynthError, match="colour picture, but a grey one is needed; choose one of its channels"):
        read_picture(tmp_path / "a.png")
    for index, channel in enumerate(("red", "green", "blue")):
        assert np.array_equal(read_picture(tmp_path / "a.png", channel), colours()[..., index])
    grey = read_picture(tmp_path / "a.png", "grey")
    assert np.abs(grey - np.asarray(Image.open(tmp_path / "a.png").convert("L"))).max() <= 1


def test_what_is_no_picture_is_refused(tmp_path):
    (tmp_path / "text.png").write_text("no picture")
    Image.fromarray(GREY).save(tmp_path / "whole.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "whole.png").read_bytes()[:45])
    Image.fromarray(GREY).save(tmp_path / "pages.tif", save_all=True, append_images=[Image.fromarray(GREY)])
    for name, words in {
        "text.png": "damaged",
        "cut.png": "damaged",
        "pages.tif": "2 pages",
        "none.png": "no file",
    }.items():
        with pytest.raises(MedSynthError, match=words):
            read_picture(tmp_path / name)


def test_a_mask_is_written_black_and_white(tmp_path):
    write_picture(GREY > 100, tmp_path / "m.png")
    assert np.array_equal(np.asarray(Image.open(tmp_path / "m.png")), np.where(GREY > 100, 255, 0))
    write_picture(GREY, tmp_path / "m.png")
    assert np.array_equal(read_picture(tmp_path / "m.png"), GREY) and len(list(tmp_path.iterdir())) == 1
    with pytest.raises(MedSynthError, match=r"must end with \.png"):
        write_picture(GREY, tmp_path / "m.jpg")


def test_colours_are_written_as_they_are(tmp_path):
    assert np.array_equal(read_colour_picture(write_picture(colours(), tmp_path / "a.png")), colours())
