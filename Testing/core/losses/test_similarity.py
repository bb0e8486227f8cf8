"""The structural dissimilarity loss agrees with scikit-image's structural similarity."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity

from medsynth_core.losses.similarity import Dissimilarity


def images(*shape: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return a smooth image in -1…1 and one with noise."""
    random = torch.Generator().manual_seed(0)
    target = torch.sin(torch.randn(shape, generator=random).cumsum(-1).cumsum(-2) / 20)
    return (target + 0.2 * torch.randn(shape, generator=random)).clamp(-1, 1), target


def oracle(a: np.ndarray, b: np.ndarray) -> float:
    """Return scikit-image's similarity where the window of 11 fits."""
    _, full = structural_similarity(
        a + 1.0, b + 1.0, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=2.0, full=True
    )
    return float(full[(slice(5, -5),) * a.ndim].mean())


def by_hand(a: np.ndarray, b: np.ndarray, window: int) -> float:
    """Return the mean similarity in all windows of an image, by its definition."""
    line = np.exp(-0.5 * ((np.arange(window) - window // 2) / 1.5) ** 2)
    weights = np.outer(line, line) / line.sum() ** 2

    def mean(image: np.ndarray) -> np.ndarray:
        return (np.lib.stride_tricks.sliding_window_view(image, (window, window)) * weights).sum(axis=(-2, -1))

    a, b = a + 1.0, b + 1.0
    contrast = 2 * (mean(a * b) - mean(a) * mean(b)) + 0.06**2
    spread = mean(a * a) - mean(a) ** 2 + mean(b * b) - mean(b) ** 2 + 0.06**2
    luminance = (2 * mean(a) * mean(b) + 0.02**2) / (mean(a) ** 2 + mean(b) ** 2 + 0.02**2)
    return float((luminance * contrast / spread).mean())


@pytest.mark.parametrize("shape", [(2, 1, 32, 40), (2, 3, 24, 24), (1, 2, 16, 18, 20)])
def test_it_is_one_minus_the_similarity_of_each_channel(shape):
    predicted, target = images(*shape)
    pairs = zip(predicted.flatten(0, 1).numpy(), target.flatten(0, 1).numpy(), strict=True)
    expected = 1 - np.mean([oracle(a, b) for a, b in pairs])
    assert float(Dissimilarity()(predicted, target)) == pytest.approx(expected, abs=1e-5)
    assert expected > 0.1


def test_the_range_is_counted_from_its_lower_end():
    predicted, target = images(1, 1, 24, 24)
    shifted = Dissimilarity(100, 300)(100 * predicted + 200, 100 * target + 200)
    assert float(shifted) == pytest.approx(float(Dissimilarity()(predicted, target)), abs=1e-4)


@pytest.mark.parametrize(
    ("size", "window"), [(3, 3), (4, 3), (5, 5), (7, 7), (8, 7), (9, 9), (10, 9), (11, 11), (12, 11)]
)
def test_the_window_of_a_small_image_is_the_longest_odd_one_that_fits(size, window):
    predicted, target = images(1, 1, size, size)
    expected = 1 - by_hand(predicted[0, 0].double().numpy(), target[0, 0].double().numpy(), window)
    assert float(Dissimilarity()(predicted, target)) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("shape", [(1, 1, 8, 20, 20), (1, 1, 1, 20, 20), (2, 1, 6, 9)])
def test_the_window_shrinks_to_thin_axes(shape):
    predicted, target = images(*shape)
    loss = Dissimilarity()
    assert float(loss(target, target)) == pytest.approx(0, abs=1e-6)
    assert 0.01 < float(loss(predicted, target)) < 2


def test_gradients_lead_to_the_target():
    predicted, target = images(1, 2, 24, 24)
    loss = Dissimilarity()
    image = predicted.requires_grad_()
    optimiser = torch.optim.Adam([image], lr=0.02)
    first = loss(image, target).item()
    for _ in range(30):
        optimiser.zero_grad()
        loss(image, target).backward()
        optimiser.step()
    assert loss(image, target).item() < 0.3 * first


def test_half_precision_around_it_changes_nothing():
    predicted, target = images(1, 1, 24, 24)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = Dissimilarity()(predicted, target)
    assert float(half) == float(Dissimilarity()(predicted, target))


def test_settings_that_make_no_sense_are_refused():
    with pytest.raises(ValueError, match="odd"):
        Dissimilarity(window=10)
    with pytest.raises(ValueError, match="high must be greater than low"):
        Dissimilarity(1, -1)
    with pytest.raises(ValueError, match="shapes"):
        Dissimilarity()(torch.zeros(1, 1, 20, 20), torch.zeros(1, 2, 20, 20))


def test_the_narrowest_settings_are_allowed():
    a, b = images(1, 1, 6, 6)
    assert 0 < float(Dissimilarity(window=1)(a, b)) < 2
    for settings in ({"window": 0}, {"window": -1}, {"low": 1.0, "high": 1.0}):
        with pytest.raises(ValueError, match="high must be greater than low, and window must be odd and positive"):
            Dissimilarity(**settings)
