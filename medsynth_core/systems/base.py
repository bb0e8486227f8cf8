"""What every system has: networks, optimisers, and what a training needs of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from medsynth_core.training.engine import Engine
    from medsynth_core.training.recipe import Recipe


class System(ABC):
    """Networks and losses that are trained together.

    Attributes:
        networks: by name; ``generator`` is the one that is validated and published.
        optimisers: by name; each changes the networks of `trained`.
        complete: whether the whole generator is being trained; before that nothing can be published.
    """

    complete = True

    def __init__(self, recipe: Recipe, engine: Engine, networks: dict[str, nn.Module]) -> None:
        self.recipe = recipe
        self.engine = engine
        self.networks = {name: engine.prepare(network) for name, network in networks.items()}
        self.trained = self._groups()
        self.optimisers = {name: self._optimiser(network) for name, network in self.trained.items()}

    @property
    def generator(self) -> nn.Module:
        """The network that makes the synthetic image."""
        return self.networks["generator"]

    def _groups(self) -> dict[str, nn.Module]:
        """Return what each optimiser changes: the networks, one by one."""
        return dict(self.networks)

    def _optimiser(self, network: nn.Module) -> torch.optim.Optimizer:
        settings = self.recipe.optimiser
        # With no weight decay AdamW is Adam, as published.
        return torch.optim.AdamW(
            network.parameters(),
            lr=settings.learning_rate,
            betas=settings.betas,
            weight_decay=settings.weight_decay,
            fused=self.engine.device.type in ("cpu", "cuda"),
        )

    @abstractmethod
    def step(self, image: Tensor, target: Tensor, parts: int = 1, *, dose: Tensor | None = None) -> dict[str, float]:
        """Train on one batch, computed in ``parts``, and return its losses by name, ``loss`` being their sum.

        ``dose`` (n,) is the class of each input's dose, for systems that learn it.
        """

    def begin_epoch(self, epoch: int) -> None:  # noqa: B027 - most systems have nothing to do
        """Get ready for an epoch (from 0); systems that train in stages go to the next one here."""

    def judged(self, generator: nn.Module) -> nn.Module:
        """Return the part of a generator that is being trained, which is what validation looks at."""
        return generator

    @property
    def learning_rate(self) -> float:
        """The learning rate in force."""
        return next(iter(self.optimisers.values())).param_groups[0]["lr"]

    def set_learning_rate(self, learning_rate: float) -> None:
        """Set the learning rate of every optimiser."""
        for optimiser in self.optimisers.values():
            for group in optimiser.param_groups:
                group["lr"] = learning_rate

    def state(self) -> dict[str, Any]:
        """Return everything that another step depends on."""
        return {
            "networks": {name: network.state_dict() for name, network in self.networks.items()},
            "optimisers": {name: optimiser.state_dict() for name, optimiser in self.optimisers.items()},
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on from a `state`."""
        for name, network in self.networks.items():
            network.load_state_dict(state["networks"][name])
        for name, optimiser in self.optimisers.items():
            optimiser.load_state_dict(state["optimisers"][name])

    def _train_mode(self) -> None:
        for network in self.networks.values():
            network.train()

    def _descend(self, name: str) -> None:
        self.engine.descend(self.optimisers[name], self.trained[name], self.recipe.optimiser.clip_norm)


class Tally:
    """Losses of a batch that is computed in parts: means weighted by the size of a part."""

    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}

    def add(self, share: float, losses: dict[str, Tensor]) -> None:
        """Add the losses of a part that is ``share`` of the batch."""
        for name, value in losses.items():
            self._sums[name] = self._sums.get(name, torch.zeros((), device=value.device)) + share * value.detach()

    def means(self, engine: Engine) -> dict[str, float]:
        """Return the losses of the whole batch, over all processes."""
        values = engine.mean(torch.stack([value.float() for value in self._sums.values()]))
        return dict(zip(self._sums, values.tolist(), strict=True))


def pieces(image: Tensor, target: Tensor, parts: int) -> Iterator[tuple[Tensor, Tensor, float]]:
    """Yield the parts of a batch, each with its share of it."""
    for some, wanted in zip(image.tensor_split(parts), target.tensor_split(parts), strict=True):
        yield some, wanted, len(some) / len(image)
