"""The slices that a 2-D network sees together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from torch import Tensor


def neighbours(voxels: Tensor, index: Tensor, channels: int, slices: Literal["neighbours", "replicate"]) -> Tensor:
    """Return the network's input for slices ``index`` of ``voxels`` (k, j, i): (len(index), channels, j, i).

    ``slices`` is the contract's: the channels hold the slice with its neighbours below and above, or the
    slice itself again and again. At the ends of the volume the last slice stands in for those that are missing.
    """
    import torch

    offsets = torch.arange(channels) - channels // 2 if slices == "neighbours" else torch.zeros(channels).long()
    return voxels[(index[:, None] + offsets).clamp(0, voxels.shape[0] - 1)]
