"""DSGGAN-style training with separate losses for the two stages (reconstructed, after Wang et al. 2024)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import model_validator

from medsynth_core.errors import MedSynthError
from medsynth_core.systems.paired import AdversarialDifferenceLoss, AdversarialSettings, AdversarialSystem
from medsynth_core.systems.settings import StructureLoss, check_any

if TYPE_CHECKING:
    from torch import Tensor

    from medsynth_core.systems.engine import Engine

# Losses of the two stages.
STRUCTURE = ("l1", "mse", "ssim")
TEXTURE = ("l1", "mse", "gradient")


class DSGGANLoss(AdversarialDifferenceLoss, StructureLoss):
    """Weights of the losses; each of the two stages needs one of its own above 0."""

    @model_validator(mode="after")
    def _both_stages(self) -> DSGGANLoss:
        check_any(self, *STRUCTURE)
        check_any(self, *TEXTURE)
        return self


class DSGGANSettings(AdversarialSettings):
    """Settings of the system ``dsggan``.

    Attributes:
        loss: weights of the losses.
    """

    loss: DSGGANLoss


class DSGGANSystem(AdversarialSystem[DSGGANSettings]):
    """A structure stage and a texture stage, trained together.

    The losses of the first stage are ``l1``, ``mse`` and ``ssim``, those of the second ``l1``, ``mse``, ``gradient``
    and the adversarial loss.

    Raises:
        MedSynthError: the network of the recipe does not have two stages, or as `AdversarialSystem`.
    """

    settings_class = DSGGANSettings

    def __init__(self, settings: DSGGANSettings, engine: Engine) -> None:
        from medsynth_core.systems.objective import Objective

        super().__init__(settings, engine)
        if not hasattr(self.generator, "images"):
            raise MedSynthError(
                f"The system dsggan needs a network with two stages, which '{settings.network.name}' does not have; "
                "choose dsggan."
            )
        self.structure = Objective(settings.loss, self.span, STRUCTURE, self.unit).to(engine.device)
        self.objective = Objective(settings.loss, self.span, TEXTURE, self.unit).to(engine.device)

    def _images(self, image: Tensor) -> list[Tensor]:
        with self.engine.autocast():
            return [made.float() for made in self.generator.images(image)]  # type: ignore[operator]

    def _weighted_losses(self, images: list[Tensor], target: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        total, losses = super()._weighted_losses(images, target)
        losses["structure"] = self.structure.total(self.structure(images[0], target))
        return total + losses["structure"], losses
