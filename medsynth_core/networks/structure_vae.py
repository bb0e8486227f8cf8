"""Encoder and decoder of structure maps (Qu, multi-modal synthesis, VAE-GAN of section 4.2.2)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from medsynth_core.networks.blocks import Layer, chain, doubled, normalised
from medsynth_core.networks.modality_unet import ModalityUNet

# Side of the smallest feature map, for images of every size.
BOTTLENECK = 8
# Channels at this width of the first layer are those of the publication.
WIDTH = 64
# Encoder: the convolution that halves the size and the one before it, in multiples of the width.
_LEVELS = ((2, 4), (4, 4), (4, 8), (8, 8))
_LAST = 2
# Decoder: channels of both convolutions after each doubling, in quarters of the width.
_DOUBLINGS = (16, 16, 8, 8, 4, 4)
_FIRST = 32
# Halvings of maps of each size down to the bottleneck.
_HALVINGS = {64: 3, 128: 4, 256: 5, 512: 6}


def check_size(size: int) -> int:
    """Return how often a map of this size is halved down to the bottleneck.

    Raises:
        ValueError: the size is not 64, 128, 256 or 512.
    """
    halvings = _HALVINGS.get(size)
    if halvings is None:
        raise ValueError(f"size must be 64, 128, 256 or 512, not {size}")
    return halvings


class StructureEncoder(nn.Module):
    """Mean and logarithm of the variance of the code of a structure map: (n, 1, size, size) → 2 × (n, latent).

    Args:
        size: side of the maps, 512 as published, or 64, 128 or 256, which leave out the deepest halvings.
        latent: length of the code.
        width: channels of the first layer.
        dropout: share of the input's pixels that are left out in training.
        background: value of the input where there is no line; lines are 1. With the author's 0.9, pixels left out and
            the edges of the image differ from the background far more than lines do; with 0, lines alone count.
    """

    def __init__(
        self,
        size: int = 512,
        latent: int = 4096,
        width: int = WIDTH,
        dropout: float = 0.15,
        background: float = 0.9,
    ) -> None:
        super().__init__()
        halvings = check_size(size)
        layers: list[Layer] = [(5, 2, width), (5, 2, width)]
        for before, halved in _LEVELS[: halvings - 2]:
            layers += [(3, 1, before * width), (3, 2, halved * width)]
        self.size, self.spatial_dims, self.in_channels, self.background = size, 2, 1, background
        self.dropout = nn.Dropout(dropout)
        self.convolutions = chain(1, [*layers, (3, 1, _LAST * width)])
        features = BOTTLENECK**2 * _LAST * width
        self.mean, self.log_variance = nn.Linear(features, latent), nn.Linear(features, latent)

    def forward(self, lines: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and logarithm of the variance of the codes of structure maps of 0 and 1."""
        # Scaled as by the author, so that no input is 0 but one that dropout has left out.
        scaled = lines * (1 - self.background) + self.background
        features = self.convolutions(self.dropout(scaled)).flatten(1)
        return self.mean(features), self.log_variance(features)

    def reference_inputs(self) -> tuple[Tensor, ...]:
        """Return a structure map of the size of the network, for counting operations."""
        return (torch.empty(1, 1, self.size, self.size),)


class StructureDecoder(nn.Module):
    """Structure map of a code: (n, latent) → (n, 2, size, size), probabilities of background and line.

    Args:
        size: side of the maps, as for `StructureEncoder`.
        latent: length of the code.
        width: a quarter of the channels of the first doubling.
    """

    def __init__(self, size: int = 512, latent: int = 4096, width: int = WIDTH) -> None:
        super().__init__()
        halvings = check_size(size)
        self.size, self.latent, self.spatial_dims = size, latent, 2
        self.dense = nn.Sequential(nn.Linear(latent, latent), nn.Linear(latent, BOTTLENECK**2 * width))
        inputs = _FIRST * width // 4
        blocks: list[nn.Module] = [normalised(width, inputs)]
        for quarters in _DOUBLINGS[-halvings:]:
            outputs = quarters * width // 4
            blocks += [doubled(inputs, outputs), normalised(outputs, outputs)]
            inputs = outputs
        self.convolutions = nn.Sequential(
            *blocks, nn.Conv2d(inputs, 2, 3, padding=1), nn.InstanceNorm2d(2, affine=True), nn.Sigmoid()
        )

    def forward(self, code: Tensor) -> Tensor:
        """Return the map of each code; a pixel is a line where the second channel is larger than the first."""
        return self.convolutions[-1](self.logits(code))

    @property
    def logits_normalisation(self) -> nn.Module:
        """The normalisation that the logits come from, one channel for the background and one for lines."""
        return self.convolutions[-2]

    def logits(self, code: Tensor) -> Tensor:
        """Return the map of each code before the sigmoid, which is exactly 1 from 6.3 on in half precision."""
        return self.convolutions[:-1](self.dense(code).unflatten(1, (-1, BOTTLENECK, BOTTLENECK)))

    def reference_inputs(self) -> tuple[Tensor, ...]:
        """Return a code, for counting operations."""
        return (torch.empty(1, self.latent),)


class StructureGenerator(nn.Module):
    """Structure map and organ of a code: (n, latent) → (n, 2, size, size), probabilities of both.

    The first channel is the probability of a line, the second that of the organ: where there is no background.

    Args:
        size: side of the maps, as for `StructureEncoder`.
        latent: length of the code.
        width: of the decoder, as for `StructureDecoder`.
        mask_channels: channels of the first level of the mask network; 32 as published.
        mask_dropout: share of its input's pixels that are left out in training.
    """

    multiple_of, out_channels, spatial_dims = BOTTLENECK, 2, 2

    def __init__(
        self,
        size: int = 512,
        latent: int = 4096,
        width: int = WIDTH,
        mask_channels: int = 32,
        mask_dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.size, self.latent = size, latent
        self.decoder = StructureDecoder(size, latent, width)
        self.mask = ModalityUNet(2, 2, channels=mask_channels, dropout=mask_dropout)

    def forward(self, code: Tensor) -> Tensor:
        """Return the probabilities of line and organ for each code."""
        maps = self.decoder(code)
        # The mask network was trained with maps of 0 and 1.
        lines = (maps[:, 1:] > maps[:, :1]).to(maps.dtype)
        background = self.mask(torch.cat([1 - lines, lines], dim=1))
        return torch.cat([_share(maps), 1 - _share(background)], dim=1)

    def draw(self, code: Tensor) -> tuple[Tensor, Tensor]:
        """Return the structure map and the organ of each code, (n, 1, size, size) each, 0 and 1; lines are inside."""
        found = (self(code).float() > 0.5).float()
        organ = found[:, 1:]
        return found[:, :1] * organ, organ

    def reference_inputs(self) -> tuple[Tensor, ...]:
        """Return a code, for counting operations."""
        return (torch.empty(1, self.latent),)


def _share(maps: Tensor) -> Tensor:
    """Return the second of two channels as a share of both, so that it is above ½ where it is the larger one."""
    return maps[:, 1:] / maps.sum(dim=1, keepdim=True).clamp(min=1e-6)
