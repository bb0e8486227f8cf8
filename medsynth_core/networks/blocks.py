"""Blocks of the networks of Qu's multi-modal synthesis: convolution, instance normalisation, ReLU.

The author's activation is the larger of x and 0.2 x, cut off at 0 and 100: a ReLU, here without the upper limit.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

# Kernel size, stride and output channels of a convolution.
Layer = tuple[int, int, int]


def normalised(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    """Return a convolution with bias, instance normalisation with weights, and ReLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2),
        nn.InstanceNorm2d(outputs, affine=True),
        nn.ReLU(),
    )


def chain(inputs: int, layers: Sequence[Layer]) -> nn.Sequential:
    """Return normalised convolutions one after the other."""
    blocks = []
    for kernel, stride, outputs in layers:
        blocks.append(normalised(inputs, outputs, kernel, stride))
        inputs = outputs
    return nn.Sequential(*blocks)


def doubled(inputs: int, outputs: int) -> nn.Sequential:
    """Return nearest-neighbour up-sampling by two, followed by a normalised convolution."""
    return nn.Sequential(nn.Upsample(scale_factor=2), normalised(inputs, outputs))
