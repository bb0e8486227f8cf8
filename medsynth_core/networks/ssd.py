"""SSD, the detector of lesions, and its default boxes."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from medsynth_core.networks.vgg import SIXTEEN, convolutions, initialise

# Sizes of default boxes as shares of the image's side: of the first map, and of the second and the last one.
FIRST_SCALE, SCALES = 0.1, (0.2, 0.9)
SMALLEST = 64


class SSD(nn.Module):
    """Single-shot detector on VGG-16: (n, in_channels, size, size) → logits and offsets of all default boxes.

    For 300 pixels the layers are those published. Smaller images have fewer maps, because maps are halved until they
    have one or two pixels; the scales are spread over the maps there are.

    Args:
        in_channels: channels of the image.
        classes: kinds of lesions; the background is one more class, number 0.
        channels: channels of the first convolution; 64 as published.
        size: side of the image in pixels, at least 64.

    Raises:
        ValueError: the size is too small.

    Reference: Liu et al., "SSD: Single shot multibox detector", ECCV 2016.
    """

    spatial_dims = 2

    def __init__(self, in_channels: int = 1, classes: int = 1, channels: int = 64, size: int = 300) -> None:
        super().__init__()
        if size < SMALLEST:
            raise ValueError(f"size must be at least {SMALLEST}, not {size}")
        self.in_channels, self.classes, self.size = in_channels, classes, size
        parts, n = convolutions(in_channels, channels, SIXTEEN), channels
        pools = [nn.MaxPool2d(2, ceil_mode=True) for _ in range(4)]
        self.fine = nn.Sequential(parts[0], pools[0], parts[1], pools[1], parts[2], pools[2], parts[3])
        self.scale = nn.Parameter(torch.full((8 * n,), 20.0))
        self.coarse = nn.Sequential(
            *(pools[3], parts[4], nn.MaxPool2d(3, 1, padding=1)),
            *(nn.Conv2d(8 * n, 16 * n, 3, padding=6, dilation=6), nn.ReLU()),
            *(nn.Conv2d(16 * n, 16 * n, 1), nn.ReLU()),
        )
        self.sides = _sides(size)
        channels_of = [8 * n, 16 * n, 8 * n, *[4 * n] * 3][: len(self.sides)]
        self.smaller = nn.ModuleList(
            _smaller(inputs, outputs, side)
            for inputs, outputs, side in zip(channels_of[1:], channels_of[2:], self.sides[1:], strict=False)
        )
        self.ratios = _ratios(len(self.sides))
        self.logits, self.offsets = (
            nn.ModuleList(
                nn.Conv2d(width, (2 + 2 * len(ratios)) * values, 3, padding=1)
                for width, ratios in zip(channels_of, self.ratios, strict=True)
            )
            for values in (classes + 1, 4)
        )
        initialise(self)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits (n, boxes, classes + 1) and offsets (n, boxes, 4), in the order of `default_boxes`."""
        fine = self.fine(image)
        scaled = nn.functional.normalize(fine, dim=1) * self.scale[:, None, None]
        maps = [scaled, self.coarse(fine)]
        for smaller in self.smaller:
            maps.append(smaller(maps[-1]))
        logits, offsets = (
            [head(one).permute(0, 2, 3, 1).flatten(1) for head, one in zip(heads, maps, strict=True)]
            for heads in (self.logits, self.offsets)
        )
        return torch.cat(logits, 1).unflatten(1, (-1, self.classes + 1)), torch.cat(offsets, 1).unflatten(1, (-1, 4))

    def reference_inputs(self) -> tuple[Tensor, ...]:
        """Return an image of the network's size, for counting operations."""
        return (torch.empty(1, self.in_channels, self.size, self.size),)

    def default_boxes(self) -> Tensor:
        """Return the default boxes: (boxes, 4) as centre x, centre y, width and height, shares of the image's side."""
        return torch.cat(
            [
                _boxes(side, ratios, scale, following)
                for side, ratios, (scale, following) in zip(
                    self.sides, self.ratios, _scales(len(self.sides)), strict=True
                )
            ]
        )


def _sides(size: int) -> list[int]:
    """Return the sides of the maps, of six at most."""
    side = size
    for _ in range(3):
        side = math.ceil(side / 2)
    sides = [side, math.ceil(side / 2)]
    while len(sides) < 6 and sides[-1] > 2:
        sides.append(math.ceil(sides[-1] / 2) if sides[-1] > 5 else sides[-1] - 2)
    return sides


def _smaller(inputs: int, outputs: int, side: int) -> nn.Sequential:
    """Return the layers from a map to the next smaller one, without padding where the map is small already."""
    stride, padding = (2, 1) if side > 5 else (1, 0)
    return nn.Sequential(
        *(nn.Conv2d(inputs, outputs // 2, 1), nn.ReLU()),
        *(nn.Conv2d(outputs // 2, outputs, 3, stride, padding), nn.ReLU()),
    )


def _ratios(maps: int) -> list[tuple[int, ...]]:
    """Return the ratios of width and height of each map, besides 1: 2 and, but for the first and the last two, 3."""
    return [(2,) if index == 0 or index >= max(maps - 2, 2) else (2, 3) for index in range(maps)]


def _scales(maps: int) -> list[tuple[float, float]]:
    """Return the size of the boxes of each map, and that of the following map."""
    low, high = SCALES
    steps = max(maps - 2, 1)
    scales = [FIRST_SCALE, *(low + (high - low) * index / steps for index in range(maps))]
    return list(zip(scales[:-1], scales[1:], strict=True))


def _boxes(side: int, ratios: tuple[int, ...], scale: float, following: float) -> Tensor:
    shapes = [(scale, scale), (math.sqrt(scale * following),) * 2]
    for ratio in ratios:
        root = math.sqrt(ratio)
        shapes += [(scale * root, scale / root), (scale / root, scale * root)]
    centre = (torch.arange(side) + 0.5) / side
    y, x = torch.meshgrid(centre, centre, indexing="ij")
    places = torch.stack([x, y], dim=-1)[:, :, None].expand(-1, -1, len(shapes), -1)
    sizes = torch.tensor(shapes).expand(side, side, -1, -1)
    return torch.cat([places, sizes], dim=-1).reshape(-1, 4).clamp(0, 1)
