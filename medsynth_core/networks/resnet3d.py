"""The residual generator of CycleGAN (Zhu et al. 2017) in three dimensions."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import pad


class ResidualBlock3D(nn.Module):
    """Two 3×3×3 convolutions whose result is added to what came in; channels and size are kept."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv3d(channels, channels, 3, padding=1, padding_mode="replicate"),
            nn.InstanceNorm3d(channels),
            nn.ReLU(),
            nn.Conv3d(channels, channels, 3, padding=1, padding_mode="replicate"),
            nn.InstanceNorm3d(channels),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Return the features with the block's correction."""
        return features + self.body(features)


class ResNet3D(nn.Module):
    """Two steps down, residual blocks, two steps up: (n, 1, d, h, w) → (n, 1, d, h, w), linear output.

    Borders are replicated, because a reflection needs more slices than the inside of a thin slab has. The output is
    linear, so that SUV have no upper limit.

    Args:
        channels: after the first convolution.
        blocks: residual blocks.
    """

    in_channels = out_channels = 1
    spatial_dims = 3
    # Whatever does not divide by 4 is padded here, and cut off again.
    multiple_of = 1

    def __init__(self, channels: int = 32, blocks: int = 6) -> None:
        super().__init__()
        self.channels = channels
        layers = _normalised(nn.Conv3d(1, channels, 7, padding=3, padding_mode="replicate"), channels)
        for width in (2 * channels, 4 * channels):
            layers += _normalised(nn.Conv3d(width // 2, width, 3, stride=2, padding=1), width)
        layers += [ResidualBlock3D(4 * channels) for _ in range(blocks)]
        for width in (2 * channels, channels):
            larger = nn.ConvTranspose3d(2 * width, width, 3, stride=2, padding=1, output_padding=1)
            layers += _normalised(larger, width)
        self.body = nn.Sequential(*layers, nn.Conv3d(channels, 1, 7, padding=3, padding_mode="replicate"))

    def memory_per_voxel(self) -> int:
        """Return the bytes that a forward pass needs for each voxel, about."""
        return 4 * (4 + 8 * self.channels)

    def forward(self, image: Tensor) -> Tensor:
        """Return the network's image for a batch of images."""
        size = image.shape[2:]
        extra = [-side % 4 for side in size]
        padded = pad(image, (0, extra[2], 0, extra[1], 0, extra[0]), mode="replicate") if any(extra) else image
        return self.body(padded)[..., : size[0], : size[1], : size[2]]


def _normalised(layer: nn.Module, channels: int) -> list[nn.Module]:
    return [layer, nn.InstanceNorm3d(channels), nn.ReLU()]
