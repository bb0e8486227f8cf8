"""The feature extractor with which sets of images are compared (FID)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from monai.networks.nets import ResNet
from torch import Tensor, nn

CHANNELS = (16, 32, 64, 96)
SIDE = 128


class ImageFeatures(nn.Module):
    """Small residual network: (n, in_channels, h, w) → (n, features), the mean of the last maps over the image.

    It is MONAI's ResNet with one block for each of four resolutions and without its last layer. Images are
    standardised, and have 128² pixels (`SIDE`) where the weights are those that come with MedSynth.

    Args:
        in_channels: channels of the image.
        channels: channels of each of the four resolutions; the last number is that of the features.

    Raises:
        ValueError: there are more or fewer than four resolutions.

    Reference: He et al., "Deep residual learning for image recognition", CVPR 2016.
    """

    spatial_dims = 2

    def __init__(self, in_channels: int = 1, channels: Sequence[int] = CHANNELS) -> None:
        super().__init__()
        if len(channels) != len(CHANNELS):
            raise ValueError(f"channels must be {len(CHANNELS)} numbers, not {len(channels)}")
        self.in_channels, self.features = in_channels, channels[-1]
        self.network = ResNet(
            *("basic", [1] * len(channels), list(channels)),
            spatial_dims=2,
            n_input_channels=in_channels,
            conv1_t_size=5,
            conv1_t_stride=2,
            feed_forward=False,
        )

    def forward(self, image: Tensor) -> Tensor:
        """Return the features, each at least 0."""
        return self.network(image)

    def reference_inputs(self) -> tuple[Tensor, ...]:
        """Return an image of the side for which it is meant, for counting operations."""
        return (torch.empty(1, self.in_channels, SIDE, SIDE),)
