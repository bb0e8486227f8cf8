"""Progressively growing networks (Karras et al. 2018, PGGAN): generator and discriminator with fade-in.

Both begin at 4² and double, level by level. Between two levels the image is a mixture of the former level's, enlarged,
and the new one's. Weights are scaled when they are used (equalised learning rate), the generator normalises each pixel
over its channels, and the discriminator sees how much the images of a batch differ.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from medsynth_core.networks.dcgan import SIDE, levels_of

LARGEST_GROUP = 4


def channels_at(level: int, base: int, most: int) -> int:
    """Return the channels of a level: ``base`` divided by two for each level, at most ``most``."""
    return max(min(base // 2**level, most), 1)


class _Convolution(nn.Module):
    """A convolution whose weights are drawn from N(0, 1) and scaled by He's constant when they are used."""

    def __init__(self, inputs: int, outputs: int, kernel: int, padding: int = 0, gain: float = 2.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.factor, self.padding = math.sqrt(gain / (inputs * kernel**2)), padding

    def forward(self, image: Tensor) -> Tensor:
        return functional.conv2d(image, self.weight * self.factor, self.bias, padding=self.padding)


class _PixelNorm(nn.Module):
    def forward(self, features: Tensor) -> Tensor:
        return features * torch.rsqrt(features.square().mean(dim=1, keepdim=True) + 1e-8)


class _Growing(nn.Module):
    """What both networks share: the level that they have reached, the highest one unless `grow` sets another.

    The level is a number such as 2.3: level 2 is whole, and level 3 is faded in by 0.3. It follows from the step of the
    training, so it is not kept with the weights.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size, self.spatial_dims, self.levels = size, 2, levels_of(size)
        self.level = float(self.levels)

    def grow(self, level: float) -> None:
        """Set the level, from 0 (4² pixels) to `levels` (the whole size)."""
        self.level = min(max(level, 0.0), float(self.levels))

    def shown(self, image: Tensor) -> Tensor:
        """Return real images (n, c, size, size) as they are shown to the discriminator at the present level.

        They are averaged down to the side of the level and, while it is faded in, mixed with the former level's pixels
        in the same way as synthetic images, so that sharpness alone does not tell them apart.
        """
        highest, share = self._stage()
        image = functional.avg_pool2d(image, 2 ** (self.levels - highest))
        if share == 1.0:
            return image
        return torch.lerp(functional.interpolate(functional.avg_pool2d(image, 2), scale_factor=2), image, share)

    def _stage(self) -> tuple[int, float]:
        """Return the highest level in use and its share in the image."""
        highest = math.ceil(self.level)
        return highest, 1.0 - (highest - self.level)


class ProgressiveGenerator(_Growing):
    """Image of a code: (n, latent) → (n, out_channels, side, side), linear, where the side is that of the level.

    Args:
        size: side of the images when the network is fully grown.
        latent: length of the code.
        base: channels at level 0 if there were no largest number.
        most: largest number of channels.
        out_channels: channels of the image.
    """

    def __init__(
        self, size: int = 256, latent: int = 512, base: int = 4096, most: int = 512, out_channels: int = 1
    ) -> None:
        super().__init__(size)
        self.latent, self.out_channels, self.multiple_of = latent, out_channels, 1
        width = [channels_at(level, base, most) for level in range(self.levels + 1)]
        # A convolution of 4² with a padding of 3 makes 4² pixels of one.
        first = [_Convolution(latent, width[0], SIDE, SIDE - 1), *_after(width[0], width[0])]
        self.blocks = nn.ModuleList([nn.Sequential(_PixelNorm(), *first)])
        for inputs, outputs in zip(width, width[1:], strict=False):
            layers = [nn.Upsample(scale_factor=2), _Convolution(inputs, outputs, 3, 1), *_after(outputs, outputs)]
            self.blocks.append(nn.Sequential(*layers))
        self.to_image = nn.ModuleList(_Convolution(n, out_channels, 1, gain=1.0) for n in width)

    def forward(self, code: Tensor) -> Tensor:
        """Return the images of codes at the present level."""
        highest, share = self._stage()
        features = self.blocks[0](code[:, :, None, None])
        before = features
        for block in self.blocks[1 : highest + 1]:
            before, features = features, block(features)
        image = self.to_image[highest](features)
        if share == 1.0:
            return image
        return torch.lerp(functional.interpolate(self.to_image[highest - 1](before), scale_factor=2), image, share)

    def reference_inputs(self) -> tuple[Tensor, ...]:
        """Return a code, for counting operations."""
        return (torch.empty(1, self.latent),)


def _after(inputs: int, outputs: int) -> list[nn.Module]:
    """Return what follows the first convolution of a block of the generator."""
    return [nn.LeakyReLU(0.2), _PixelNorm(), _Convolution(inputs, outputs, 3, 1), nn.LeakyReLU(0.2), _PixelNorm()]


class ProgressiveDiscriminator(_Growing):
    """One score an image: (n, in_channels, side, side) → (n), where the side is that of the level.

    Args:
        size: side of the images when the network is fully grown.
        base: channels at level 0 if there were no largest number.
        most: largest number of channels.
        in_channels: channels of the image.
    """

    def __init__(self, size: int = 256, base: int = 4096, most: int = 512, in_channels: int = 1) -> None:
        super().__init__(size)
        self.in_channels = in_channels
        width = [channels_at(level, base, most) for level in range(self.levels + 1)]
        self.from_image = nn.ModuleList(
            nn.Sequential(_Convolution(in_channels, n, 1), nn.LeakyReLU(0.2)) for n in width
        )
        last = [_Convolution(width[0] + 1, width[0], 3, 1), nn.LeakyReLU(0.2), _Convolution(width[0], width[0], SIDE)]
        self.blocks = nn.ModuleList([nn.Sequential(*last, nn.LeakyReLU(0.2), _Convolution(width[0], 1, 1, gain=1.0))])
        for outputs, inputs in zip(width, width[1:], strict=False):
            layers = [_Convolution(inputs, inputs, 3, 1), nn.LeakyReLU(0.2), _Convolution(inputs, outputs, 3, 1)]
            self.blocks.append(nn.Sequential(*layers, nn.LeakyReLU(0.2), nn.AvgPool2d(2)))

    def forward(self, image: Tensor) -> Tensor:
        """Return the score of each image of the present level."""
        highest, share = self._stage()
        features = self.from_image[highest](image)
        for number in range(highest, 0, -1):
            features = self.blocks[number](features)
            if number == highest and share < 1.0:
                smaller = self.from_image[highest - 1](functional.avg_pool2d(image, 2))
                features = torch.lerp(smaller, features, share)
        return self.blocks[0](_with_spread(features)).flatten()

    def reference_inputs(self) -> tuple[Tensor, ...]:
        """Return an image of the size of the network, for counting operations."""
        return (torch.empty(1, self.in_channels, self.size, self.size),)


def _with_spread(features: Tensor) -> Tensor:
    """Return the features with one channel more: the mean deviation of the images of a group from each other."""
    n = features.shape[0]
    group = math.gcd(n, LARGEST_GROUP)
    groups = features.reshape(group, n // group, *features.shape[1:])
    spread = (groups.var(dim=0, unbiased=False) + 1e-8).sqrt().mean(dim=(1, 2, 3), keepdim=True)
    return torch.cat([features, spread.repeat(group, 1, *features.shape[2:])], dim=1)
