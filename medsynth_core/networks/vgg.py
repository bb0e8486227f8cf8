"""VGG networks: the classifier of lesions, and the convolutions of the detector."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

# Convolutions of each of the five parts, as (factor of the first part's channels, number of convolutions).
ELEVEN = ((1, 1), (2, 1), (4, 2), (8, 2), (8, 2))
SIXTEEN = ((1, 2), (2, 2), (4, 3), (8, 3), (8, 3))


def convolutions(inputs: int, channels: int, parts: Sequence[tuple[int, int]]) -> list[nn.Sequential]:
    """Return the parts of a VGG network (3 × 3 convolutions with ReLU), without the poolings between them."""
    made = []
    for factor, count in parts:
        layers: list[nn.Module] = []
        for _ in range(count):
            layers += [nn.Conv2d(inputs, factor * channels, 3, padding=1), nn.ReLU()]
            inputs = factor * channels
        made.append(nn.Sequential(*layers))
    return made


def initialise(network: nn.Module) -> None:
    """Draw all weights anew so that the signal keeps its size through many ReLUs (He et al. 2015); biases are 0.

    Simonyan and Zisserman began with the weights of smaller networks instead.
    """
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


class VGG11(nn.Module):
    """VGG-11, a classifier: (n, in_channels, h, w) → (n, classes) logits; h and w are at least 32.

    Args:
        in_channels: channels of the image.
        classes: number of classes.
        channels: channels of the first convolution; 64 as published.
        dropout: share of the values that are left out in training between the last layers.

    Reference: Simonyan and Zisserman, "Very deep convolutional networks for large-scale image recognition" (2015),
    network A.
    """

    spatial_dims = 2

    def __init__(self, in_channels: int = 1, classes: int = 3, channels: int = 64, dropout: float = 0.5) -> None:
        super().__init__()
        self.in_channels, self.classes = in_channels, classes
        parts: list[nn.Module] = []
        for part in convolutions(in_channels, channels, ELEVEN):
            parts += [part, nn.MaxPool2d(2)]
        self.convolutions = nn.Sequential(*parts)
        wide = 64 * channels
        self.classifier = nn.Sequential(
            nn.AdaptiveAvgPool2d(7),
            nn.Flatten(),
            *(nn.Linear(8 * channels * 49, wide), nn.ReLU(), nn.Dropout(dropout)),
            *(nn.Linear(wide, wide), nn.ReLU(), nn.Dropout(dropout)),
            nn.Linear(wide, classes),
        )
        initialise(self)

    def forward(self, image: Tensor) -> Tensor:
        """Return the logits of the classes."""
        return self.classifier(self.convolutions(image))

    def reference_inputs(self) -> tuple[Tensor, ...]:
        """Return an image of 224², as published, for counting operations."""
        return (torch.empty(1, self.in_channels, 224, 224),)
