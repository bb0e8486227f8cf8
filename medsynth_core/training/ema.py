"""Exponential moving average (EMA) of a network's weights."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

# Warm-up: at step n at most n / (n + 20) of the average is kept, so that the initial weights are forgotten.
_WARM_UP = 20


class Average:
    """Moving average of a network's weights and buffers, based on torch's `AveragedModel`.

    Args:
        network: the network to average.
        decay: share of the average that is kept at each step, 0…1; 0 copies the weights.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self._model = AveragedModel(network, multi_avg_fn=self._follow, use_buffers=True)
        self._decay, self._stays = decay, decay

    @property
    def network(self) -> nn.Module:
        """The averaged network; a checkpoint needs only its state."""
        return self._model.module

    def update(self, network: nn.Module, step: int) -> None:
        """Update the average after a ``step`` (from 1); it follows faster at first, to discard the initial weights."""
        self._stays = min(self._decay, step / (step + _WARM_UP))
        # torch copies the weights when its own count is 0, as it would be after resuming.
        self._model.n_averaged.fill_(step)
        self._model.update_parameters(network)

    @torch.no_grad()
    def _follow(
        self, averaged: tuple[Tensor, ...] | list[Tensor], current: tuple[Tensor, ...] | list[Tensor], _: Tensor | int
    ) -> None:
        """Move the averaged tensors towards the network's; integer counters are copied."""
        for value, new in zip(averaged, current, strict=True):
            if value.dtype.is_floating_point:
                value.lerp_(new, 1 - self._stays)
            else:
                value.copy_(new)
