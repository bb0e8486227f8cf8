"""The logarithm of the mean squared error: what PSNR measures."""

from __future__ import annotations

from torch import Tensor

# Squared network values below which an image counts as right; an input of the full dose would else count without limit.
SMALLEST = 1e-6


def log_mse(predicted: Tensor, target: Tensor) -> Tensor:
    """Return the mean over a batch of the natural logarithm of each item's mean squared error.

    Ten times the decadic one is the negative PSNR, but for the range. Items with large errors do not drown the others,
    as they do in the mean squared error of a whole batch.

    Args:
        predicted: (n, …) images.
        target: of the same shape.
    """
    return (predicted - target).square().flatten(1).mean(dim=1).add(SMALLEST).log().mean()
