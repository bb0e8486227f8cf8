"""Logarithm of the mean squared error, which corresponds to PSNR."""

from __future__ import annotations

from torch import Tensor

# Added to the MSE (squared network values), because the logarithm would otherwise diverge for a full-dose input.
SMALLEST = 1e-6


def log_mse(predicted: Tensor, target: Tensor) -> Tensor:
    """Return the mean over a batch of the natural logarithm of each item's mean squared error.

    Ten times the decimal logarithm is the negative PSNR, up to the constant of the data range. Items with large
    errors do not dominate the others, as they would in the mean squared error of the batch.

    Args:
        predicted: images (n, …).
        target: images of the same shape.
    """
    return (predicted - target).square().flatten(1).mean(dim=1).add(SMALLEST).log().mean()
