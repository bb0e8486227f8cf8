"""A generator that learns from pairs, alone or against a discriminator that sees input and image together.

The cascades of Deng, Nagamune and Takada (CT→PET), the U-Net of Dong et al. (CT→MRI) and pix2pix are trained so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn

from medsynth_core.errors import MedSynthError
from medsynth_core.losses.adversarial import Adversarial
from medsynth_core.networks.registry import create_network
from medsynth_core.systems.base import System, Tally, pieces
from medsynth_core.systems.objective import Objective
from medsynth_core.systems.pool import ImagePool

if TYPE_CHECKING:
    from medsynth_core.training.engine import Engine
    from medsynth_core.training.recipe import Recipe


class PairedSystem(System):
    """A generator, a discriminator when the adversarial loss has a weight, and one step of their training.

    The discriminator learns first, then the generator against it, as in pix2pix (Isola et al. 2017).

    Raises:
        MedSynthError: the networks of the recipe cannot be built or do not fit each other.
    """

    def __init__(self, recipe: Recipe, engine: Engine) -> None:
        networks = {"generator": create_network(recipe.network.name, **recipe.network.options)}
        if recipe.discriminator is not None:
            networks["discriminator"] = create_network(recipe.discriminator.name, **recipe.discriminator.options)
            _check_discriminator(recipe, networks)
        super().__init__(recipe, engine, networks)
        self.objective = Objective(recipe).to(engine.device)
        self.adversarial = Adversarial(recipe.loss.adversarial_kind)
        self.pool = ImagePool(recipe.image_pool, recipe.seed + engine.rank)
        if recipe.loss.deep_supervision and not hasattr(self.generator, "images"):
            raise MedSynthError(
                f"The network '{recipe.network.name}' has no stages for deep supervision; set "
                "loss.deep_supervision to 0."
            )

    @property
    def discriminator(self) -> nn.Module | None:
        """The network that tells real from synthetic images, if there is one."""
        return self.networks.get("discriminator")

    def step(self, image: Tensor, target: Tensor, parts: int = 1, *, dose: Tensor | None = None) -> dict[str, float]:
        """Train on one batch and return its losses by name.

        Args:
            image: (n, c, h, w) network input.
            target: (n, o, h, w) network target.
            parts: in which the batch is computed, one after the other, to need less memory.
        """
        self._train_mode()
        tally = Tally()
        ready = None
        if self.discriminator is not None:
            ready = self._train_discriminator(image, target, parts, tally)
        self.optimisers["generator"].zero_grad(set_to_none=True)
        for some, wanted, share in pieces(image, target, parts):
            images = ready if ready is not None else self._images(some)
            total, losses = self._judge(images, wanted)
            if self.discriminator is not None:
                losses["adversarial"] = self._fooled(some, images[-1])
                total = total + self.recipe.loss.adversarial * losses["adversarial"]
            self.engine.backward(share * total)
            tally.add(share, {"loss": total, **losses})
        self._descend("generator")
        return tally.means(self.engine)

    def _images(self, image: Tensor) -> list[Tensor]:
        """Return the images of every stage if they are supervised, else the last one alone."""
        with self.engine.autocast():
            if self.recipe.loss.deep_supervision:
                return [made.float() for made in self.generator.images(image)]  # type: ignore[operator]
            return [self.generator(image).float()]

    def _judge(self, images: list[Tensor], target: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the weighted pixel losses, and the last stage's each by itself."""
        losses = self.objective(images[-1], target)
        total = self.objective.total(losses)
        if len(images) > 1:
            earlier = [self.objective.total(self.objective(made, target)) for made in images[:-1]]
            losses["earlier_stages"] = torch.stack(earlier).mean()
            total = total + self.recipe.loss.deep_supervision * losses["earlier_stages"]
        return total, losses

    def _train_discriminator(self, image: Tensor, target: Tensor, parts: int, tally: Tally) -> list[Tensor] | None:
        """Let the discriminator learn; return the generator's images if they are those of the whole batch."""
        images: list[Tensor] | None = None
        self.optimisers["discriminator"].zero_grad(set_to_none=True)
        for some, wanted, share in pieces(image, target, parts):
            # Kept for the generator's turn where the memory suffices for the whole batch.
            with torch.set_grad_enabled(parts == 1):
                images = self._images(some)
            shown = self.pool(torch.cat([some, images[-1].detach()], dim=1))
            loss = self.adversarial.discriminator(self._opinion(shown), self._opinion(torch.cat([some, wanted], dim=1)))
            self.engine.backward(share * loss)
            tally.add(share, {"discriminator": loss})
        self._descend("discriminator")
        return images if parts == 1 else None

    def _opinion(self, both: Tensor) -> Tensor:
        with self.engine.autocast():
            return cast(nn.Module, self.discriminator)(both).float()

    def _fooled(self, image: Tensor, made: Tensor) -> Tensor:
        """Return the generator's adversarial loss, without gradients for the discriminator."""
        discriminator = cast(nn.Module, self.discriminator)
        discriminator.requires_grad_(False)
        try:
            return self.adversarial.generator(self._opinion(torch.cat([image, made], dim=1)))
        finally:
            # Also when memory runs out here: the step is then taken again.
            discriminator.requires_grad_(True)

    def state(self) -> dict[str, object]:
        """Return everything that another step depends on."""
        return {**super().state(), "pool": self.pool.state()}

    def load_state(self, state: dict[str, object]) -> None:
        """Go on from a `state`."""
        super().load_state(state)
        self.pool.load_state(cast("dict[str, object]", state["pool"]))


def _check_discriminator(recipe: Recipe, networks: dict[str, nn.Module]) -> None:
    generator, discriminator = networks["generator"], networks["discriminator"]
    channels = getattr(generator, "in_channels", 0) + getattr(generator, "out_channels", 0)
    if channels and getattr(discriminator, "in_channels", None) != channels:
        raise MedSynthError(
            f"The discriminator sees the network's input and image together, {channels} channels; set "
            f"discriminator.options.in_channels of the recipe '{recipe.name}' to {channels}."
        )
