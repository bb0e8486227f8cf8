"""Likeness, diversity and repetition in sets of images."""

import numpy as np
import pytest

from medsynth_core.metrics.image_sets import ms_ssim_diversity, ms_ssim_paired, nearest_training_images, scales_of


def pattern(seed=0, side=256):
    """The image of the golden values, shifted by the seed."""
    y, x = np.meshgrid(*[np.linspace(0, 1, side)] * 2, indexing="ij")
    disc = (x - 0.5) ** 2 + (y - 0.5) ** 2 < 0.1
    a = np.clip(0.5 + 0.3 * np.sin(20 * x + seed) * np.cos(15 * y + seed) + 0.2 * disc, 0, 1)
    return a, np.clip(a + 0.05 * np.sin(90 * x + 40 * y) + 0.02, 0, 1)


def test_five_scales_give_the_golden_value():
    a, b = pattern()
    assert scales_of(a.shape) == 5
    assert ms_ssim_paired(a[None], b[None], 1.0) == pytest.approx(0.910578, abs=2e-5)
    colour = np.stack([a] * 3, axis=-1)[None]
    assert ms_ssim_paired(colour, np.stack([b] * 3, axis=-1)[None], 1.0) == pytest.approx(0.910578, abs=2e-5)


@pytest.mark.parametrize(
    ("side", "scales"), [(176, 5), (175, 4), (99, 4), (98, 3), (44, 3), (43, 2), (22, 2), (21, 1), (11, 1)]
)
def test_small_images_have_fewer_scales(side, scales):
    a, b = pattern(side=side)
    assert scales_of(a.shape) == scales
    assert ms_ssim_paired(a[None], a[None], 1.0) == pytest.approx(1.0)
    assert ms_ssim_paired(a[None], b[None], 1.0) < 0.999


def test_diversity_is_lower_for_images_that_differ():
    alike = np.stack([pattern(0, 64)[index % 2] for index in range(6)])
    different = np.stack([pattern(seed, 64)[0] for seed in range(6)])
    assert ms_ssim_diversity(different, 1.0) < ms_ssim_diversity(alike, 1.0) - 0.2
    some = [ms_ssim_diversity(different, 1.0, pairs=4, seed=seed) for seed in (0, 0, 1)]
    assert some[0] == some[1] != some[2]


def test_a_repeated_training_image_is_found():
    random = np.random.default_rng(0)
    training, generated = random.normal(0, 1, (20, 8, 8)), random.normal(0, 1, (5, 8, 8))
    generated[3] = training[11] + random.normal(0, 0.01, (8, 8))
    found = nearest_training_images(generated, training)
    assert found.index[3] == 11 and found.distance[3] == pytest.approx(0.01, rel=0.3)
    assert found.repeated.tolist() == [3]
    direct = np.sqrt(((training[:, None] - training) ** 2).mean(axis=(2, 3))) + np.diag([np.inf] * 20)
    assert found.among_training == pytest.approx(direct.min(axis=1))


@pytest.mark.parametrize(
    "call",
    [
        lambda: ms_ssim_paired(np.zeros((2, 16, 16)), np.zeros((2, 16, 17)), 1.0),
        lambda: ms_ssim_paired(np.zeros((2, 10, 16)), np.zeros((2, 10, 16)), 1.0),
        lambda: ms_ssim_diversity(np.zeros((1, 16, 16)), 1.0),
        lambda: nearest_training_images(np.zeros((2, 4, 4)), np.zeros((1, 4, 4))),
    ],
)
def test_sets_that_cannot_be_compared_are_refused(call):
    with pytest.raises(ValueError, match="shapes|at least"):
        call()
