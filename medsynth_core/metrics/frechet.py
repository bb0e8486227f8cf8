"""Fréchet distance between two sets of images, by the features that an extractor finds in them (FID).

Own implementation: MONAI's calls an option of SciPy's matrix root that SciPy 1.18 has removed.
"""

from __future__ import annotations

import numpy as np


def frechet_distance(features: np.ndarray, others: np.ndarray) -> float:
    """Return the Fréchet distance of the normal distributions that fit two sets of features.

    Args:
        features: (n, d), a row for each image; at least two.
        others: (m, d); at least two.

    Returns:
        |μ₁ − μ₂|² + tr(Σ₁ + Σ₂ − 2 (Σ₁Σ₂)^½), at least 0. It depends on the extractor and on the number of images:
        compare only values of one extractor and, roughly, of equally many images.

    Raises:
        ValueError: the sets have other shapes than these.

    Reference: Heusel et al., "GANs trained by a two time-scale update rule converge to a local Nash equilibrium",
    NeurIPS 2017.
    """
    if features.ndim != 2 or others.ndim != 2 or features.shape[1] != others.shape[1]:
        raise ValueError(f"the features must be (n, d) and (m, d), not {features.shape} and {others.shape}")
    if min(len(features), len(others)) < 2:
        raise ValueError("a distribution needs two images at least")
    (mean, spread), (other_mean, other_spread) = (_normal(some.astype(np.float64)) for some in (features, others))
    # The trace of the root of Σ₁Σ₂ is the sum of the singular values of Σ₁^½ Σ₂^½. Each Σ is XᵀX, so that these are the
    # singular values of X₁X₂ᵀ, which has no more rows than there are images.
    root = np.linalg.svd(spread @ other_spread.T, compute_uv=False).sum()
    distance = np.sum((mean - other_mean) ** 2) + np.sum(spread**2) + np.sum(other_spread**2) - 2 * root
    return max(float(distance), 0.0)


def _normal(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean of features, and X with XᵀX as their covariance."""
    mean = features.mean(axis=0)
    return mean, (features - mean) / np.sqrt(len(features) - 1)


def too_few_images(counts: tuple[int, int], dimensions: int) -> str:
    """Return what a Fréchet distance of so few images means, as a sentence; "" if there are enough.

    Args:
        counts: images of both sets.
        dimensions: features of an image.
    """
    fewest = min(counts)
    if fewest > dimensions:
        return ""
    return (
        f"The FID is of {counts[0]} and {counts[1]} images with {dimensions} features each; with no more images than "
        "features it is biased upwards, so compare it only with values of as many images."
    )
