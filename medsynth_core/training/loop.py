"""The training loop: epochs, validation, the best weights so far, and checkpoints to go on from."""

from __future__ import annotations

import copy
import math
import time
from typing import cast

import torch
from torch import nn

from medsynth_core.errors import MedSynthError
from medsynth_core.inference.predictor import Predictor
from medsynth_core.networks.registry import create_network
from medsynth_core.progress import Progress
from medsynth_core.systems.cascade import CascadeSystem
from medsynth_core.training.arrays import Batches, Pair
from medsynth_core.training.recipe import Recipe
from medsynth_core.training.run_folder import RunFolder
from medsynth_core.training.validation import validate

LOWER_IS_BETTER = {"mae": True, "psnr": False}


class Trainer:
    """One training: everything that changes while it runs.

    Args:
        recipe: what to do.
        train: prepared training cases.
        val: prepared validation cases.
        folder: where checkpoints, logs and the best weights go.
        device: where to train.
    """

    def __init__(
        self, recipe: Recipe, train: list[Pair], val: list[Pair], folder: RunFolder, device: torch.device
    ) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe, self.val, self.folder, self.device = recipe, val, folder, device
        generator = create_network(recipe.network.name, **recipe.network.options).to(device)
        _check_crop(recipe, generator)
        channels = cast("tuple[int, int]", (generator.in_channels, generator.out_channels))
        adversary = recipe.discriminator
        discriminator = create_network(adversary.name, **adversary.options).to(device) if adversary else None
        if discriminator is not None:
            _check_discriminator(recipe, discriminator, sum(channels))
        self.system = CascadeSystem(generator, discriminator, recipe)
        self.average = copy.deepcopy(generator)
        self.batches = Batches(train, recipe, channels)
        self.epoch = 0
        self.step = 0
        self.log: list[dict[str, float]] = []

    def run(self, progress: Progress) -> None:
        """Train to the recipe's last epoch.

        Raises:
            Cancelled: asked to stop; the checkpoint of the last whole epoch stays.
            MedSynthError: the loss is no longer a finite number; the last good checkpoint stays.
        """
        while self.epoch < self.recipe.epochs:
            started = time.monotonic()
            row = {"epoch": self.epoch + 1, **self._train_epoch(progress)}
            self.epoch += 1
            if self.epoch % self.recipe.validation_every == 0 or self.epoch == self.recipe.epochs:
                row.update({f"val_{name}": value for name, value in self._validate().items()})
                if self._is_best(row):
                    self.folder.write_best(self._kept())
            row["seconds"] = time.monotonic() - started
            self.log.append(row)
            self.folder.write_log(self.log)
            self.folder.write_checkpoint(self._state())
            progress.log(" ".join(f"{name} {value:.5g}" for name, value in row.items()))

    def resume(self) -> None:
        """Go on from the folder's checkpoint, exactly as if it had never stopped."""
        state = self.folder.read_checkpoint(self.device)
        self.system.load_state(state["system"])
        self.average.load_state_dict(state["average"])
        self.epoch, self.step, self.log = state["epoch"], state["step"], state["log"]
        torch.set_rng_state(state["random"].cpu())
        if self.device.type == "cuda" and "random_cuda" in state:
            torch.cuda.set_rng_state(state["random_cuda"].cpu(), self.device)

    def _train_epoch(self, progress: Progress) -> dict[str, float]:
        sums: dict[str, float] = {}
        for number, (image, target) in enumerate(self.batches.epoch(self.epoch)):
            done = self.epoch + number / len(self.batches)
            progress(done / self.recipe.epochs, f"Epoch {self.epoch + 1} of {self.recipe.epochs}")
            self.system.set_learning_rate(self._learning_rate(done))
            losses = self.system.step(image.to(self.device), target.to(self.device))
            if not math.isfinite(losses["loss"]):
                raise MedSynthError(
                    f"The loss is not a finite number at step {self.step + 1} of epoch {self.epoch + 1}; lower the "
                    f"learning rate and go on from the last checkpoint in {self.folder.path}.",
                    kind="model",
                )
            self.step += 1
            self._update_average()
            for name, value in losses.items():
                sums[name] = sums.get(name, 0.0) + value
        return {
            "learning_rate": self._learning_rate(done),
            **{name: v / len(self.batches) for name, v in sums.items()},
        }

    def _learning_rate(self, done: float) -> float:
        """Return the learning rate after ``done`` epochs."""
        settings = self.recipe.optimiser
        rate = settings.learning_rate * min(1.0, (self.step + 1) / (settings.warmup_steps + 1))
        if settings.schedule == "cosine":
            rate *= 0.01 + 0.99 * (1 + math.cos(math.pi * done / self.recipe.epochs)) / 2
        return rate

    @torch.no_grad()
    def _update_average(self) -> None:
        """Let the averaged weights follow, faster at first so that they forget the random ones."""
        decay = min(self.recipe.average, self.step / (self.step + 20))
        current = self.system.generator.state_dict()
        for name, value in self.average.state_dict().items():
            if value.dtype.is_floating_point:
                value.lerp_(current[name], 1 - decay)
            else:
                value.copy_(current[name])

    def _kept(self) -> nn.Module:
        return self.average if self.recipe.average else self.system.generator

    def _validate(self) -> dict[str, float]:
        # A copy: predicting puts a network into evaluation mode.
        predictor = Predictor(copy.deepcopy(self._kept()), self.recipe.contract, self.device)
        return validate(predictor, self.val, self.recipe.contract)

    def _is_best(self, row: dict[str, float]) -> bool:
        name = f"val_{self.recipe.choose_by}"
        earlier = [old[name] for old in self.log if name in old]
        if LOWER_IS_BETTER[self.recipe.choose_by]:
            return not earlier or row[name] < min(earlier)
        return not earlier or row[name] > max(earlier)

    def _state(self) -> dict[str, object]:
        cuda = {"random_cuda": torch.cuda.get_rng_state(self.device)} if self.device.type == "cuda" else {}
        return {
            **cuda,
            "system": self.system.state(),
            "average": self.average.state_dict(),
            "epoch": self.epoch,
            "step": self.step,
            "log": self.log,
            "random": torch.get_rng_state(),
        }


def _check_crop(recipe: Recipe, generator: nn.Module) -> None:
    """Make sure that the network can take the training slices.

    Raises:
        MedSynthError: it cannot, or it is no generator.
    """
    multiple = getattr(generator, "multiple_of", None)
    if multiple is None:
        raise MedSynthError(f"The network '{recipe.network.name}' of the recipe makes no images; choose another.")
    if recipe.augmentation.crop % multiple:
        raise MedSynthError(
            f"The recipe cuts slices to {recipe.augmentation.crop} pixels, but the network '{recipe.network.name}' "
            f"takes multiples of {multiple}; change augmentation.crop."
        )


def _check_discriminator(recipe: Recipe, discriminator: nn.Module, channels: int) -> None:
    """Make sure that the discriminator can take input and image together.

    Raises:
        MedSynthError: it cannot.
    """
    if getattr(discriminator, "in_channels", None) != channels:
        raise MedSynthError(
            f"The discriminator sees the network's input and image together, {channels} channels; set "
            f"discriminator.options.in_channels of the recipe '{recipe.name}' to {channels}."
        )
