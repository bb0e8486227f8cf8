"""Figures of low-dose PET: panels, positions and labels."""

from __future__ import annotations

import numpy as np
import pytest
from builders import phantom_body_pet
from skimage.io import imread

from medsynth_core import MedSynthError
from medsynth_core.experiments.figures.dose_figures import (
    draw_dose_comparison,
    draw_dose_curves,
    write_dose_comparison,
    write_dose_curves,
)

PSNR = {"identity": {4.0: 40.0, 10.0: 36.0, 100.0: 26.0}, "filter": {4.0: 41.0, 10.0: 38.0, 100.0: 31.0}}


@pytest.fixture
def full():
    return phantom_body_pet(1)


def noisy(full, seed, size=0.3):
    noise = np.random.default_rng(seed).normal(0, size, full.shape)
    return full.replace(voxels=(full.voxels + noise).astype(np.float32))


def images(figure):
    return [axes.images[0] for axes in figure.axes if axes.images and axes.get_xticks().size == 0]


def test_each_image_has_its_error_below_and_its_own_title(full):
    rows = [{"low": noisy(full, 0), "a": noisy(full, 1)}, {"b": noisy(full, 2), "c": noisy(full, 3)}]
    figure = draw_dose_comparison(full, rows)
    shown = images(figure)
    assert [image.get_cmap().name for image in shown] == ["gray_r", *["gray_r", "RdBu_r"] * 2] * 2
    real, low, error = (np.asarray(image.get_array()) for image in shown[:3])
    assert np.allclose(error, low - real, atol=1e-5) and np.abs(error).mean() > 0.1
    assert np.array_equal(shown[5].get_array(), real), "every row begins with the full dose"
    high = {image.get_clim() for image in shown if image.get_cmap().name == "gray_r"}
    assert len(high) == 1 and high.pop()[0] == 0
    (low, high), *others = {image.get_clim() for image in shown if image.get_cmap().name == "RdBu_r"}
    assert low == -high and not others
    heads = [text for text in figure.texts if text.get_text() in ("Full dose", "low", "a", "b", "c")]
    heads.sort(key=lambda text: (-round(text.get_position()[1], 4), text.get_position()[0]))
    assert [text.get_text() for text in heads] == ["Full dose", "low", "a", "Full dose", "b", "c"]


def test_the_coronal_plane_goes_through_the_tumour(full):
    marked = np.zeros(full.shape, dtype=np.uint8)
    marked[10:14, 20:23, 8:14] = 1
    figure = draw_dose_comparison(full, [{"a": noisy(full, 0)}], lesion=full.replace(voxels=marked, unit=""))
    assert np.array_equal(images(figure)[0].get_array(), full.voxels[::-1, 21])
    assert "contour of the tumour" in figure.texts[-1].get_text()


def test_what_cannot_be_drawn_is_refused_in_one_sentence(full):
    other = full.replace(ijk_to_ras=full.ijk_to_ras @ np.diag([1, 1, 2, 1]))
    for rows, words in (([], "no result to"), ([{}], "no result to"), ([{"a": other}], "'a' lies on another grid")):
        with pytest.raises(MedSynthError, match=words):
            draw_dose_comparison(full, rows)
    with pytest.raises(MedSynthError, match="'lesion' lies on another grid"):
        draw_dose_comparison(full, [{"a": full}], lesion=other)
    with pytest.raises(MedSynthError, match="no method 'x'"):
        draw_dose_curves(PSNR, beside="x")


def test_curves_are_over_the_logarithm_of_the_factor_and_beside_the_gain():
    left, right = draw_dose_curves(PSNR, beside="identity").axes
    assert left.get_xscale() == right.get_xscale() == "log"
    assert [text.get_text() for text in left.get_xticklabels()] == ["4", "10", "100"]
    values = {line.get_label(): list(line.get_ydata()) for line in left.lines}
    gains = {line.get_label(): list(line.get_ydata()) for line in right.lines}
    assert values["filter"] == [41, 38, 31] and gains == {"identity": [0, 0, 0], "filter": [1, 2, 5]}
    many = draw_dose_curves({f"m{n}": PSNR["filter"] for n in range(10)}, beside="m0").axes[0].lines
    assert len({(line.get_color(), line.get_linestyle()) for line in many}) == 10


def test_the_files_are_2000_pixels_wide(full, tmp_path):
    write_dose_comparison(full, [{"a": noisy(full, 0)}], tmp_path / "comparison.png")
    write_dose_curves(PSNR, tmp_path / "doses.png", beside="identity")
    for name in ("comparison.png", "doses.png"):
        picture = imread(tmp_path / name)
        assert picture.shape[1] == 2000 and picture[..., :3].std() > 5
