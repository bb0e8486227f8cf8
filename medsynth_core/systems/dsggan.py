"""The DSGGAN-style generator with losses of its own for either stage (reconstructed, after Wang et al. 2024)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor

from medsynth_core.errors import MedSynthError
from medsynth_core.systems.objective import Objective
from medsynth_core.systems.paired import PairedSystem

if TYPE_CHECKING:
    from medsynth_core.training.engine import Engine
    from medsynth_core.training.recipe import Recipe


class DSGGANSystem(PairedSystem):
    """Structure first, texture second, optimised together.

    The first stage's image is judged by ``l1``, ``mse`` and ``ssim``, the second one's by ``l1``, ``mse``,
    ``gradient`` and the discriminator.

    Raises:
        MedSynthError: the network of the recipe has not two stages, or as `PairedSystem`.
    """

    def __init__(self, recipe: Recipe, engine: Engine) -> None:
        super().__init__(recipe, engine)
        if not hasattr(self.generator, "images"):
            raise MedSynthError(
                f"The system dsggan needs a network with stages, and '{recipe.network.name}' has none; choose dsggan."
            )
        self.structure = Objective(recipe, ("l1", "mse", "ssim")).to(engine.device)
        self.objective = Objective(recipe, ("l1", "mse", "gradient")).to(engine.device)

    def _images(self, image: Tensor) -> list[Tensor]:
        with self.engine.autocast():
            return [made.float() for made in self.generator.images(image)]  # type: ignore[operator]

    def _judge(self, images: list[Tensor], target: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        losses = self.objective(images[-1], target)
        first = self.structure(images[0], target)
        losses["structure"] = self.structure.total(first)
        return self.objective.total(losses) + losses["structure"], losses
