"""The U-Net of Dong et al. 2020 (CT→MRI): double convolutions, max-pooling, optional batch normalisation."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

CHANNELS = (64, 128, 256, 512, 1024)


def _double_convolution(inputs: int, outputs: int, normalise: bool) -> nn.Sequential:
    layers: list[nn.Module] = []
    for channels in (inputs, outputs):
        layers.append(nn.Conv2d(channels, outputs, 3, padding=1, bias=not normalise))
        layers += [nn.BatchNorm2d(outputs), nn.ReLU()] if normalise else [nn.ReLU()]
    return nn.Sequential(*layers)


class UNet(nn.Module):
    """U-Net with five levels: (n, in_channels, h, w) → (n, out_channels, h, w), linear output.

    The publication does not state padding and channels: here a padding of 1, which keeps the size, and 64 to 1024
    channels, as in the usual U-Net that its figure shows. Its 2×2 transposed convolutions need a stride of 2 to
    restore the size.

    Args:
        in_channels: channels of the input image.
        out_channels: channels of the output image.
        batch_norm: batch normalisation after each 3×3 convolution (not as published).
        channels: channels of each level, from the outermost to the innermost.
    """

    def __init__(
        self,
        in_channels: int = 1,
        out_channels: int = 1,
        batch_norm: bool = False,
        channels: Sequence[int] = CHANNELS,
    ) -> None:
        super().__init__()
        self.in_channels, self.out_channels = in_channels, out_channels
        self.multiple_of = 2 ** (len(channels) - 1)
        self.down = nn.ModuleList()
        inputs = in_channels
        for outputs in channels:
            self.down.append(_double_convolution(inputs, outputs, batch_norm))
            inputs = outputs
        self.pool = nn.MaxPool2d(2)
        self.larger = nn.ModuleList()
        self.up = nn.ModuleList()
        for outputs in reversed(channels[:-1]):
            self.larger.append(nn.ConvTranspose2d(inputs, outputs, 2, stride=2))
            self.up.append(_double_convolution(2 * outputs, outputs, batch_norm))
            inputs = outputs
        self.last = nn.Conv2d(channels[0], out_channels, 1)

    def forward(self, image: Tensor) -> Tensor:
        """Return the output for a batch of images; height and width must be multiples of `multiple_of`."""
        first, *deeper = self.down
        features, skips = first(image), []
        for block in deeper:
            skips.append(features)
            features = block(self.pool(features))
        for larger, block in zip(self.larger, self.up, strict=True):
            features = block(torch.cat([larger(features), skips.pop()], dim=1))
        return self.last(features)
