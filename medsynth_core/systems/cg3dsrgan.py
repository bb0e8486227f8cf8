"""CG-3DSRGAN (Xue et al. 2023): full-dose PET from low-dose PET, guided by the dose reduction factor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field, model_validator

from medsynth_core.errors import MedSynthError
from medsynth_core.models.card import NetworkSpec
from medsynth_core.systems.base import System, Tally
from medsynth_core.systems.batch import Batch
from medsynth_core.systems.settings import (
    AdversarialLoss,
    DifferenceLoss,
    PerceptualLoss,
    SystemSettings,
    check_adversary,
    check_any,
    loss_unit,
)

if TYPE_CHECKING:
    from torch import Tensor, nn

    from medsynth_core.systems.engine import Engine

    # Coarse image, refined image, dose logits.
    Images = tuple[Tensor, Tensor, Tensor]


class GuidedLoss(AdversarialLoss, PerceptualLoss, DifferenceLoss):
    """Weights of the losses.

    ``l1`` and ``mse``, at least one of them, apply to the coarse image; ``refined_l1``, ``refined_log_mse``,
    ``perceptual`` and ``adversarial`` to the refined one. ``refined_log_mse`` is the logarithm of
    each volume's mean squared error, which is what PSNR measures, so that all doses have equal influence.
    ``dose_class`` weights the cross entropy of the dose reduction factor.

    The published weights, 300 for ``l1`` and 10 for ``dose_class``, belong to images in their own unit: the authors'
    earlier code (3D-AEGAN) feeds them to the network without scaling. So they need ``unit: image``, in which
    ``refined_l1`` is measured too. With an L1 of SUV ÷ 20 the cross entropy would outweigh it 11 to 15 times.
    """

    refined_l1: float = Field(default=0.0, ge=0)
    refined_log_mse: float = Field(default=0.0, ge=0)
    dose_class: float = Field(default=0.0, ge=0)

    @model_validator(mode="after")
    def _coarse_image(self) -> GuidedLoss:
        check_any(self, "l1", "mse")
        return self


class CG3DSRGANSettings(SystemSettings):
    """Settings of the system ``cg3dsrgan``.

    Attributes:
        discriminator: network that sees input and image together; None without an adversarial loss.
        loss: weights of the losses.
        image_pool: number of earlier synthetic images kept for the discriminator.
        coarse_epochs: epochs at the start in which only ML-Net is trained.
    """

    discriminator: NetworkSpec | None = None
    loss: GuidedLoss
    image_pool: int = Field(default=0, ge=0)
    coarse_epochs: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _guided(self) -> CG3DSRGANSettings:
        check_adversary(self.discriminator, self.loss, self.image_pool)
        loss_unit(self.loss, self.contract)
        if self.loss.dose_class and self.dose is None:
            raise ValueError("loss.dose_class needs inputs of known dose; add the key dose to simulate them")
        if self.coarse_epochs >= self.epochs:
            raise ValueError("coarse_epochs must be less than epochs, otherwise Contextual-Net is never trained")
        return self


class CG3DSRGANSystem(System[CG3DSRGANSettings]):
    """ML-Net with its dose head, followed by Contextual-Net, and a discriminator conditioned on the input.

    During the recipe's ``coarse_epochs`` only ML-Net is trained, with ``l1`` (and ``mse``) and ``dose_class``. Then
    Contextual-Net is added, with ``perceptual``, ``refined_l1``, ``refined_log_mse`` and the adversarial loss, and all
    networks are trained together with the publication's total loss. With the network ``mlnet3d`` the losses of the
    refined image apply to ML-Net's output, as in the publication's ablation.

    Raises:
        MedSynthError: the network has no dose head, or its number of classes differs from that of the recipe's doses.
    """

    settings_class = CG3DSRGANSettings

    def __init__(self, settings: CG3DSRGANSettings, engine: Engine) -> None:
        from medsynth_core.losses.adversarial import Adversarial
        from medsynth_core.networks.registry import create_network
        from medsynth_core.systems.objective import Objective
        from medsynth_core.systems.pool import ImagePool

        generator = create_network(settings.network.name, **settings.network.options)
        classes = getattr(generator, "classes", None)
        if classes is None:
            raise MedSynthError(
                f"The system cg3dsrgan needs a network with a dose head, which '{settings.network.name}' does not "
                "have; choose cg3dsrgan or mlnet3d."
            )
        if settings.loss.dose_class and classes != len(settings.contract.dose_factors):
            raise MedSynthError(
                f"The network distinguishes {classes} doses, but contract.dose_factors lists "
                f"{len(settings.contract.dose_factors)}; set network.options.classes to that number."
            )
        networks = {"generator": generator}
        if settings.discriminator is not None:
            networks["discriminator"] = create_network(settings.discriminator.name, **settings.discriminator.options)
        super().__init__(settings, engine, networks)
        span = settings.contract.output.intensity.mapped
        self.unit = loss_unit(settings.loss, settings.contract)
        self.coarse = Objective(settings.loss, span, ("l1", "mse"), self.unit).to(engine.device)
        self.refined = Objective(settings.loss, span, ("perceptual",)).to(engine.device)
        self.adversarial = Adversarial(settings.loss.adversarial_kind)
        self.pool = ImagePool(settings.image_pool, settings.seed + engine.rank)

    @property
    def teaches_classes(self) -> bool:
        """Whether the dose head is trained, i.e. ``dose_class`` has a weight."""
        return self.settings.loss.dose_class > 0

    def begin_epoch(self, epoch: int) -> None:
        """Add Contextual-Net and the discriminator after the coarse epochs."""
        self.complete = epoch >= self.settings.coarse_epochs

    def validated_part(self, generator: nn.Module) -> nn.Module:
        """Return ML-Net during the coarse epochs, the whole generator afterwards."""
        from medsynth_core.networks.contextual3d import CG3DSRGAN

        return generator if self.complete or not isinstance(generator, CG3DSRGAN) else generator.coarse

    def step(self, batch: Batch, parts: int = 1) -> dict[str, float]:
        """Train on one batch of volumes (n, 1, d, h, w) with the label ``dose`` (n,), and return its losses."""
        self._train_mode()
        tally = Tally()
        adversary = self.networks.get("discriminator") if self.complete else None
        ready = None
        if adversary is not None:
            ready = self._train_discriminator(adversary, batch, parts, tally)
            adversary.requires_grad_(False)
        try:
            self.optimisers["generator"].zero_grad(set_to_none=True)
            for some, share in batch.split(parts):
                total, losses = self._weighted_losses(ready or self._images(some.image), some, adversary)
                self.engine.backward(share * total)
                tally.add(share, {"loss": total, **losses})
        finally:
            if adversary is not None:
                adversary.requires_grad_(True)
        self._descend("generator")
        return tally.means(self.engine)

    def _images(self, image: Tensor) -> Images:
        """Return the coarse and the refined image, which may be the same, and the dose logits."""
        from medsynth_core.networks.contextual3d import CG3DSRGAN

        generator: Any = self.generator
        with self.engine.autocast():
            if not isinstance(generator, CG3DSRGAN):
                coarse, logits = generator.with_class(image)
                return coarse.float(), coarse.float(), logits.float()
            coarse, logits = generator.coarse.with_class(image)
            refined = generator.refine(coarse) if self.complete else coarse
        return coarse.float(), refined.float(), logits.float()

    def _weighted_losses(
        self, images: Images, batch: Batch, adversary: nn.Module | None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        import torch
        from torch.nn.functional import cross_entropy

        from medsynth_core.losses.log_mse import log_mse

        target = batch.target
        weights = self.settings.loss
        coarse, refined, logits = images
        losses = self.coarse(coarse, target)
        total = self.coarse.total(losses)
        if weights.dose_class:
            dose = batch.labels["dose"]
            losses["dose_class"] = cross_entropy(logits, dose)
            losses["dose_accuracy"] = (logits.argmax(dim=1) == dose).float().mean()
            total = total + weights.dose_class * losses["dose_class"]
        if not self.complete:
            return total, losses
        if weights.perceptual:
            losses["perceptual"] = self.refined(refined, target)["perceptual"]
            total = total + weights.perceptual * losses["perceptual"]
        if weights.refined_l1:
            losses["refined_l1"] = self.unit * (refined - target).abs().mean()
            total = total + weights.refined_l1 * losses["refined_l1"]
        if weights.refined_log_mse:
            losses["refined_log_mse"] = log_mse(refined, target)
            total = total + weights.refined_log_mse * losses["refined_log_mse"]
        if adversary is not None:
            both = torch.cat([batch.image, refined], dim=1)
            losses["adversarial"] = self.adversarial.generator(self._opinion(adversary, both))
            total = total + weights.adversarial * losses["adversarial"]
        return total, losses

    def _train_discriminator(self, adversary: nn.Module, batch: Batch, parts: int, tally: Tally) -> Images | None:
        """Update the discriminator; return the generator's images if they are those of the whole batch."""
        import torch

        self.optimisers["discriminator"].zero_grad(set_to_none=True)
        images: Images | None = None
        for some, share in batch.split(parts):
            # With a single part, the images and their gradients are reused for the generator's update.
            with torch.set_grad_enabled(parts == 1):
                images = self._images(some.image)
            # Pooled with the input, so that an earlier image keeps its own input.
            shown = self.pool(torch.cat([some.image, images[1].detach()], dim=1))
            real = self._opinion(adversary, torch.cat([some.image, some.target], dim=1))
            loss = self.adversarial.discriminator(self._opinion(adversary, shown), real)
            self.engine.backward(share * loss)
            tally.add(share, {"discriminator": loss})
        self._descend("discriminator")
        return images if parts == 1 else None

    def _opinion(self, adversary: nn.Module, both: Tensor) -> Tensor:
        with self.engine.autocast():
            return adversary(both).float()

    def state(self) -> dict[str, Any]:
        """Return the complete state, for a checkpoint."""
        return {**super().state(), "pool": self.pool.state()}

    def load_state(self, state: dict[str, Any]) -> None:
        """Restore a `state`."""
        super().load_state(state)
        self.pool.load_state(state["pool"])
