"""DSGGAN-style generator (Wang et al. 2024), reconstructed from the comparison by Deng et al.

Neither publication describes the network completely. Known are two stages, perceptual skip connections with
information from neighbouring layers, and 92.54 million parameters. This reconstruction matches them; it is not the
authors' implementation.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from medsynth_core.networks.cascade import DROPOUT_BLOCKS, WIDE

# Encoders (from 0, outermost first) whose skip connection is gated with the features of the next deeper one.
FUSED = (1, 2)
# Decoders next to the bottleneck without skip connection: their maps are 2×2 and 4×4 for an image of 256².
BARE = 2


class GatedSkip(nn.Module):
    """Skip connection gated by the encoder's own and the next deeper features."""

    def __init__(self, channels: int, deeper: int) -> None:
        super().__init__()
        self.gate = nn.Conv2d(channels + deeper, channels, 1)

    def forward(self, features: Tensor, deeper: Tensor) -> Tensor:
        """Return ``features`` (n, c, h, w) multiplied by a gate in 0…1 computed from both inputs."""
        both = torch.cat([features, interpolate(deeper, scale_factor=2.0)], dim=1)
        return features * torch.sigmoid(self.gate(both))


class DSGStage(nn.Module):
    """One stage: a U-Net with gated skip connections, and none at its two deepest levels."""

    def __init__(self, in_channels: int, out_channels: int, channels: Sequence[int]) -> None:
        super().__init__()
        self.encoders = nn.ModuleList()
        inputs = in_channels
        for index, outputs in enumerate(channels):
            normed = 0 < index < len(channels) - 1
            block: list[nn.Module] = [nn.LeakyReLU(0.2)] if index else []
            block.append(nn.Conv2d(inputs, outputs, 4, stride=2, padding=1, bias=not normed))
            self.encoders.append(nn.Sequential(*block, *([nn.BatchNorm2d(outputs)] if normed else [])))
            inputs = outputs
        self.skips = nn.ModuleDict({str(index): GatedSkip(channels[index], channels[index + 1]) for index in FUSED})
        self.decoders = nn.ModuleList()
        for index, outputs in enumerate((channels[-1], *reversed(channels[:-2]))):
            block = [nn.ReLU(), nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1, bias=False)]
            block += [nn.BatchNorm2d(outputs), *([nn.Dropout(0.5)] if index < DROPOUT_BLOCKS else [])]
            self.decoders.append(nn.Sequential(*block))
            inputs = outputs + (channels[-2 - index] if index >= BARE else 0)
        self.visual = nn.Sequential(
            nn.ReLU(), nn.ConvTranspose2d(inputs, out_channels, 4, stride=2, padding=1), nn.Tanh()
        )

    def forward(self, image: Tensor) -> Tensor:
        """Return the stage's output (n, out_channels, h, w) in -1…1 for a batch of images."""
        features, passed = image, []
        for encoder in self.encoders:
            features = encoder(features)
            passed.append(features)
        for index, decoder in enumerate(self.decoders):
            features = decoder(features)
            if index >= BARE:
                features = torch.cat([features, self._skip(passed, len(self.encoders) - 2 - index)], dim=1)
        return self.visual(features)

    def _skip(self, passed: list[Tensor], level: int) -> Tensor:
        name = str(level)
        return self.skips[name](passed[level], passed[level + 1]) if name in self.skips else passed[level]


class DSGGAN(nn.Module):
    """Two stages: structure, then texture. Height and width must be multiples of `multiple_of`.

    Args:
        in_channels: channels of the network's input.
        out_channels: channels of each stage's output.
        channels: output channels of each encoder of a stage, from the outermost to the innermost.
    """

    def __init__(self, in_channels: int = 3, out_channels: int = 3, channels: Sequence[int] = WIDE) -> None:
        super().__init__()
        if len(channels) < max(FUSED) + BARE + 2:
            raise ValueError(f"a stage needs at least {max(FUSED) + BARE + 2} encoders")
        self.in_channels, self.out_channels = in_channels, out_channels
        self.multiple_of = 2 ** len(channels)
        self.structure = DSGStage(in_channels, out_channels, channels)
        self.texture = DSGStage(out_channels, out_channels, channels)

    def images(self, image: Tensor) -> list[Tensor]:
        """Return the images (n, out_channels, h, w) of both stages, in -1…1."""
        structure = self.structure(image)
        return [structure, self.texture(structure)]

    def forward(self, image: Tensor) -> Tensor:
        """Return the second stage's image (n, out_channels, h, w) in -1…1."""
        return self.images(image)[-1]
