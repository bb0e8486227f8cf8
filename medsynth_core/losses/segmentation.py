"""The loss of the U-Net for segmentation: cross-entropy with a weight for each pixel.

Reference: Ronneberger et al., "U-Net: Convolutional networks for biomedical image segmentation", MICCAI 2015, equations
1 and 2.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

# Weight of the border between two objects, and its width in pixels, as published.
BORDER, WIDTH = 10.0, 5.0


def class_weights(labels: np.ndarray, classes: int) -> Tensor:
    """Return a weight for each class that partly makes up for its rarity: (classes), 1 on average over the pixels.

    The publication balances the frequencies of the classes and does not say how. Here a weight is the inverse root of
    the frequency: with the inverse itself, lesions of a hundredth of the image would be found much too large. A class
    without a pixel has the weight 0.

    Args:
        labels: whole numbers from 0 to ``classes`` - 1, of any shape.
        classes: number of classes.
    """
    share = np.bincount(labels.ravel().astype(np.int64), minlength=classes)[:classes] / max(labels.size, 1)
    weights = np.where(share > 0, 1 / np.sqrt(np.where(share > 0, share, 1)), 0)
    mean = (weights * share).sum()
    return torch.from_numpy((weights / (mean if mean > 0 else 1)).astype(np.float32))


def border_weights(labels: np.ndarray) -> np.ndarray:
    """Return the weight that narrow gaps between objects of an image have besides that of their class (equation 2).

    Args:
        labels: (rows, columns), 0 where there is no object.

    Returns:
        10 · exp(−(d₁ + d₂)² / 2 · 5²) outside objects, with the distances from the nearest and the second nearest one;
        0 in objects, and everywhere if there are fewer than two.
    """
    from scipy.ndimage import distance_transform_edt
    from skimage.measure import label

    objects = label(labels != 0)
    if objects.max() < 2:
        return np.zeros(labels.shape, np.float32)
    distances = [distance_transform_edt(objects != number) for number in range(1, objects.max() + 1)]
    nearest, second = np.partition(np.stack(distances), 1, axis=0)[:2]
    found = BORDER * np.exp(-((nearest + second) ** 2) / (2 * WIDTH**2))
    return np.where(objects == 0, found, 0).astype(np.float32)


def weighted_cross_entropy(logits: Tensor, labels: Tensor, weights: Tensor, border: Tensor | None = None) -> Tensor:
    """Return the mean of the weighted cross-entropy over pixels.

    Args:
        logits: (n, classes, rows, columns).
        labels: (n, rows, columns) whole numbers.
        weights: (classes), of `class_weights`.
        border: (n, rows, columns), of `border_weights`; None for 0.
    """
    entropy = functional.cross_entropy(logits, labels, reduction="none")
    each = weights[labels] if border is None else weights[labels] + border
    return (each * entropy).mean()
