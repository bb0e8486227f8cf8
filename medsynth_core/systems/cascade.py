"""The cascade as Deng, Nagamune and Takada train it (CT→PET): a pixel loss and an adversarial one, with Adam."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from monai.losses import PatchAdversarialLoss
from torch import Tensor, nn

if TYPE_CHECKING:
    from medsynth_core.training.recipe import Recipe


class CascadeSystem:
    """Generator, discriminator (when the adversarial loss has a weight) and one step of their training.

    The generator minimises ``l1``·mean |d| + ``mse``·mean d² + ``adversarial``·(least-squares GAN loss), d being
    the difference between the last stage's image and the target; the discriminator sees input and image together.

    Args:
        generator: (n, c, h, w) → (n, o, h, w).
        discriminator: (n, c + o, h, w) → patch logits, or None to train without it.
        recipe: losses and optimiser.
    """

    def __init__(self, generator: nn.Module, discriminator: nn.Module | None, recipe: Recipe) -> None:
        self.generator = generator
        self.discriminator = discriminator
        self.loss = recipe.loss
        self.clip = recipe.optimiser.clip_norm
        settings: dict[str, Any] = {
            "lr": recipe.optimiser.learning_rate,
            "betas": recipe.optimiser.betas,
            "weight_decay": recipe.optimiser.weight_decay,
        }
        # With no weight decay AdamW is Adam, as published.
        self.optimisers = {"generator": torch.optim.AdamW(generator.parameters(), **settings)}
        if discriminator is not None:
            self.optimisers["discriminator"] = torch.optim.AdamW(discriminator.parameters(), **settings)
        # MONAI squashes logits before the least-squares loss unless told not to.
        self._adversarial = PatchAdversarialLoss(criterion="least_squares", no_activation_leastsq=True)

    def set_learning_rate(self, learning_rate: float) -> None:
        """Set the learning rate of every optimiser."""
        for optimiser in self.optimisers.values():
            for group in optimiser.param_groups:
                group["lr"] = learning_rate

    def step(self, image: Tensor, target: Tensor) -> dict[str, float]:
        """Train on one batch and return its losses by name.

        Args:
            image: (n, c, h, w) network input.
            target: (n, o, h, w) network target.
        """
        self.generator.train()
        predicted = self.generator(image)
        losses = {"l1": (predicted - target).abs().mean(), "mse": (predicted - target).square().mean()}
        if self.discriminator is not None:
            losses["discriminator"] = self._train_discriminator(image, predicted.detach(), target)
            judged = self.discriminator(torch.cat([image, predicted], dim=1))
            losses["adversarial"] = self._adversarial(judged, target_is_real=True, for_discriminator=False)
        weights = {"l1": self.loss.l1, "mse": self.loss.mse, "adversarial": self.loss.adversarial}
        total = torch.stack([weight * losses[name] for name, weight in weights.items() if name in losses]).sum()
        self._descend("generator", self.generator, total)
        return {
            "loss": float(total.detach()),
            **{name: float(value.detach()) for name, value in losses.items()},
        }

    def _train_discriminator(self, image: Tensor, fake: Tensor, real: Tensor) -> Tensor:
        assert self.discriminator is not None
        self.discriminator.train()
        judged_fake = self.discriminator(torch.cat([image, fake], dim=1))
        judged_real = self.discriminator(torch.cat([image, real], dim=1))
        loss = 0.5 * (
            self._adversarial(judged_fake, target_is_real=False, for_discriminator=True)
            + self._adversarial(judged_real, target_is_real=True, for_discriminator=True)
        )
        self._descend("discriminator", self.discriminator, loss)
        return loss

    def _descend(self, name: str, network: nn.Module, loss: Tensor) -> None:
        optimiser = self.optimisers[name]
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        if self.clip:
            nn.utils.clip_grad_norm_(network.parameters(), self.clip)
        optimiser.step()

    def state(self) -> dict[str, Any]:
        """Return everything that another step depends on."""
        state: dict[str, Any] = {"generator": self.generator.state_dict()}
        if self.discriminator is not None:
            state["discriminator"] = self.discriminator.state_dict()
        state["optimisers"] = {name: optimiser.state_dict() for name, optimiser in self.optimisers.items()}
        return state

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on from a `state`."""
        self.generator.load_state_dict(state["generator"])
        if self.discriminator is not None:
            self.discriminator.load_state_dict(state["discriminator"])
        for name, optimiser in self.optimisers.items():
            optimiser.load_state_dict(state["optimisers"][name])
