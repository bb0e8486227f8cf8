"""Structural dissimilarity: 1 − SSIM (Wang et al. 2004)."""

from __future__ import annotations

import torch
from monai.losses import SSIMLoss
from torch import Tensor, nn

SIGMA = 1.5


class Dissimilarity(nn.Module):
    """1 − SSIM, a scalar: 0 for equal images, 1 for unrelated ones, at most 2.

    Gaussian window with a standard deviation of 1.5 pixels, population covariance, k1 0.01 and k2 0.03; the mean is
    over channels and all positions where the window fits. Along an axis shorter than the window (a thin slab) the
    longest odd window that fits is used.

    Args:
        low: lower end of the data range, subtracted because the luminance term needs non-negative values.
        high: upper end of the data range.
        window: window size in pixels along each axis, odd.
    """

    def __init__(self, low: float = -1.0, high: float = 1.0, window: int = 11) -> None:
        super().__init__()
        if high <= low or window < 1 or window % 2 == 0:
            raise ValueError("high must be greater than low, and window must be odd and positive")
        self.low, self.high, self.window = low, high, window

    def forward(self, predicted: Tensor, target: Tensor) -> Tensor:
        """Return the loss of images of the same shape, (n, c, h, w) or (n, c, d, h, w), in ``low``…``high``.

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
        # Variances are small differences of large numbers; half precision is too coarse for them.
        with torch.autocast(predicted.device.type, enabled=False):
            return loss(predicted.float() - self.low, target.float() - self.low)
