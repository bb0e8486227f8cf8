"""Weights and images by a rule in whole numbers, so that they are the same with every version of every library."""

from __future__ import annotations

import zlib

import numpy as np
import torch
from torch import Tensor, nn


def numbers(shape: tuple[int, ...], name: str) -> Tensor:
    """Return numbers in -1…1 of a shape that depend on a name only."""
    state = np.arange(int(np.prod(shape, dtype=np.int64)), dtype=np.uint64) + np.uint64(zlib.crc32(name.encode()))
    for shift, factor in ((33, 0xFF51AFD7ED558CCD), (33, 0xC4CEB9FE1A85EC53), (33, 1)):
        state = (state ^ (state >> np.uint64(shift))) * np.uint64(factor)
    values = (state >> np.uint64(40)).astype(np.float64) / 2**23 - 1
    return torch.from_numpy(values.reshape(shape).astype(np.float32))


@torch.no_grad()
def fill(network: nn.Module, name: str = "") -> nn.Module:
    """Set the weights and running statistics of a network by the rule, and return it without dropout."""
    for key, value in network.state_dict().items():
        drawn = numbers(tuple(value.shape), f"{name}/{key}")
        if key.endswith("running_var") or (key.endswith("weight") and value.ndim == 1):
            value.copy_(1 + 0.4 * drawn)
        elif value.ndim > 1:
            value.copy_(drawn * (4.5 / value[0].numel()) ** 0.5)
        elif value.is_floating_point():
            value.copy_(0.2 * drawn)
    for layer in network.modules():
        if isinstance(layer, nn.Dropout):
            layer.p = 0.0
    return network
