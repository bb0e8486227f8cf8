"""The weighted losses of a recipe that compare a synthetic image with the real one."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from medsynth_core.losses.gradient_difference import gradient_difference
from medsynth_core.losses.perceptual import Perceptual
from medsynth_core.losses.similarity import Dissimilarity

if TYPE_CHECKING:
    from medsynth_core.training.recipe import Recipe

NAMES = ("l1", "mse", "ssim", "gradient", "perceptual")


class Objective(nn.Module):
    """The losses that have a weight in the recipe, by name. ``l1`` and ``mse`` are always computed, for the log.

    Args:
        recipe: weights, and the range of the network's values.
        names: the losses that may count here.

    Raises:
        MedSynthError: the weights of the perceptual loss cannot be used.
    """

    def __init__(self, recipe: Recipe, names: tuple[str, ...] = NAMES) -> None:
        super().__init__()
        loss = recipe.loss
        self.weights: dict[str, float] = {name: getattr(loss, name) for name in names if getattr(loss, name)}
        low, high = recipe.contract.output.intensity.mapped
        self._others: dict[str, Callable[[Tensor, Tensor], Tensor]] = {}
        if "ssim" in self.weights:
            self._others["ssim"] = Dissimilarity(low, high)
        if "gradient" in self.weights:
            self._others["gradient"] = gradient_difference
        if "perceptual" in self.weights and loss.perceptual_weights is not None:
            # As an attribute too, so that it follows this module to a device.
            self.perceptual = Perceptual(loss.perceptual_weights, low=low, high=high)
            self._others["perceptual"] = self.perceptual

    def forward(self, predicted: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Return each loss of a batch (n, c, h, w), without its weight."""
        difference = predicted - target
        found = {"l1": difference.abs().mean(), "mse": difference.square().mean()}
        return {**found, **{name: compare(predicted, target) for name, compare in self._others.items()}}

    def total(self, losses: dict[str, Tensor]) -> Tensor:
        """Return the weighted sum of what `forward` has found."""
        return torch.stack([weight * losses[name] for name, weight in self.weights.items()]).sum()
