"""The residual generator of CycleGAN (Zhu et al. 2017)."""

from __future__ import annotations

from torch import Tensor, nn


def _normalised(layer: nn.Module, channels: int) -> list[nn.Module]:
    return [layer, nn.InstanceNorm2d(channels), nn.ReLU()]


class ResidualBlock(nn.Module):
    """Two 3×3 convolutions whose result is added to what came in; channels and size are kept."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *_normalised(nn.Conv2d(channels, channels, 3, padding=1, padding_mode="reflect"), channels),
            nn.Conv2d(channels, channels, 3, padding=1, padding_mode="reflect"),
            nn.InstanceNorm2d(channels),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Return the features with the block's correction."""
        return features + self.body(features)


class ResNetGenerator(nn.Module):
    """Two steps down, residual blocks, two steps up: (n, in_channels, h, w) → (n, out_channels, h, w) in -1…1.

    Args:
        in_channels: channels of the image that comes in.
        out_channels: channels of the image that goes out.
        channels: after the first convolution.
        blocks: residual blocks, 9 for images of 256².
    """

    multiple_of = 4

    def __init__(self, in_channels: int = 3, out_channels: int = 3, channels: int = 64, blocks: int = 9) -> None:
        super().__init__()
        self.in_channels, self.out_channels = in_channels, out_channels
        layers = _normalised(nn.Conv2d(in_channels, channels, 7, padding=3, padding_mode="reflect"), channels)
        for width in (2 * channels, 4 * channels):
            layers += _normalised(nn.Conv2d(width // 2, width, 3, stride=2, padding=1), width)
        layers += [ResidualBlock(4 * channels) for _ in range(blocks)]
        for width in (2 * channels, channels):
            larger = nn.ConvTranspose2d(2 * width, width, 3, stride=2, padding=1, output_padding=1)
            layers += _normalised(larger, width)
        last = nn.Conv2d(channels, out_channels, 7, padding=3, padding_mode="reflect")
        self.body = nn.Sequential(*layers, last, nn.Tanh())

    def forward(self, image: Tensor) -> Tensor:
        """Return the network's image for a batch of images; height and width are multiples of 4."""
        return self.body(image)
