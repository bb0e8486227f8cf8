"""Gradient difference loss (Mathieu et al. 2016): it punishes edges that are softer or harder than the target's."""

from __future__ import annotations

import torch
from torch import Tensor


def gradient_difference(predicted: Tensor, target: Tensor) -> Tensor:
    """Return the mean over the spatial axes of mean | |∂predicted| − |∂target| |, a scalar.

    ∂ is the difference between neighbours along an axis; the exponent is 1 and spacing is not regarded, so the
    loss is in the unit of the images and of the same size in two and three dimensions. An axis of one voxel
    has no neighbours and does not count; without any other the loss is zero.

    Args:
        predicted: (n, c, h, w) or (n, c, d, h, w).
        target: of the same shape.

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
