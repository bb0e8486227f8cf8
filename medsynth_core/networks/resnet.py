"""The residual generator of CycleGAN (Zhu et al. 2017), in two and three dimensions.

MONAI 1.6 has no such generator: its ``ResNet`` is a classifier, and its ``Generator`` starts from a noise vector.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import pad

# By number of dimensions: convolution, transposed convolution, normalisation, padding mode. Volumes are padded by
# replication, because reflection needs more slices than a thin slab has after down-sampling.
_LAYERS: dict[int, tuple[type[nn.Module], type[nn.Module], type[nn.Module], str]] = {
    2: (nn.Conv2d, nn.ConvTranspose2d, nn.InstanceNorm2d, "reflect"),
    3: (nn.Conv3d, nn.ConvTranspose3d, nn.InstanceNorm3d, "replicate"),
}


class ResidualBlock(nn.Module):
    """Residual block of two convolutions of width 3; channels and size are kept.

    Args:
        channels: input and output channels.
        spatial_dims: 2 or 3.
    """

    def __init__(self, channels: int, spatial_dims: int) -> None:
        super().__init__()
        conv, _, norm, border = _LAYERS[spatial_dims]
        self.body = nn.Sequential(
            conv(channels, channels, 3, padding=1, padding_mode=border),
            norm(channels),
            nn.ReLU(),
            conv(channels, channels, 3, padding=1, padding_mode=border),
            norm(channels),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Return the features plus the block's residual."""
        return features + self.body(features)


class ResNetGenerator(nn.Module):
    """Two down-sampling steps, residual blocks, two up-sampling steps.

    (n, in_channels, …, h, w) → (n, out_channels, …, h, w)

    Args:
        in_channels: channels of the input image.
        out_channels: channels of the output image.
        channels: channels after the first convolution.
        blocks: number of residual blocks; published: 9 for images of 256².
        spatial_dims: 2 for images (n, channels, h, w) with sides that are multiples of 4; 3 for volumes
            (n, channels, d, h, w) of any size.
        bounded: whether a tanh limits the output to -1…1, as published; without it SUV has no upper limit.
    """

    def __init__(
        self,
        in_channels: int = 3,
        out_channels: int = 3,
        channels: int = 64,
        blocks: int = 9,
        spatial_dims: int = 2,
        bounded: bool = True,
    ) -> None:
        super().__init__()
        self.in_channels, self.out_channels, self.channels = in_channels, out_channels, channels
        self.spatial_dims = spatial_dims
        # Volumes are padded and cropped in `forward`, because slabs may have any number of slices.
        self.multiple_of = 4 if spatial_dims == 2 else 1
        conv, larger, norm, border = _LAYERS[spatial_dims]
        layers = [conv(in_channels, channels, 7, padding=3, padding_mode=border), norm(channels), nn.ReLU()]
        for width in (2 * channels, 4 * channels):
            layers += [conv(width // 2, width, 3, stride=2, padding=1), norm(width), nn.ReLU()]
        layers += [ResidualBlock(4 * channels, spatial_dims) for _ in range(blocks)]
        for width in (2 * channels, channels):
            layers += [larger(2 * width, width, 3, stride=2, padding=1, output_padding=1), norm(width), nn.ReLU()]
        layers.append(conv(channels, out_channels, 7, padding=3, padding_mode=border))
        self.body = nn.Sequential(*layers, *([nn.Tanh()] if bounded else []))

    def memory_per_voxel(self) -> int:
        """Return the approximate memory of a forward pass in bytes per voxel."""
        return 4 * (4 + 8 * self.channels)

    def forward(self, image: Tensor) -> Tensor:
        """Return the output for a batch of images."""
        if self.spatial_dims == 2:
            return self.body(image)
        depth, height, width = image.shape[2:]
        extra = (0, -width % 4, 0, -height % 4, 0, -depth % 4)
        padded = pad(image, extra, mode="replicate") if any(extra) else image
        return self.body(padded)[..., :depth, :height, :width]
