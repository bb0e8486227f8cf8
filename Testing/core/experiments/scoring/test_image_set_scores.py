"""Scores of sets of registered images: they tell copies, blur and displacement."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from medsynth_core import MedSynthError
from medsynth_core.experiments.scoring.image_set_scores import (
    ImageSet,
    edge_alignment,
    quality_scores,
    registration_scores,
)


def bodies(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return images of discs with a brighter lesion, and its label."""
    random = np.random.default_rng(seed)
    y, x = np.indices((64, 64)) - 31.5
    images, labels = [], []
    for _ in range(count):
        radius, (row, column) = random.uniform(16, 26), random.uniform(-6, 6, 2)
        lesion = np.hypot(y - row, x - column) < 4
        images.append(0.4 * (np.hypot(y, x) < radius) + 0.3 * lesion + random.uniform(0, 0.05, y.shape))
        labels.append(lesion)
    return np.stack(images).astype(np.float32), np.stack(labels).astype(np.uint8)


def as_set(images: np.ndarray, labels: np.ndarray) -> ImageSet:
    """Return two modalities of one anatomy."""
    return ImageSet({"ct": images, "mr": 1 - images}, labels)


def test_other_images_of_the_kind_are_nearer_than_blurred_ones():
    real, kin = (as_set(*bodies(24, seed)) for seed in (0, 1))
    images, labels = bodies(24, 1)
    blurred = as_set(gaussian_filter(images, (0, 2, 2)), labels)
    near, far = (quality_scores(real, made) for made in (kin, blurred))
    for role in ("ct", "mr"):
        for name in ("fid", "fid_crops"):
            assert 0 <= near[role][name] < far[role][name]
        assert near[role]["ms_ssim_diversity"] == pytest.approx(near[role]["ms_ssim_diversity_real"], abs=0.1)
    one = as_set(np.repeat(images[:1], 24, axis=0), np.repeat(labels[:1], 24, axis=0))
    assert quality_scores(real, one)["ct"]["ms_ssim_diversity"] == pytest.approx(1)


def test_displaced_modalities_fit_each_other_less():
    images, labels = bodies(6, 0)
    fitting = registration_scores(as_set(images, labels))
    displaced = registration_scores(ImageSet({"ct": images, "mr": 1 - np.roll(images, 5, axis=2)}))
    assert fitting["edge_alignment"] == pytest.approx(1) and displaced["edge_alignment"] < 0.5
    assert displaced["mutual_information"] < fitting["mutual_information"]
    others = registration_scores(ImageSet({"ct": images, "mr": bodies(6, 9)[0]}))
    assert others["edge_alignment"] < 0.7
    assert registration_scores(ImageSet({"ct": images})) == {}
    assert edge_alignment(images[0], np.zeros_like(images[0])) == 0


def test_labels_must_fit_their_images():
    images, labels = bodies(3, 0)
    with pytest.raises(MedSynthError, match="one shape"):
        ImageSet({"ct": images}, labels[:2])
    with pytest.raises(MedSynthError, match="no labels"):
        ImageSet({"ct": images}).examples()
    assert "fid_crops" not in quality_scores(ImageSet({"ct": images}), ImageSet({"ct": images[::-1]}))["ct"]
