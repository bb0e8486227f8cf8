"""Training on paired images, with or without a discriminator conditioned on the input.

Used for the cascades of Deng, Nagamune and Takada (CT→PET), the U-Net of Dong et al. (CT→MRI) and pix2pix.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar, cast

from pydantic import Field, model_validator

from medsynth_core.errors import MedSynthError
from medsynth_core.models.card import NetworkSpec
from medsynth_core.systems.base import System, Tally
from medsynth_core.systems.batch import Batch
from medsynth_core.systems.image_channels import image_channels
from medsynth_core.systems.settings import (
    AdversarialLoss,
    DifferenceLoss,
    PixelLoss,
    SystemSettings,
    check_adversary,
    loss_unit,
)

if TYPE_CHECKING:
    from torch import Tensor, nn

    from medsynth_core.systems.engine import Engine


class AdversarialDifferenceLoss(AdversarialLoss, DifferenceLoss):
    """Weights of the losses of all systems with a generator and a discriminator."""


class AdversarialSettings(SystemSettings):
    """Settings of systems with a generator and, if the adversarial loss has a weight, a discriminator.

    Attributes:
        discriminator: network that sees input and image together; None without an adversarial loss.
        loss: weights of the losses.
        image_pool: number of earlier synthetic images kept for the discriminator.
    """

    discriminator: NetworkSpec | None = None
    loss: AdversarialDifferenceLoss
    image_pool: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _adversary(self) -> AdversarialSettings:
        check_adversary(self.discriminator, self.loss, self.image_pool)
        loss_unit(self.loss, self.contract)
        return self


A = TypeVar("A", bound=AdversarialSettings)


class AdversarialSystem(System[A]):
    """A generator and, if the adversarial loss has a weight, a discriminator.

    Each step updates the discriminator first, then the generator, as in pix2pix (Isola et al. 2017).

    Raises:
        MedSynthError: the networks of the recipe cannot be built or do not fit each other.
    """

    def __init__(self, settings: A, engine: Engine) -> None:
        from medsynth_core.losses.adversarial import Adversarial
        from medsynth_core.networks.registry import create_network
        from medsynth_core.systems.objective import Objective
        from medsynth_core.systems.pool import ImagePool

        networks = {"generator": create_network(settings.network.name, **settings.network.options)}
        if settings.discriminator is not None:
            adversary = settings.discriminator
            networks["discriminator"] = create_network(adversary.name, **adversary.options)
            _check_discriminator(settings, networks)
        super().__init__(settings, engine, networks)
        self.span = settings.contract.output.intensity.mapped
        self.unit = loss_unit(settings.loss, settings.contract)
        self.objective = Objective(settings.loss, self.span, unit=self.unit).to(engine.device)
        self.adversarial = Adversarial(settings.loss.adversarial_kind)
        self.pool = ImagePool(settings.image_pool, settings.seed + engine.rank)

    @property
    def discriminator(self) -> nn.Module | None:
        """The network that distinguishes real from synthetic images, if there is one."""
        return self.networks.get("discriminator")

    def step(self, batch: Batch, parts: int = 1) -> dict[str, float]:
        """Train on one batch and return its losses by name.

        Args:
            batch: inputs (n, c, h, w) and targets (n, o, h, w).
            parts: number of parts in which the batch is computed, one after the other, to save memory.
        """
        self._train_mode()
        tally = Tally()
        ready = None
        if self.discriminator is not None:
            ready = self._train_discriminator(batch, parts, tally)
        self.optimisers["generator"].zero_grad(set_to_none=True)
        for some, share in batch.split(parts):
            images = ready if ready is not None else self._images(some.image)
            total, losses = self._weighted_losses(images, some.target)
            if self.discriminator is not None:
                losses["adversarial"] = self._adversarial_loss(some.image, images[-1])
                total = total + self.settings.loss.adversarial * losses["adversarial"]
            self.engine.backward(share * total)
            tally.add(share, {"loss": total, **losses})
        self._descend("generator")
        return tally.means(self.engine)

    def _images(self, image: Tensor) -> list[Tensor]:
        """Return the images of all stages that enter the loss, in order."""
        with self.engine.autocast():
            return [self.generator(image).float()]

    def _weighted_losses(self, images: list[Tensor], target: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the weighted sum of the pixel losses, and those of the last stage by name."""
        losses = self.objective(images[-1], target)
        return self.objective.total(losses), losses

    def _train_discriminator(self, batch: Batch, parts: int, tally: Tally) -> list[Tensor] | None:
        """Update the discriminator; return the generator's images if they are those of the whole batch."""
        import torch

        images: list[Tensor] | None = None
        self.optimisers["discriminator"].zero_grad(set_to_none=True)
        for some, share in batch.split(parts):
            # With a single part, the images and their gradients are reused for the generator's update.
            with torch.set_grad_enabled(parts == 1):
                images = self._images(some.image)
            shown = self.pool(torch.cat([some.image, images[-1].detach()], dim=1))
            real = self._opinion(torch.cat([some.image, some.target], dim=1))
            loss = self.adversarial.discriminator(self._opinion(shown), real)
            self.engine.backward(share * loss)
            tally.add(share, {"discriminator": loss})
        self._descend("discriminator")
        return images if parts == 1 else None

    def _opinion(self, both: Tensor) -> Tensor:
        with self.engine.autocast():
            return self.networks["discriminator"](both).float()

    def _adversarial_loss(self, image: Tensor, made: Tensor) -> Tensor:
        """Return the generator's adversarial loss; no gradients reach the discriminator."""
        import torch

        discriminator = self.networks["discriminator"]
        discriminator.requires_grad_(False)
        try:
            return self.adversarial.generator(self._opinion(torch.cat([image, made], dim=1)))
        finally:
            # Also if memory runs out here, because the step is then repeated.
            discriminator.requires_grad_(True)

    def state(self) -> dict[str, object]:
        """Return the complete state, for a checkpoint."""
        return {**super().state(), "pool": self.pool.state()}

    def load_state(self, state: dict[str, object]) -> None:
        """Restore a `state`."""
        super().load_state(state)
        self.pool.load_state(cast("dict[str, object]", state["pool"]))


class PairedLoss(AdversarialDifferenceLoss, PixelLoss):
    """Weights of the losses; ``deep_supervision`` weights the mean pixel losses of the earlier stages."""

    deep_supervision: float = Field(default=0.0, ge=0)


class PairedSettings(AdversarialSettings):
    """Settings of the system ``paired``."""

    loss: PairedLoss


class PairedSystem(AdversarialSystem[PairedSettings]):
    """A generator trained on pairs, optionally with losses on its earlier stages (``deep_supervision``).

    Raises:
        MedSynthError: as `AdversarialSystem`, or the network has no stages for deep supervision.
    """

    settings_class = PairedSettings

    def __init__(self, settings: PairedSettings, engine: Engine) -> None:
        super().__init__(settings, engine)
        if settings.loss.deep_supervision and not hasattr(self.generator, "images"):
            raise MedSynthError(
                f"The network '{settings.network.name}' has no stages for deep supervision; set "
                "loss.deep_supervision to 0."
            )

    def _images(self, image: Tensor) -> list[Tensor]:
        """Return the images of all stages with deep supervision, otherwise only the last one."""
        if not self.settings.loss.deep_supervision:
            return super()._images(image)
        with self.engine.autocast():
            return [made.float() for made in self.generator.images(image)]  # type: ignore[operator]

    def _weighted_losses(self, images: list[Tensor], target: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        import torch

        total, losses = super()._weighted_losses(images, target)
        if len(images) > 1:
            earlier = [self.objective.total(self.objective(made, target)) for made in images[:-1]]
            losses["earlier_stages"] = torch.stack(earlier).mean()
            total = total + self.settings.loss.deep_supervision * losses["earlier_stages"]
        return total, losses


def _check_discriminator(settings: AdversarialSettings, networks: dict[str, nn.Module]) -> None:
    channels = sum(image_channels(settings.network.name, networks["generator"]))
    if getattr(networks["discriminator"], "in_channels", None) != channels:
        raise MedSynthError(
            f"The discriminator takes the network's input and output together ({channels} channels); set "
            f"discriminator.options.in_channels of the recipe '{settings.name}' to {channels}."
        )
