"""Contextual-Net of CG-3DSRGAN (Xue et al. 2023), which refines the output of ML-Net."""

from __future__ import annotations

from torch import Tensor, nn

from medsynth_core.networks.mlnet3d import MLNet3D


def _convolution(inputs: int, outputs: int) -> nn.Conv3d:
    return nn.Conv3d(inputs, outputs, 3, padding=1)


class _Residual(nn.Module):
    """Residual block: convolution, ReLU, convolution, added to the input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(_convolution(channels, channels), nn.ReLU(), _convolution(channels, channels))

    def forward(self, features: Tensor) -> Tensor:
        return features + self.body(features)


class ContextualNet(nn.Module):
    """Convolution, two residual blocks, two convolutions at full size: (n, 1, d, h, w) → (n, 1, d, h, w).

    An output voxel depends only on input voxels up to `halo` voxels away.

    Args:
        channels: channels of the hidden layers; 32 by default, because the publication does not state it.
        residual: add the input image to the output, as the publication proposes in its conclusion.
    """

    in_channels = out_channels = multiple_of = 1
    spatial_dims = 3
    halo = 7

    def __init__(self, channels: int = 32, residual: bool = False) -> None:
        super().__init__()
        self.residual, self.channels = residual, channels
        last = _convolution(channels, 1)
        if residual:
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)  # type: ignore[arg-type]
        self.body = nn.Sequential(
            _convolution(1, channels), _Residual(channels), _Residual(channels), _convolution(channels, channels), last
        )

    def memory_per_voxel(self) -> int:
        """Return the approximate memory of a forward pass in bytes per voxel."""
        return 4 * (2 + 4 * self.channels)

    def forward(self, image: Tensor) -> Tensor:
        """Return the output for a batch of images."""
        return image + self.body(image) if self.residual else self.body(image)


class CG3DSRGAN(nn.Module):
    """The whole generator: ML-Net's coarse image, refined by Contextual-Net.

    Args:
        channels: channels of ML-Net's first level.
        context_channels: channels of Contextual-Net.
        classes: number of dose reduction factors that ML-Net's head distinguishes.
        residual: both networks add their (first) input image to their output.
        in_channels: number of ML-Net's input images; Contextual-Net sees only ML-Net's output.
    """

    out_channels = multiple_of = 1
    spatial_dims = 3

    def __init__(
        self,
        channels: int = 64,
        context_channels: int = 32,
        classes: int = 6,
        residual: bool = False,
        in_channels: int = 1,
    ) -> None:
        super().__init__()
        self.classes, self.in_channels = classes, in_channels
        self.coarse = MLNet3D(channels, classes, residual, in_channels)
        self.refine = ContextualNet(context_channels, residual)

    def memory_per_voxel(self) -> int:
        """Return the approximate memory of a forward pass in bytes per voxel."""
        return self.coarse.memory_per_voxel() + self.refine.memory_per_voxel()

    def forward(self, image: Tensor) -> Tensor:
        """Return the refined image for a batch of images (n, in_channels, d, h, w)."""
        return self.refine(self.coarse(image))

    def with_class(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Return the refined image and the logits (n, classes) of the dose reduction factor."""
        coarse, logits = self.coarse.with_class(image)
        return self.refine(coarse), logits
