"""The weighted pixel losses of a recipe."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from medsynth_core.losses.gradient_difference import gradient_difference
from medsynth_core.losses.perceptual import Perceptual
from medsynth_core.losses.similarity import Dissimilarity
from medsynth_core.systems.settings import DifferenceLoss

NAMES = ("l1", "mse", "ssim", "gradient", "perceptual")


class Objective(nn.Module):
    """The pixel losses with a weight in the recipe, by name. ``l1`` and ``mse`` are always computed, for the log.

    Args:
        loss: weights of the losses; those that it does not have count as 0.
        span: lowest and highest network value of the image.
        names: losses to include.
        unit: size of a network value of 1 in the unit in which ``l1``, ``mse`` and ``gradient`` are measured.

    Raises:
        MedSynthError: the weights of the perceptual loss cannot be used.
    """

    def __init__(
        self, loss: DifferenceLoss, span: tuple[float, float], names: tuple[str, ...] = NAMES, unit: float = 1.0
    ) -> None:
        super().__init__()
        self.unit = unit
        self.weights: dict[str, float] = {name: getattr(loss, name) for name in names if getattr(loss, name, 0.0)}
        low, high = span
        self._others: dict[str, Callable[[Tensor, Tensor], Tensor]] = {}
        if "ssim" in self.weights:
            self._others["ssim"] = Dissimilarity(low, high)
        if "gradient" in self.weights:
            self._others["gradient"] = self._gradient
        weights = getattr(loss, "perceptual_weights", None)
        if "perceptual" in self.weights and weights is not None:
            # Also an attribute, so that it moves to a device with this module.
            self.perceptual = Perceptual(weights, low=low, high=high)
            self._others["perceptual"] = self.perceptual

    def forward(self, predicted: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Return the unweighted losses of a batch (n, c, h, w) by name."""
        difference = self.unit * (predicted - target)
        found = {"l1": difference.abs().mean(), "mse": difference.square().mean()}
        return {**found, **{name: compare(predicted, target) for name, compare in self._others.items()}}

    def total(self, losses: dict[str, Tensor]) -> Tensor:
        """Return the weighted sum of the losses from `forward`."""
        return torch.stack([weight * losses[name] for name, weight in self.weights.items()]).sum()

    def _gradient(self, predicted: Tensor, target: Tensor) -> Tensor:
        return self.unit * gradient_difference(predicted, target)
