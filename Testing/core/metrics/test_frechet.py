"""The Fréchet distance between sets of images."""

import numpy as np
import pytest
from scipy.linalg import sqrtm

from medsynth_core.metrics.frechet import frechet_distance, too_few_images


def by_definition(a, b):
    spread, other = np.cov(a.T), np.cov(b.T)
    root = sqrtm(spread @ other).real
    return np.sum((a.mean(0) - b.mean(0)) ** 2) + np.trace(spread + other - 2 * root)


@pytest.mark.parametrize(("n", "m", "d"), [(60, 80, 5), (200, 40, 12)])
def test_it_is_that_of_the_definition(n, m, d):
    random = np.random.default_rng(0)
    a, b = random.normal(0, 1, (n, d)), random.normal(0.3, 2, (m, d)) @ random.normal(0, 1, (d, d))
    assert frechet_distance(a, b) == pytest.approx(by_definition(a, b), rel=1e-9)
    assert frechet_distance(a, b) == pytest.approx(frechet_distance(b, a), rel=1e-9)


def test_a_shift_counts_by_its_square_and_a_set_is_at_no_distance_from_itself():
    a = np.random.default_rng(1).normal(0, 1, (50, 7))
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(a, a + 2) == pytest.approx(7 * 4)


def test_more_features_than_images_are_no_obstacle_and_told():
    random = np.random.default_rng(2)
    a, b = random.normal(0, 1, (10, 300)), random.normal(0, 1, (12, 300))
    assert frechet_distance(a, b) > 0
    assert "of 10 and 12 images with 300 features" in too_few_images((10, 12), 300)
    assert too_few_images((301, 400), 300) == ""


@pytest.mark.parametrize("shapes", [((5, 3), (5, 4)), ((1, 3), (5, 3)), ((5,), (5, 3))])
def test_other_shapes_are_refused(shapes):
    with pytest.raises(ValueError, match="features must be|two images"):
        frechet_distance(*(np.zeros(shape) for shape in shapes))
