"""Structural dissimilarity: one minus the structural similarity of Wang et al. (2004)."""

from __future__ import annotations

import torch
from monai.losses import SSIMLoss
from torch import Tensor, nn

SIGMA = 1.5


class Dissimilarity(nn.Module):
    """1 − SSIM, a scalar: 0 for equal images, 1 for unrelated ones, at most 2.

    Gaussian window with a standard deviation of 1.5 pixels, population covariance, k1 0.01 and k2 0.03; the mean
    is over channels and all places where the window fits. Along an axis shorter than the window (a slab of few
    slices) the window is the longest odd one that fits.

    Args:
        low: value that counts as zero: the luminance term needs values that are not negative.
        high: upper end of the data range.
        window: pixels along each axis, odd.
    """

    def __init__(self, low: float = -1.0, high: float = 1.0, window: int = 11) -> None:
        super().__init__()
        if high <= low or window < 1 or window % 2 == 0:
            raise ValueError("the data range must rise and the window be odd")
        self.low, self.high, self.window = low, high, window

    def forward(self, predicted: Tensor, target: Tensor) -> Tensor:
        """Compare images of the same shape, (n, c, h, w) or (n, c, d, h, w), in ``low``…``high``.

        Raises:
            ValueError: the shapes differ.
        """
        size = predicted.shape[2:]
        loss = SSIMLoss(
            spatial_dims=len(size),
            data_range=self.high - self.low,
            win_size=[min(self.window, n if n % 2 else n - 1) for n in size],
            kernel_sigma=SIGMA,
        )
        # Variances are small differences of large numbers, for which half precision is too coarse.
        with torch.autocast(predicted.device.type, enabled=False):
            return loss(predicted.float() - self.low, target.float() - self.low)
