"""ML-Net of CG-3DSRGAN (Xue et al. 2023): a 3-D U-Net that also classifies the dose reduction factor."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool3d, interpolate

# Output channels of the five levels, as multiples of the first level's.
WIDTHS = (1, 2, 4, 8, 8)


class UNet3D(nn.Module):
    """3-D U-Net with five levels of strided convolutions: (n, in_channels, d, h, w) → (n, 1, d, h, w), linear output.

    Encoder blocks are LeakyReLU, convolution (3, stride 2) and batch normalisation, decoder blocks ReLU, transposed
    convolution and batch normalisation, with skip connections as in pix2pix. Any size is accepted: decoder outputs
    are interpolated to the size of their skip connection. Without a head this is the publication's 3D-UNet.

    Args:
        channels: channels of the first level.
        residual: add the first input image to the output (not as published).
        in_channels: number of input images: the low-dose PET and optionally further images (a CT).
    """

    out_channels = multiple_of = 1
    spatial_dims = 3

    def __init__(self, channels: int = 64, residual: bool = False, in_channels: int = 1) -> None:
        super().__init__()
        self.channels, self.residual, self.in_channels = channels, residual, in_channels
        widths = [channels * width for width in WIDTHS]
        self.down = nn.ModuleList([nn.Conv3d(in_channels, widths[0], 3, stride=2, padding=1)])
        for index, (inputs, outputs) in enumerate(zip(widths[:-1], widths[1:], strict=True)):
            innermost = index == len(widths) - 2
            layers: list[nn.Module] = [nn.LeakyReLU(0.2), nn.Conv3d(inputs, outputs, 3, stride=2, padding=1)]
            self.down.append(nn.Sequential(*layers, *([] if innermost else [nn.BatchNorm3d(outputs)])))
        self.up = nn.ModuleList()
        for index, outputs in enumerate(reversed(widths[:-1])):
            inputs = widths[-1] if index == 0 else 2 * widths[-1 - index]
            larger = nn.ConvTranspose3d(inputs, outputs, 3, stride=2, padding=1)
            self.up.append(nn.Sequential(nn.ReLU(), larger, nn.BatchNorm3d(outputs)))
        last = nn.ConvTranspose3d(2 * channels, 1, 3, stride=2, padding=1, output_padding=1)
        self.up.append(nn.Sequential(nn.ReLU(), last))
        if residual:
            # Starts as the identity, which is hard to beat at low dose reduction.
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)  # type: ignore[arg-type]

    def memory_per_voxel(self) -> int:
        """Return the approximate memory of a forward pass in bytes per voxel."""
        # At half resolution the features of the first level, their skip connection and those of the decoder exist at
        # the same time, and the libraries keep copies in another memory layout.
        return 4 * (8 + 9 * self.channels // 8)

    def forward(self, image: Tensor) -> Tensor:
        """Return the output for a batch of images."""
        return self._decode(image, self._encode(image))

    def _encode(self, image: Tensor) -> list[Tensor]:
        levels, features = [], image
        for block in self.down:
            features = block(features)
            levels.append(features)
        return levels

    def _decode(self, image: Tensor, levels: list[Tensor]) -> Tensor:
        *skips, features = levels
        for block, skip in zip(self.up, reversed(skips), strict=False):
            features = torch.cat([skip, _resized(block(features), skip)], dim=1)
        made = _resized(self.up[-1](features), image)
        return image[:, :1] + made if self.residual else made


class MLNet3D(UNet3D):
    """`UNet3D` with a dose head: a perceptron on the mean of the innermost features.

    The mean is taken where the first image is above 0, in a PET the patient.

    Args:
        channels: channels of the first level.
        classes: number of dose reduction factors to distinguish.
        residual: as in `UNet3D`.
        in_channels: as in `UNet3D`.
    """

    def __init__(self, channels: int = 64, classes: int = 6, residual: bool = False, in_channels: int = 1) -> None:
        super().__init__(channels, residual, in_channels)
        innermost = channels * WIDTHS[-1]
        self.classes = classes
        self.head = nn.Sequential(
            nn.Linear(innermost, innermost // 2), nn.LeakyReLU(0.2), nn.Linear(innermost // 2, classes)
        )

    def with_class(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Return the output image and the logits (n, classes) of the dose reduction factor."""
        levels = self._encode(image)
        features = levels[-1]
        # Only where the image is above 0, so that the dose does not depend on the amount of air around the patient.
        share = adaptive_avg_pool3d((image[:, :1] > 0).to(features.dtype), list(features.shape[2:]))  # type: ignore[arg-type]
        mean = (features * share).sum(dim=(2, 3, 4)) / share.sum(dim=(2, 3, 4)).clamp_min(1e-6)
        return self._decode(image, levels), self.head(mean)


def _resized(features: Tensor, like: Tensor) -> Tensor:
    size = like.shape[2:]
    return features if features.shape[2:] == size else interpolate(features, size, mode="trilinear")
