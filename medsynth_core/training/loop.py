"""The training loop: epochs, validation, the best weights so far, and checkpoints to go on from."""

from __future__ import annotations

import copy
import math
import os
import sys
import time
from typing import Any, cast

import torch
from torch import nn

from medsynth_core.errors import Cancelled, MedSynthError
from medsynth_core.inference.choice import create_predictor
from medsynth_core.inference.memory import NO_MEMORY
from medsynth_core.progress import Progress
from medsynth_core.systems.registry import create_system
from medsynth_core.training.arrays import Pair
from medsynth_core.training.average import Average
from medsynth_core.training.batches import Batch, Batches
from medsynth_core.training.engine import Engine
from medsynth_core.training.journal import Journal
from medsynth_core.training.memory import device_memory
from medsynth_core.training.previews import write_preview
from medsynth_core.training.recipe import Recipe
from medsynth_core.training.run_folder import LOWER_IS_BETTER, RunFolder
from medsynth_core.training.schedule import learning_rate, plateau_drops, stands_still
from medsynth_core.training.validation import answer, mean_scores, scores

# Processes that make batches for a GPU. A CPU has its own work to do, and elsewhere than on Linux such processes are
# begun anew with all their imports.
WORKERS = min(8, max((os.cpu_count() or 2) - 1, 1)) if sys.platform == "linux" else 0


class Trainer:
    """One training: everything that changes while it runs.

    Args:
        recipe: what to do.
        train: prepared training cases.
        val: prepared validation cases.
        folder: where checkpoints and the best weights go.
        journal: where to tell what happens; of the first process alone.
        engine: where and how to compute.
    """

    def __init__(
        self,
        recipe: Recipe,
        train: list[Pair],
        val: list[Pair],
        folder: RunFolder,
        journal: Journal | None,
        engine: Engine,
    ) -> None:
        self.recipe, self.val, self.folder, self.journal, self.engine = recipe, val, folder, journal, engine
        self.system = create_system(recipe, engine)
        generator = self.system.generator
        _check_crop(recipe, generator)
        _check_head(recipe, generator)
        self.average = Average(generator, recipe.average)
        self.batches = Batches(
            train,
            recipe,
            cast("tuple[int, int]", (generator.in_channels, generator.out_channels)),
            (engine.rank, engine.world),
            WORKERS if engine.device.type == "cuda" else 0,
            pinned=engine.device.type == "cuda",
        )
        self.parts = recipe.optimiser.accumulate
        self.epoch = self.step = self.position = 0
        self.sums: dict[str, float] = {}
        self.spent = 0.0
        self.log: list[dict[str, float]] = []
        if engine.rank:
            torch.manual_seed(recipe.seed + engine.rank)

    def run(self, progress: Progress) -> None:
        """Train to the recipe's last epoch, or until validation stands still if the recipe says so.

        Raises:
            Cancelled: asked to stop; a checkpoint holds all that was done.
            MedSynthError: the loss is no longer a finite number, or a single slice needs more memory than there is; the
                last checkpoint stays.
        """
        self._begun, self._done_before = time.monotonic(), self.epoch * len(self.batches) + self.position
        self._saved = time.monotonic()
        while self.epoch < self.recipe.epochs and not self._enough():
            started = time.monotonic() - self.spent
            try:
                self._train_epoch(progress, started)
            except Cancelled:
                self.spent = time.monotonic() - started
                self._save()
                raise
            row = self._row()
            self.epoch, self.position, self.sums, self.spent = self.epoch + 1, 0, {}, 0.0
            if self.epoch % self.recipe.validation_every == 0 or self.epoch == self.recipe.epochs:
                # By another name the scores of a part of the generator choose no epoch and no learning rate.
                split = "val" if self.system.complete else "coarse"
                row.update({f"{split}_{name}": value for name, value in self._validate().items()})
            row["seconds"] = time.monotonic() - started
            self._keep(row)
            self._save()
            progress.log(" ".join(f"{name} {value:.5g}" for name, value in row.items()))

    def resume(self) -> None:
        """Go on from the folder's checkpoint, exactly as if it had never stopped."""
        state = self.folder.read_checkpoint(self.engine.device)
        self.system.load_state(state["system"])
        self.engine.load_state(state["engine"])
        self.average.network.load_state_dict(state["average"])
        self.epoch, self.step, self.position = state["epoch"], state["step"], state["position"]
        self.parts, self.sums, self.spent, self.log = state["parts"], state["sums"], state["spent"], state["log"]
        if self.engine.rank:
            # The checkpoint is the first process's; chance must still differ between them.
            torch.manual_seed(self.recipe.seed + self.engine.rank + self.step * self.engine.world)
            return
        torch.set_rng_state(state["random"].cpu())
        if self.engine.device.type == "cuda" and "random_cuda" in state:
            torch.cuda.set_rng_state(state["random_cuda"].cpu(), self.engine.device)

    def _enough(self) -> bool:
        settings = self.recipe.optimiser
        drops = plateau_drops(self._scores(), settings.patience)
        small = settings.schedule == "plateau" and settings.learning_rate * settings.factor**drops < settings.stop_below
        return small or stands_still(self._scores(), self.recipe.stop_after)

    def _train_epoch(self, progress: Progress, started: float) -> None:
        self.system.begin_epoch(self.epoch)
        for batch in self.batches.epoch(self.epoch, self.position):
            self._report(progress)
            self.system.set_learning_rate(self._learning_rate())
            losses = self._step(batch, progress)
            if not all(math.isfinite(value) for value in losses.values()):
                raise MedSynthError(
                    f"The loss is not a finite number at step {self.step + 1} of epoch {self.epoch + 1} (cases: "
                    f"{', '.join(batch.cases)}); look at these cases, or lower the learning rate, and go on from the "
                    f"last checkpoint in {self.folder.path}.",
                    kind="model",
                )
            self.step, self.position = self.step + 1, self.position + 1
            self.average.update(self.system.generator, self.step)
            for name, value in losses.items():
                self.sums[name] = self.sums.get(name, 0.0) + value
            if time.monotonic() - self._saved > 60 * self.recipe.checkpoint_minutes:
                self.spent = time.monotonic() - started
                self._save()

    def _step(self, batch: Batch, progress: Progress) -> dict[str, float]:
        """Take a step, in more and smaller parts if the device's memory is too small for the batch."""
        while True:
            try:
                parts = (batch.image, batch.target, batch.dose)
                image, target, dose = (part.to(self.engine.device, non_blocking=True) for part in parts)
                return self.system.step(image, target, self.parts, dose=dose)
            except (torch.OutOfMemoryError, MemoryError) as error:
                self._make_smaller(len(batch.image), progress, error)
            except RuntimeError as error:
                # The CPU's allocator and the libraries of the GPU have no exception of their own.
                if not any(sign in str(error) for sign in NO_MEMORY):
                    raise
                self._make_smaller(len(batch.image), progress, error)

    def _make_smaller(self, size: int, progress: Progress, error: BaseException) -> None:
        if self.parts >= size or self.engine.world > 1:
            # Other processes have gone on with the step, so it cannot be repeated.
            raise MedSynthError(
                f"The memory of {self.engine.device} does not suffice for a batch of {size} slices in {self.parts} "
                "parts; set optimiser.accumulate higher, batch_size lower, or choose a smaller crop or network.",
                kind="device",
            ) from error
        self.parts = min(2 * self.parts, size)
        if self.engine.device.type == "cuda":
            torch.cuda.empty_cache()
        message = (
            f"Memory of {self.engine.device} ran out: going on with batches of {size} slices computed in {self.parts} "
            "parts, whose gradients are added up."
        )
        progress.log(message)
        if self.journal is not None:
            self.journal.event("log", message=message)

    def _report(self, progress: Progress) -> None:
        """Tell how far the training is, and stop if somebody wants that.

        Raises:
            Cancelled: on every process, at the same step.
        """
        steps = self.epoch * len(self.batches) + self.position
        total = self.recipe.epochs * len(self.batches)
        message = f"Epoch {self.epoch + 1} of {self.recipe.epochs}"
        stop = False
        try:
            if self.journal is not None:
                done = steps - self._done_before
                left = (time.monotonic() - self._begun) / done * (total - steps) if done else None
                self.journal.progress(steps / total, message, self.epoch + 1, left)
                stop = self.folder.stop_requested()
            progress(steps / total, message)
        except Cancelled:
            stop = True
        if self.engine.world > 1:
            stop = bool(self.engine.mean(torch.tensor([float(stop)])).item() > 0)
        if stop:
            raise Cancelled

    def _learning_rate(self) -> float:
        settings = self.recipe.optimiser
        done = self.epoch + self.position / len(self.batches)
        drops = plateau_drops(self._scores(), settings.patience)
        return learning_rate(settings, done, self.recipe.epochs, self.step, drops)

    def _row(self) -> dict[str, float]:
        means = {name: value / len(self.batches) for name, value in self.sums.items()}
        return {"epoch": self.epoch + 1, "learning_rate": self.system.learning_rate, **means}

    @torch.no_grad()
    def _validate(self) -> dict[str, float]:
        """Return the mean scores of the validation cases, shared between the processes."""
        contract = self.recipe.contract
        self.engine.average_buffers(self.system.generator)
        self.engine.average_buffers(self.average.network)
        # A copy: predicting puts a network into evaluation mode.
        predictor = create_predictor(copy.deepcopy(self.system.judged(self._kept())), contract, self.engine.device)
        found = []
        for number in range(self.engine.rank, len(self.val), self.engine.world):
            pair = self.val[number]
            synthetic, real = answer(predictor, pair, contract)
            found.append(scores(synthetic, real, pair.body, contract))
            if number == 0 and self.journal is not None:
                file = write_preview(self.folder.path, self.epoch, pair, synthetic, contract)
                self.journal.event("preview", file=file, epoch=self.epoch, case=pair.name)
        return mean_scores(self.engine.gather(found))

    def _kept(self) -> nn.Module:
        return self.average.network if self.recipe.average else self.system.generator

    def _keep(self, row: dict[str, float]) -> None:
        """Log an epoch, and keep its weights if they are the best."""
        self.log.append(row)
        best = self._scores()
        if self.journal is None:
            return
        if f"val_{self.recipe.choose_by}" in row and best[-1] == min(best) and best.count(best[-1]) == 1:
            self.folder.write_best(self._kept())
        self.journal.epoch(self.log)
        self.journal.event("device", **device_memory(self.engine.device))

    def _scores(self) -> list[float]:
        """Return the validations by the recipe's metric, turned so that lower is better."""
        name = self.recipe.choose_by
        sign = 1 if LOWER_IS_BETTER[name] else -1
        return [sign * row[f"val_{name}"] for row in self.log if f"val_{name}" in row]

    def _save(self) -> None:
        self._saved = time.monotonic()
        if self.journal is not None:
            self.folder.write_checkpoint(self._state())

    def _state(self) -> dict[str, Any]:
        device = self.engine.device
        cuda = {"random_cuda": torch.cuda.get_rng_state(device)} if device.type == "cuda" else {}
        return {
            **cuda,
            "system": self.system.state(),
            "engine": self.engine.state(),
            "average": self.average.network.state_dict(),
            "epoch": self.epoch,
            "step": self.step,
            "position": self.position,
            "parts": self.parts,
            "sums": self.sums,
            "spent": self.spent,
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


def _check_head(recipe: Recipe, generator: nn.Module) -> None:
    """Make sure that a network which tells doses apart learns to: users are shown which dose it names.

    Raises:
        MedSynthError: nothing would teach it.
    """
    if hasattr(generator, "classes") and not recipe.loss.dose_class:
        raise MedSynthError(
            f"The network '{recipe.network.name}' names the dose of its input, which nothing teaches it; give "
            "loss.dose_class a weight, or take a network without a head (unet3d, contextual3d)."
        )
