"""Gradient difference loss (Mathieu et al. 2016): penalises edges that are softer or sharper than the target's."""

from __future__ import annotations

import torch
from torch import Tensor


def gradient_difference(predicted: Tensor, target: Tensor) -> Tensor:
    """Return the mean over the spatial axes of mean | |∂predicted| − |∂target| |, a scalar.

    ∂ is the difference between neighbours along an axis; the exponent is 1 and spacing is ignored, so the loss is in
    the unit of the images and has the same scale in two and three dimensions. Axes of one voxel are ignored; if there
    are no others, the loss is zero.

    Args:
        predicted: images (n, c, h, w) or (n, c, d, h, w).
        target: images of the same shape.

    Raises:
        ValueError: the shapes differ.
    """
    if predicted.shape != target.shape:
        raise ValueError(f"the images have different shapes: {tuple(predicted.shape)} and {tuple(target.shape)}")
    axes = [axis for axis in range(2, predicted.ndim) if predicted.shape[axis] > 1]
    if not axes:
        return 0 * predicted.sum()
    return torch.stack(
        [(predicted.diff(dim=axis).abs() - target.diff(dim=axis).abs()).abs().mean() for axis in axes]
    ).mean()
