"""Discriminators of Qu's multi-modal synthesis: of structure maps, of codes, and of images with their modality."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from medsynth_core.networks.blocks import Layer, chain


class StridedDiscriminator(nn.Module):
    """One logit a patch: (n, in_channels, h, w) → (n, 1, h/16, w/16).

    Args:
        in_channels: channels of the image; 2 for a structure map (background and line).
        channels: channels of the first layer.
        modalities: with any number of them, a second map estimates the number of the modality.
        logits: the second map has a logit for each modality instead, because numbers put modalities in an order. Not in
            the thesis.
    """

    def __init__(self, in_channels: int = 1, channels: int = 64, modalities: int = 0, logits: bool = False) -> None:
        super().__init__()
        self.in_channels, self.modalities, self.spatial_dims = in_channels, modalities, 2
        n = channels
        self.trunk = chain(in_channels, [(5, 2, n), (5, 2, n), (3, 2, 2 * n), (3, 2, 2 * n)])
        self.real = _head(2 * n, n)
        self.modality = _head(2 * n, n, modalities if logits else 1) if modalities else None

    def reference_inputs(self) -> tuple[Tensor, ...]:
        """Return an image of 256², for counting operations."""
        return (torch.empty(1, self.in_channels, 256, 256),)

    def forward(self, image: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """Return the map of logits and, with modalities, that of the modality's estimated number, or of its logits."""
        features = self.trunk(image)
        return self.real(features) if self.modality is None else (self.real(features), self.modality(features))


def _head(inputs: int, channels: int, outputs: int = 1) -> nn.Sequential:
    return nn.Sequential(chain(inputs, [(3, 1, channels)]), nn.Conv2d(channels, outputs, 3, padding=1))


class LatentDiscriminator(nn.Module):
    """One logit a patch of a code that is laid out as a square: (n, latent) → (n, 1, √latent/2, √latent/2).

    Args:
        latent: length of the code, a square number.
        channels: channels of the first layer.
    """

    def __init__(self, latent: int = 4096, channels: int = 128) -> None:
        super().__init__()
        self.latent, self.side, self.spatial_dims = latent, math.isqrt(latent), 2
        if self.side**2 != latent:
            raise ValueError(f"latent must be a square number, not {latent}")
        n = channels
        layers: list[Layer] = [(7, 1, n), (7, 1, n), (5, 1, n), (5, 2, 2 * n), (3, 1, 2 * n)]
        self.net = nn.Sequential(chain(1, layers), nn.Conv2d(2 * n, 1, 3, padding=1))

    def forward(self, code: Tensor) -> Tensor:
        """Return the map of logits of each code."""
        return self.net(code.unflatten(1, (1, self.side, self.side)))

    def reference_inputs(self) -> tuple[Tensor, ...]:
        """Return a code, for counting operations."""
        return (torch.empty(1, self.latent),)
