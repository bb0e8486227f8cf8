"""The training loop: epochs, validation, best weights and checkpoints."""

from __future__ import annotations

import copy
import math
import os
import sys
import time
from typing import Any, cast

import torch
from torch import nn

from medsynth_core.compute.ladder import Ladder
from medsynth_core.compute.memory import device_memory
from medsynth_core.errors import Cancelled, MedSynthError
from medsynth_core.interruption import StopRequest, as_request
from medsynth_core.metrics.earlier_names import todays_scores
from medsynth_core.metrics.registry import signed
from medsynth_core.models.weights import check_weights
from medsynth_core.preparation.training_case import TrainingCase
from medsynth_core.progress import Progress
from medsynth_core.recipes.recipe import Recipe
from medsynth_core.systems.batch import Batch
from medsynth_core.systems.engine import Engine
from medsynth_core.systems.registry import create_system
from medsynth_core.training.batches import Batches
from medsynth_core.training.ema import Average
from medsynth_core.training.event_log import VALIDATED, Journal
from medsynth_core.training.fit import check_generator
from medsynth_core.training.previews import write_preview
from medsynth_core.training.run_folder import RunFolder
from medsynth_core.training.schedule import learning_rate, plateau_drops, stands_still
from medsynth_core.training.validation import Trained, check_choice, mean_scores, undefined_scores

# Worker processes that prepare batches for a GPU. A training on the CPU needs the cores itself, and on systems other
# than Linux each worker would have to import everything again.
WORKERS = min(8, max((os.cpu_count() or 2) - 1, 1)) if sys.platform == "linux" else 0


class Trainer:
    """State of one training and its loop.

    Args:
        recipe: the recipe.
        train: prepared training cases.
        val: prepared validation cases.
        folder: run folder for checkpoints and best weights.
        journal: event log; None in all processes but the first.
        engine: device, precision and processes.
    """

    def __init__(
        self,
        recipe: Recipe,
        train: list[TrainingCase],
        val: list[TrainingCase],
        folder: RunFolder,
        journal: Journal | None,
        engine: Engine,
    ) -> None:
        self.recipe, self.val, self.folder, self.journal, self.engine = recipe, val, folder, journal, engine
        self.system = create_system(recipe.system, recipe, engine)
        generator = self.system.generator
        check_generator(recipe, self.system)
        self.average = Average(generator, recipe.average)
        self.batches = Batches(
            train,
            recipe,
            (cast(int, getattr(generator, "in_channels", 0)), cast(int, generator.out_channels)),
            (engine.rank, engine.world),
            WORKERS if engine.device.type == "cuda" else 0,
            pinned=engine.device.type == "cuda",
        )
        self.system.epoch_steps = len(self.batches)
        self.parts = recipe.optimiser.accumulate
        self.epoch = self.step = self.position = 0
        self.sums: dict[str, float] = {}
        self.spent = 0.0
        self.log: list[dict[str, float]] = []
        self._stop = StopRequest()
        if engine.rank:
            torch.manual_seed(recipe.seed + engine.rank)

    def run(self, progress: Progress) -> None:
        """Train until the recipe's last epoch or until early stopping, if the recipe enables it.

        The first Ctrl-C, SIGTERM or SIGHUP is such a request; a second one stops at once.

        Raises:
            Cancelled: a stop was requested; a checkpoint of the current state has been written.
            KeyboardInterrupt, Terminated: as `Cancelled`, if the request was a signal.
            MedSynthError: the loss is not finite, or a single slice does not fit into memory; the last checkpoint is
                kept.
        """
        with as_request() as self._stop:
            try:
                self._run(progress)
            except Cancelled:
                if not self._stop:
                    raise
        self._stop.carry_out()

    def _run(self, progress: Progress) -> None:
        self._begun, self._done_before = time.monotonic(), self.epoch * len(self.batches) + self.position
        self._saved = time.monotonic()
        if not self.step:
            # Whatever is logged later has a checkpoint to resume from, however early the process is killed.
            self._save()
        while self.epoch < self.recipe.epochs and not self._finished():
            started = time.monotonic() - self.spent
            try:
                row = self._trained_epoch(progress, started)
            except Cancelled:
                self.spent = time.monotonic() - started
                self._save()
                raise
            self.epoch, self.position, self.sums, self.spent = self.epoch + 1, 0, {}, 0.0
            row["seconds"] = time.monotonic() - started
            self._record(row)
            self._save()
            progress.log(" ".join(f"{name} {value:.5g}" for name, value in row.items()))

    def _trained_epoch(self, progress: Progress, started: float) -> dict[str, float]:
        """Train an epoch, or what is left of it, validate if it is due, and return its row of the log."""
        self._train_epoch(progress, started)
        row = self._row()
        done = self.epoch + 1
        if done % self.recipe.validation_every == 0 or done == self.recipe.epochs:
            # Scores of only a part of the generator get another prefix, so that they select neither epoch nor
            # learning rate.
            split = "val" if self.system.complete else "coarse"
            row.update({f"{split}_{name}": value for name, value in self._validate(progress).items()})
        return row

    def resume(self) -> None:
        """Resume from the folder's checkpoint, exactly as if the training had not been interrupted.

        Raises:
            MedSynthError: the checkpoint, or the best weights so far, are damaged.
        """
        state = self.folder.read_checkpoint(self.engine.device)
        try:
            self._take(state)
        except torch.OutOfMemoryError:
            raise
        except (KeyError, IndexError, TypeError, ValueError, AttributeError, RuntimeError) as error:
            if "CUDA" in str(error) or "MPS" in str(error):
                raise  # of the device, not of the file
            raise self.folder.damaged_checkpoint() from error
        for network in (*self.system.networks.values(), self.average.network):
            check_weights(
                network.state_dict(), f"the checkpoint in {self.folder.path}", "start again in another folder"
            )
        if self._scores() and self.journal is not None:
            self.folder.check_best()

    def _take(self, state: dict[str, Any]) -> None:
        """Restore a `_state`.

        Raises:
            ValueError: the state is not that of a training with this recipe; or another error of a wrong type.
        """
        self.system.load_state(state["system"])
        self.engine.load_state(state["engine"])
        self.average.network.load_state_dict(state["average"])
        self.epoch, self.step, self.position = state["epoch"], state["step"], state["position"]
        self.parts, self.sums, self.spent = state["parts"], state["sums"], state["spent"]
        self.log = [todays_scores(todays_scores(row, "val_"), "coarse_") for row in state["log"]]
        self._check_counts()
        if self.engine.rank:
            # The checkpoint is that of the first process; random numbers must differ between processes.
            torch.manual_seed(self.recipe.seed + self.engine.rank + self.step * self.engine.world)
            return
        torch.set_rng_state(state["random"].cpu())
        if self.engine.device.type == "cuda" and "random_cuda" in state:
            torch.cuda.set_rng_state(state["random_cuda"].cpu(), self.engine.device)

    def _check_counts(self) -> None:
        """Check how far a checkpoint says that the training is.

        Raises:
            ValueError: as far as this training cannot be.
        """
        ranges = (
            (self.epoch, len(self.log), min(len(self.log), self.recipe.epochs)),
            (self.position, 0, len(self.batches)),
            (self.parts, 1, self.recipe.batch_size),
            (self.step, 0, math.inf),
        )
        if not all(type(count) is int and low <= count <= high for count, low, high in ranges):
            raise ValueError("this training cannot be that far")
        if not all(isinstance(value, float | int) for value in (*self.sums.values(), self.spent)):
            raise ValueError("sums that are no numbers")

    def _finished(self) -> bool:
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
                    f"{', '.join(batch.cases)}); check these cases or lower the learning rate, then resume from the "
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
        """Take a step; if the device runs out of memory, split the batch into more and smaller parts."""
        size = len(batch)
        ladder = Ladder(
            [lambda: self._more_parts(size)],
            lambda: (
                f"The memory of {self.engine.device} is too small for a batch of {size} slices in {self.parts} parts; "
                "increase optimiser.accumulate, reduce batch_size, or choose a smaller crop or network."
            ),
        )
        return ladder.run(
            lambda: self.system.step(batch.to(self.engine.device), self.parts),
            lambda message: self._tell(message, progress),
        )

    def _tell(self, message: str, progress: Progress) -> None:
        progress.log(message)
        if self.journal is not None:
            self.journal.event("log", message=message)

    def _more_parts(self, size: int) -> str:
        # With several processes the others have already continued, so the step cannot be repeated.
        if self.parts >= size or self.engine.world > 1:
            return ""
        self.parts = min(2 * self.parts, size)
        return (
            f"{self.engine.device} ran out of memory: continuing with batches of {size} slices computed in "
            f"{self.parts} parts with accumulated gradients."
        )

    def _report(self, progress: Progress) -> None:
        """Report the progress, and stop if requested.

        Raises:
            Cancelled: a stop was requested; raised in every process at the same step.
        """
        steps = self.epoch * len(self.batches) + self.position
        total = self.recipe.epochs * len(self.batches)
        message = f"Epoch {self.epoch + 1} of {self.recipe.epochs}"
        stop = bool(self._stop)
        try:
            if self.journal is not None:
                done = steps - self._done_before
                left = (time.monotonic() - self._begun) / done * (total - steps) if done else None
                self.journal.progress(steps / total, message, self.epoch + 1, left)
                stop = stop or self.folder.stop_requested()
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
    def _validate(self, progress: Progress) -> dict[str, float]:
        """Return the mean scores of the validation cases, which are divided between the processes.

        Raises:
            Cancelled: a stop was requested. The checkpoint is then that of the end of the epoch's last batch, and
                validation is the first thing to do after it.
        """
        contract = self.recipe.contract
        self.engine.average_buffers(self.system.generator)
        self.engine.average_buffers(self.average.network)
        # A copy, because validation switches the network to evaluation mode.
        candidate = Trained(copy.deepcopy(self.system.validated_part(self._candidate())), contract, self.engine.device)
        found: list[tuple[str, dict[str, float]]] = []
        for number in range(self.engine.rank, len(self.val), self.engine.world):
            if self.engine.world == 1:  # several processes have different cases and would wait for each other
                self._report(progress)
            case = self.val[number]
            found.append((case.name, self.system.validate(self.recipe, case, candidate)))
            if number == 0 and self.journal is not None and case.inputs:
                file = write_preview(self.folder.path, self.epoch + 1, case, candidate.images(case), contract)
                self.journal.event("preview", file=file, epoch=self.epoch + 1, case=case.name)
        of_set = self.system.validate_set(self.recipe, self.val, candidate)
        return self._means(dict(self.engine.gather(found)), of_set, progress)

    def _means(
        self, found: dict[str, dict[str, float]], of_set: dict[str, float], progress: Progress
    ) -> dict[str, float]:
        """Return the mean scores of the validation cases; at the first validation, report what is not defined.

        Args:
            found: scores of each case.
            of_set: scores of all cases together.
            progress: reports.
        """
        means = {**mean_scores(found.values()), **of_set}
        if not any(key.startswith(tuple(f"{split}_" for split in VALIDATED)) for row in self.log for key in row):
            check_choice(means, self.recipe.choose_by)
            for message in undefined_scores(found, "means are over the others"):
                self._tell(message, progress)
        return means

    def _candidate(self) -> nn.Module:
        return self.average.network if self.recipe.average else self.system.generator

    def _record(self, row: dict[str, float]) -> None:
        """Log an epoch, and store its weights if they are the best so far."""
        self.log.append(row)
        best = self._scores()
        if self.journal is None:
            return
        if f"val_{self.recipe.choose_by}" in row and best[-1] == min(best) and best.count(best[-1]) == 1:
            self.folder.write_best(self._candidate())
        self.journal.epoch(self.log)
        self.journal.event("device", **device_memory(self.engine.device))

    def _scores(self) -> list[float]:
        """Return the validation scores by the recipe's metric, with the sign chosen so that lower is better."""
        name = self.recipe.choose_by
        values = [row[f"val_{name}"] for row in self.log if f"val_{name}" in row]
        # Earlier versions logged what is not defined as NaN.
        return [signed(name, value) for value in values if math.isfinite(value)]

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
