"""Structure maps and background masks."""

import numpy as np
import pytest
from scipy import ndimage

from medsynth_core.errors import MedSynthError
from medsynth_core.structure.maps import background_mask, blur, majority, structure_map
from medsynth_core.structure.settings import PRESETS, StructureSettings, preset

FIXED = StructureSettings(alpha=0.05, gamma=0.3, grow=4)


def ellipse(shape=(64, 80), centre=(0.0, 0.0), radii=(0.7, 0.8)):
    y, x = np.meshgrid(*[np.linspace(-1, 1, n) for n in shape], indexing="ij")
    return ((y - centre[0]) / radii[0]) ** 2 + ((x - centre[1]) / radii[1]) ** 2 < 1


@pytest.fixture
def phantom():
    """A body of 0.5 with an organ of 0.9 in it, and weak noise."""
    body = 0.5 * ellipse() + 0.4 * ellipse(radii=(0.3, 0.3))
    return body + np.random.default_rng(0).normal(0, 0.01, body.shape)


def gaussian(image, sigma):
    return ndimage.gaussian_filter(image, sigma, mode="mirror", radius=1) if sigma > 0 else image


def unit(values):
    return (values - values.min()) / (values.max() - values.min())


def step_by_step(image, settings):
    """Both algorithms, written with scipy line by line."""
    x = unit(image.astype(float))
    down, across = (ndimage.sobel(x, axis=axis, mode="mirror") for axis in (0, 1))
    weakest, strongest = unit(np.minimum(down, across)), unit(np.maximum(down, across))
    weakest, strongest = gaussian(weakest, settings.sigma1), gaussian(strongest, settings.sigma1)
    lines = (weakest.mean() - weakest > settings.alpha) | (strongest - strongest.mean() > settings.alpha)
    lines = gaussian(lines.astype(float), settings.sigma2) > settings.beta
    lines = ndimage.median_filter(lines.astype(np.uint8), settings.median, mode="constant") > 0
    inside = (x > settings.gamma).astype(np.uint8)
    rows, columns = (
        [int((place + settings.grow // 2 + 0.5) * n / (n + settings.grow)) for place in range(n)] for n in x.shape
    )
    inside = ndimage.median_filter(inside[np.ix_(rows, columns)], settings.background_median, mode="constant") > 0
    return lines & inside, ~inside


@pytest.mark.parametrize(
    "settings", [FIXED, PRESETS["brain-mr"], StructureSettings(0.5, 0.02, 0.6, 0.1, 3, 0.2, 7, 17)]
)
def test_the_result_is_that_of_the_algorithms_step_by_step(phantom, settings):
    lines, outside = step_by_step(phantom, settings)
    assert lines.any() and outside.any()
    assert np.array_equal(structure_map(phantom, settings), lines)
    assert np.array_equal(background_mask(phantom, settings), outside)


@pytest.mark.parametrize("name", PRESETS)
def test_a_map_has_lines_in_the_organ_and_none_outside(phantom, name):
    image = phantom * 1000 - 500 if PRESETS[name].window else phantom
    lines, outside = structure_map(image, PRESETS[name]), background_mask(image, PRESETS[name])
    assert lines.dtype == outside.dtype == bool
    assert not (lines & outside).any() and 0.01 < lines[~outside].mean() < 0.6
    # The mask is of the background: true in the corners and false in the middle.
    assert outside[0].all() and outside[:, -1].all() and not outside[32, 40]


def test_the_border_of_an_organ_is_a_closed_line(phantom):
    lines = structure_map(phantom, StructureSettings(alpha=0.05, median=3, sigma2=0.5))
    parts, _ = ndimage.label(~lines)
    assert parts[32, 40] != parts[32, 20] != parts[0, 0]


def test_slices_of_a_volume_are_treated_one_by_one(phantom):
    volume = np.stack([phantom, phantom[::-1], phantom])
    found = structure_map(volume, FIXED)
    assert np.array_equal(found[0], structure_map(phantom, FIXED)) and np.array_equal(found[0], found[2])
    assert np.array_equal(background_mask(volume, FIXED)[1], background_mask(phantom[::-1], FIXED))


def test_edges_in_three_dimensions_see_what_no_slice_shows():
    flat = np.zeros((24, 40, 40))
    flat[12:] = 1.0
    settings = StructureSettings(alpha=0.1, sigma2=0.3, gamma=0.0, grow=0, median=1, background_median=1)
    nothing = np.zeros(flat.shape, dtype=bool)
    assert not structure_map(flat, settings, background=nothing).any()
    solid = structure_map(flat, settings, background=nothing, spacing=(1, 1, 1))
    assert set(np.flatnonzero(solid.any(axis=(1, 2)))) == {11, 12} and solid[11:13].all()


def test_edges_across_thick_slices_count_less():
    # A cube whose faces have the same contrast everywhere; with slices ten times as thick, its lids have a tenth.
    cube = np.zeros((30, 30, 30))
    cube[8:22, 8:22, 8:22] = 1.0
    settings = StructureSettings(sigma1=0, alpha=0.2, sigma2=0, beta=0, median=1, gamma=0.5, grow=0)
    nothing = np.zeros(cube.shape, dtype=bool)
    even, thick = (
        structure_map(cube, settings, background=nothing, spacing=spacing) for spacing in ((1, 1, 1), (10, 1, 1))
    )
    assert even[8, 15, 15] and not thick[8, 15, 15]
    assert even[15, 8, 15] and thick[15, 8, 15]


def test_edges_of_a_lesion_are_left_out(phantom):
    lesion = ellipse(radii=(0.3, 0.3)).astype(np.uint8) * 3
    lines = structure_map(phantom, FIXED)
    without = structure_map(phantom, FIXED, lesion=lesion)
    near = ndimage.binary_dilation(lesion, iterations=2)
    assert lines[near].sum() > 50 and not without[near].any()
    far = ndimage.binary_dilation(lesion, iterations=5)
    assert np.array_equal(lines[~far], without[~far]) and lines[~far].any()


def test_holes_belong_to_the_organ_if_asked(phantom):
    hollow = phantom * ~ellipse(radii=(0.2, 0.2))
    settings = StructureSettings(gamma=0.2, grow=0)
    assert background_mask(hollow, settings)[32, 40]
    assert not background_mask(hollow, settings.with_values(fill=True))[32, 40]


def test_the_organ_grows_about_the_middle_of_the_image(phantom):
    areas = [int((~background_mask(phantom, StructureSettings(gamma=0.2, grow=grow))).sum()) for grow in (0, 4, 12)]
    assert areas[0] < areas[1] < areas[2]
    assert areas[2] == pytest.approx(areas[0] * (1 + 12 / 64) * (1 + 12 / 80), rel=0.02)


def test_values_outside_the_window_have_no_edges(phantom):
    bright = phantom.copy()
    bright[ellipse(radii=(0.1, 0.1))] = 50.0
    settings = StructureSettings(alpha=0.05, gamma=0.3, grow=4, window=(0.0, 1.0))
    assert not structure_map(bright, settings)[31:33, 39:41].any()
    assert np.array_equal(background_mask(bright, settings), background_mask(np.minimum(bright, 1), settings))


@pytest.mark.parametrize("value", [0.0, 7.0])
def test_a_constant_image_has_no_lines(value):
    assert not structure_map(np.full((20, 20), value), StructureSettings()).any()


@pytest.mark.parametrize("side", [1, 3, 5, 17])
@pytest.mark.parametrize("shape", [(40, 33), (12, 20, 15), (3, 50)])
def test_the_majority_of_a_mask_is_its_median(side, shape):
    mask = np.random.default_rng(1).random(shape) < 0.5
    wanted = ndimage.median_filter(mask.astype(np.uint8), side, mode="constant") > 0
    assert np.array_equal(majority(mask, side), wanted)


def test_the_median_of_a_large_cube_is_counted_without_overflow():
    mask = np.ones((70, 70, 70), dtype=bool)
    assert majority(mask, 63)[35, 35, 35] and not majority(mask, 63)[0, 0, 0]


def test_a_gaussian_of_no_width_changes_nothing():
    image = np.random.default_rng(2).random((9, 9))
    assert blur(image, 0.0) is image and blur(image, 0.01) is image
    assert np.allclose(blur(image, 0.8), ndimage.gaussian_filter(image, 0.8, mode="mirror", radius=1))


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (np.zeros((8, 8, 8, 3)), "grey"),
        (np.array([[1.0, np.nan], [0, 0]]), "not finite"),
        (np.zeros((8, 8), dtype=complex), "grey"),
        (np.zeros((0, 8)), "grey"),
    ],
)
def test_images_that_have_no_map_are_refused(image, words):
    with pytest.raises(MedSynthError, match=words):
        structure_map(image, FIXED)


def test_masks_of_another_grid_are_refused(phantom):
    with pytest.raises(MedSynthError, match="lesion mask has the shape"):
        structure_map(phantom, FIXED, lesion=np.zeros((3, 3)))
    with pytest.raises(MedSynthError, match="mask of the background"):
        structure_map(phantom, FIXED, background=np.zeros((3, 3)))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sigma1", -1.0),
        ("sigma2", float("nan")),
        ("alpha", 1.5),
        ("beta", -0.1),
        ("gamma", float("nan")),
        ("median", 4),
        ("median", 0),
        ("background_median", 65),
        ("grow", -1),
        ("clip", 0.5),
        ("window", (3.0, 3.0)),
        ("window", (1.0,)),
        ("median", 3.0),
        ("grow", True),
        ("sigma1", "x"),
        ("fill", "no"),
        ("clip", None),
        ("window", (0.0, float("inf"))),
    ],
)
def test_settings_outside_their_range_are_refused(name, value):
    with pytest.raises(MedSynthError, match=f"'{name}'"):
        StructureSettings(**{name: value})


def test_an_unknown_preset_is_refused():
    with pytest.raises(MedSynthError, match="brain-mr"):
        preset("knee")
    assert preset("brain-mr").to_dict()["alpha"] == 0.035


@pytest.mark.parametrize("spacing", [(1, 1, 1), (1, 0), (1, -1), (1, float("nan"))])
def test_a_spacing_that_is_none_of_the_image_is_refused(phantom, spacing):
    with pytest.raises(MedSynthError, match="is not 2 distances above 0"):
        structure_map(phantom, FIXED, spacing=spacing)
