"""DCGAN (Radford et al. 2016) and, of the same shape, the networks of ACGAN (Odena et al. 2017) and WGAN(-GP).

The sizes beyond 64² continue the pattern: one level more for each doubling, with twice the channels at the lowest.
"""

from __future__ import annotations

import math
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional

# Side of the smallest feature map, and of all kernels.
SIDE = 4
Normalisation = Literal["batch", "instance", "none"]


def levels_of(size: int) -> int:
    """Return the number of doublings from 4² to an image of ``size``.

    Raises:
        ValueError: the size is not a power of two from 16 to 1024.
    """
    levels = round(math.log2(size / SIDE)) if size > 0 else 0
    if not 2 <= levels <= 8 or SIDE * 2**levels != size:
        raise ValueError(f"size must be a power of two from 16 to 1024, not {size}")
    return levels


class DCGANGenerator(nn.Module):
    """Image of a code: (n, latent) → (n, out_channels, size, size) in -1…1.

    Args:
        size: side of the images.
        latent: length of the code.
        channels: channels of the last level before the image.
        out_channels: channels of the image.
        classes: classes to choose from (ACGAN), whose one-hot vector is put behind the code; 0 for none.
    """

    output_range = (-1.0, 1.0)

    def __init__(
        self, size: int = 64, latent: int = 100, channels: int = 64, out_channels: int = 3, classes: int = 0
    ) -> None:
        super().__init__()
        self.size, self.latent, self.chosen, self.spatial_dims = size, latent, classes, 2
        self.out_channels, self.multiple_of = out_channels, 1
        levels = levels_of(size)
        inputs, outputs = latent + classes, channels * 2 ** (levels - 1)
        blocks: list[nn.Module] = [nn.ConvTranspose2d(inputs, outputs, SIDE, bias=False)]
        for _ in range(levels - 1):
            inputs, outputs = outputs, outputs // 2
            blocks += [nn.BatchNorm2d(inputs), nn.ReLU()]
            blocks += [nn.ConvTranspose2d(inputs, outputs, SIDE, 2, 1, bias=False)]
        blocks += [nn.BatchNorm2d(outputs), nn.ReLU()]
        blocks += [nn.ConvTranspose2d(outputs, out_channels, SIDE, 2, 1, bias=False), nn.Tanh()]
        self.net = nn.Sequential(*blocks)

    def forward(self, code: Tensor, label: Tensor | None = None) -> Tensor:
        """Return the images of codes; ``label`` (n) has the numbers of the classes, from 0.

        Raises:
            ValueError: there are classes, and the label is missing.
        """
        if self.chosen:
            if label is None:
                raise ValueError("this network needs the number of the class of each image")
            code = torch.cat([code, functional.one_hot(label, self.chosen).to(code.dtype)], dim=1)
        return self.net(code[:, :, None, None])

    def reference_inputs(self) -> tuple[Tensor, ...]:
        """Return a code and, with classes, a label, for counting operations."""
        code = torch.empty(1, self.latent)
        return (code, torch.zeros(1, dtype=torch.long)) if self.chosen else (code,)


class DCGANDiscriminator(nn.Module):
    """One logit an image: (n, in_channels, size, size) → (n), and with classes their logits (n, classes).

    Args:
        size: side of the images.
        in_channels: channels of the image.
        channels: channels of the first level.
        classes: classes that are told apart (ACGAN); 0 for none.
        normalisation: ``batch`` as published; ``instance`` or ``none`` for a critic with a gradient penalty, which
            judges each image by itself.
    """

    def __init__(
        self,
        size: int = 64,
        in_channels: int = 3,
        channels: int = 64,
        classes: int = 0,
        normalisation: Normalisation = "batch",
    ) -> None:
        super().__init__()
        if normalisation not in get_args(Normalisation):
            raise ValueError(f"normalisation must be one of {', '.join(get_args(Normalisation))}")
        self.size, self.in_channels, self.spatial_dims = size, in_channels, 2
        normal: type[nn.Module] = {"batch": nn.BatchNorm2d, "instance": nn.InstanceNorm2d}.get(
            normalisation, nn.Identity
        )
        blocks: list[nn.Module] = [nn.Conv2d(in_channels, channels, SIDE, 2, 1, bias=False), nn.LeakyReLU(0.2)]
        outputs = channels
        for _ in range(levels_of(size) - 1):
            inputs, outputs = outputs, 2 * outputs
            blocks += [nn.Conv2d(inputs, outputs, SIDE, 2, 1, bias=False), normal(outputs), nn.LeakyReLU(0.2)]
        self.trunk = nn.Sequential(*blocks)
        self.real = nn.Conv2d(outputs, 1, SIDE, bias=False)
        self.label = nn.Conv2d(outputs, classes, SIDE, bias=False) if classes else None

    def forward(self, image: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """Return the logit of each image and, with classes, the logits of the classes."""
        features = self.trunk(image)
        real = self.real(features).flatten()
        return real if self.label is None else (real, self.label(features).flatten(1))

    def reference_inputs(self) -> tuple[Tensor, ...]:
        """Return an image of the size of the network, for counting operations."""
        return (torch.empty(1, self.in_channels, self.size, self.size),)
