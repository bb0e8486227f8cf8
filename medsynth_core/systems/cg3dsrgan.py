"""CG-3DSRGAN (Xue et al. 2023): full-dose PET from low-dose PET, guided by the dose reduction factor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from medsynth_core.errors import MedSynthError
from medsynth_core.losses.adversarial import Adversarial
from medsynth_core.losses.log_mse import log_mse
from medsynth_core.networks.contextual3d import CG3DSRGAN
from medsynth_core.networks.registry import create_network
from medsynth_core.systems.base import System, Tally
from medsynth_core.systems.objective import Objective
from medsynth_core.systems.pool import ImagePool

if TYPE_CHECKING:
    from medsynth_core.training.engine import Engine
    from medsynth_core.training.recipe import Recipe

# Coarse and refined image, logits of the doses.
Images = tuple[Tensor, Tensor, Tensor]


class CG3DSRGANSystem(System):
    """ML-Net with its dose head, Contextual-Net behind it, and a discriminator of input and image.

    In the recipe's ``coarse_epochs`` ML-Net learns alone, by ``l1`` (and ``mse``) and ``dose_class``. Then
    Contextual-Net joins it, judged by ``perceptual``, ``refined_l1``, ``refined_log_mse`` and the discriminator, and
    all learn together, as the publication's total loss has it. With the network ``mlnet3d`` there is nothing to refine,
    and what is said of the refined image holds for ML-Net's own: the publication's ablation.

    Raises:
        MedSynthError: the network has no head for the dose, or not a class for each dose of the recipe.
    """

    def __init__(self, recipe: Recipe, engine: Engine) -> None:
        generator = create_network(recipe.network.name, **recipe.network.options)
        classes = getattr(generator, "classes", None)
        if classes is None:
            raise MedSynthError(
                f"The system cg3dsrgan needs a network with a head for the dose, and '{recipe.network.name}' has none; "
                "choose cg3dsrgan or mlnet3d."
            )
        if recipe.loss.dose_class and classes != len(recipe.contract.dose_factors):
            raise MedSynthError(
                f"The network tells {classes} doses apart, but contract.dose_factors names "
                f"{len(recipe.contract.dose_factors)}; set network.options.classes to that."
            )
        networks = {"generator": generator}
        if recipe.discriminator is not None:
            networks["discriminator"] = create_network(recipe.discriminator.name, **recipe.discriminator.options)
        super().__init__(recipe, engine, networks)
        self.coarse = Objective(recipe, ("l1", "mse")).to(engine.device)
        self.refined = Objective(recipe, ("perceptual",)).to(engine.device)
        self.adversarial = Adversarial(recipe.loss.adversarial_kind)
        self.pool = ImagePool(recipe.image_pool, recipe.seed + engine.rank)

    def begin_epoch(self, epoch: int) -> None:
        """Let Contextual-Net and the discriminator join after the coarse epochs."""
        self.complete = epoch >= self.recipe.coarse_epochs

    def judged(self, generator: nn.Module) -> nn.Module:
        """Return ML-Net alone as long as it is trained alone."""
        return generator if self.complete or not isinstance(generator, CG3DSRGAN) else generator.coarse

    def step(self, image: Tensor, target: Tensor, parts: int = 1, *, dose: Tensor | None = None) -> dict[str, float]:
        """Train on one batch of volumes (n, 1, d, h, w) with the classes ``dose`` (n,), and return its losses."""
        self._train_mode()
        tally = Tally()
        dose = torch.full((len(image),), -1, device=image.device) if dose is None else dose
        shares = list(zip(image.tensor_split(parts), target.tensor_split(parts), dose.tensor_split(parts), strict=True))
        adversary = self.networks.get("discriminator") if self.complete else None
        ready = None
        if adversary is not None:
            ready = self._train_discriminator(adversary, shares, len(image), tally)
            adversary.requires_grad_(False)
        try:
            self.optimisers["generator"].zero_grad(set_to_none=True)
            for some, wanted, kind in shares:
                share = len(some) / len(image)
                total, losses = self._judge(ready or self._images(some), some, wanted, kind, adversary)
                self.engine.backward(share * total)
                tally.add(share, {"loss": total, **losses})
        finally:
            if adversary is not None:
                adversary.requires_grad_(True)
        self._descend("generator")
        return tally.means(self.engine)

    def _images(self, image: Tensor) -> Images:
        """Return the coarse and the refined image, which may be the same, and the logits of the doses."""
        generator: Any = self.generator
        with self.engine.autocast():
            if not isinstance(generator, CG3DSRGAN):
                coarse, logits = generator.with_class(image)
                return coarse.float(), coarse.float(), logits.float()
            coarse, logits = generator.coarse.with_class(image)
            refined = generator.refine(coarse) if self.complete else coarse
        return coarse.float(), refined.float(), logits.float()

    def _judge(
        self, images: Images, image: Tensor, target: Tensor, dose: Tensor, adversary: nn.Module | None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        weights = self.recipe.loss
        coarse, refined, logits = images
        losses = self.coarse(coarse, target)
        total = self.coarse.total(losses)
        if weights.dose_class:
            losses["dose_class"] = cross_entropy(logits, dose)
            losses["dose_accuracy"] = (logits.argmax(dim=1) == dose).float().mean()
            total = total + weights.dose_class * losses["dose_class"]
        if not self.complete:
            return total, losses
        if weights.perceptual:
            losses["perceptual"] = self.refined(refined, target)["perceptual"]
            total = total + weights.perceptual * losses["perceptual"]
        if weights.refined_l1:
            losses["refined_l1"] = (refined - target).abs().mean()
            total = total + weights.refined_l1 * losses["refined_l1"]
        if weights.refined_log_mse:
            losses["refined_log_mse"] = log_mse(refined, target)
            total = total + weights.refined_log_mse * losses["refined_log_mse"]
        if adversary is not None:
            losses["adversarial"] = self.adversarial.generator(self._opinion(adversary, image, refined))
            total = total + weights.adversarial * losses["adversarial"]
        return total, losses

    def _train_discriminator(
        self, adversary: nn.Module, shares: list[tuple[Tensor, Tensor, Tensor]], count: int, tally: Tally
    ) -> Images | None:
        """Let the discriminator learn; return the generator's images if they are those of the whole batch."""
        self.optimisers["discriminator"].zero_grad(set_to_none=True)
        images: Images | None = None
        for image, target, _ in shares:
            # Kept for the generator's turn where the memory suffices for the whole batch.
            with torch.set_grad_enabled(len(shares) == 1):
                images = self._images(image)
            # With the input, so that an earlier image is judged beside its own.
            shown = self.pool(torch.cat([image, images[1].detach()], dim=1))
            fake, real = self._opinion(adversary, shown[:, :1], shown[:, 1:]), self._opinion(adversary, image, target)
            loss = self.adversarial.discriminator(fake, real)
            share = len(image) / count
            self.engine.backward(share * loss)
            tally.add(share, {"discriminator": loss})
        self._descend("discriminator")
        return images if len(shares) == 1 else None

    def _opinion(self, adversary: nn.Module, image: Tensor, made: Tensor) -> Tensor:
        with self.engine.autocast():
            return adversary(torch.cat([image, made], dim=1)).float()

    def state(self) -> dict[str, Any]:
        """Return everything that another step depends on."""
        return {**super().state(), "pool": self.pool.state()}

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on from a `state`."""
        super().load_state(state)
        self.pool.load_state(state["pool"])
