"""Means of fields as features of images, and the distance of sets by them."""

from __future__ import annotations

import numpy as np
import pytest

from medsynth_core.metrics.field_means import field_means, scaled_distance
from medsynth_core.metrics.frechet import frechet_distance


def test_an_image_has_the_means_of_its_fields():
    images = np.zeros((2, 16, 27))
    images[1, 2:4, 3:6] = [[1, 2, 3], [4, 5, 6]]  # the field in the second row and column
    found = field_means(images)
    assert found.shape == (2, 64) and not found[0].any()
    assert np.flatnonzero(found[1]).tolist() == [9] and found[1, 9] == 3.5
    # The last three columns belong to no field.
    images[0, :, 24:] = 1
    assert not field_means(images)[0].any()
    assert field_means(np.ones((1, 8, 8), bool)).dtype == np.float64


def test_features_count_by_the_spread_of_the_real_images():
    random = np.random.default_rng(0)
    made, real = random.normal(size=(30, 3)), random.normal(size=(40, 3))
    scale = np.array([1.0, 100.0, 0.01])
    assert scaled_distance(made * scale, real * scale) == pytest.approx(scaled_distance(made, real))
    spread = real.std(axis=0)
    assert scaled_distance(made, real) == pytest.approx(frechet_distance(made / spread, real / spread))
    # A feature that is the same in all real images counts by a thousandth.
    real[:, 0] = made[:, 0] = 0
    made[:, 0] += 0.01
    assert scaled_distance(made, real) > 100 * 0.99


def test_features_of_a_kind_have_one_spread():
    random = np.random.default_rng(0)
    made, real = random.normal(size=(30, 4)), random.normal(size=(40, 4))
    real[:, 0] = 0  # a field that is empty in all real images
    scale = np.array([1.0, 1.0, 0.01, 0.01])
    spread = real.std(axis=0)
    common = np.sqrt([(spread[:2] ** 2).mean()] * 2 + [(spread[2:] ** 2).mean()] * 2)
    expected = frechet_distance(made / common, real / common)
    assert scaled_distance(made, real, kinds=2) == pytest.approx(expected)
    assert scaled_distance(made * scale, real * scale, kinds=2) == pytest.approx(expected)
    assert scaled_distance(made, real) > 1000 * expected
