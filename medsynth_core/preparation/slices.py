"""Stacks of slices as inputs of 2-D networks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from torch import Tensor


def neighbours(voxels: Tensor, index: Tensor, channels: int, slices: Literal["neighbours", "replicate"]) -> Tensor:
    """Return the network's input for slices ``index`` of ``voxels`` (k, j, i): (len(index), channels, j, i).

    The option ``slices`` of the contract decides whether the channels hold the slice with its neighbours below and
    above, or copies of the slice. At the ends of the volume, the last slice replaces missing neighbours.
    """
    import torch

    offsets = torch.arange(channels) - channels // 2 if slices == "neighbours" else torch.zeros(channels).long()
    return voxels[(index[:, None] + offsets).clamp(0, voxels.shape[0] - 1)]
