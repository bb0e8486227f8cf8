"""Train a model from a recipe and a manifest."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medsynth_core.datasets.completeness import training_cases
from medsynth_core.datasets.manifest import Case, split_of
from medsynth_core.datasets.stated_facts import data_notes
from medsynth_core.errors import Cancelled
from medsynth_core.failures import as_user_error
from medsynth_core.interruption import Terminated
from medsynth_core.models.contents import check_replaceable
from medsynth_core.progress import Progress, ProgressCallback
from medsynth_core.recipes.presets import is_preset
from medsynth_core.recipes.recipe import Recipe, read_recipe
from medsynth_core.systems.engine import Engine, choose_engine
from medsynth_core.training.claims import check_claims, for_a_table, of_own_training
from medsynth_core.training.event_log import Journal, append_event
from medsynth_core.training.file_record import check_files
from medsynth_core.training.fit import check_networks
from medsynth_core.training.lock import RunLock
from medsynth_core.training.loop import Trainer
from medsynth_core.training.prepared_cases import load_cases
from medsynth_core.training.publishing import publish
from medsynth_core.training.run_folder import RunFolder
from medsynth_core.training.run_watch import TRACEBACK_HINT
from medsynth_core.training.seen import check_contrast, check_seen


def train(
    recipe: str | Path | Recipe,
    data: str | Path,
    output: str | Path,
    *,
    resume: bool = False,
    device: str = "auto",
    progress: Progress | ProgressCallback | None = None,
) -> Path:
    """Train a model and return the folder of its package, ready for `medsynth_core.load_model`.

    The epoch with the best validation score is kept; the test split is evaluated once, at the end, for the model
    card. Events are logged to ``events.jsonl`` in the run folder. If started by ``accelerate launch`` or
    ``torchrun``, several processes train together; all return when the package is complete.

    Args:
        recipe: a `Recipe`, its YAML file, or the name of a preset; its name and the text about the data must be your
            own (`medsynth_core.recipes.about.personal`).
        data: the manifest, a CSV with the columns ``case``, ``split`` and one column of files per role of the recipe.
        output: run folder for checkpoints, logs, best weights and, at the end, the package; new or empty, unless the
            training in it is resumed.
        resume: resume from the checkpoint in ``output``.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1`` or ``mps``.
        progress: called as ``progress(fraction, message)``.

    Raises:
        MedSynthError: recipe, data or output cannot be used, or the training diverged.
        Cancelled: the progress callback requested a stop; there is a checkpoint to resume from.
        KeyboardInterrupt, Terminated: likewise, by a signal.
    """
    found = recipe if isinstance(recipe, Recipe) else read_recipe(recipe)
    progress = progress if isinstance(progress, Progress) else Progress(progress)
    cases = read_cases(data, found)
    check_claims(found, cases, preset=not isinstance(recipe, Recipe) and is_preset(recipe))
    return _train(of_own_training(found, cases, progress), cases, output, resume, device, progress)


def train_recipe(
    recipe: Recipe,
    data: str | Path,
    output: str | Path,
    *,
    resume: bool = False,
    device: str = "auto",
    progress: Progress | ProgressCallback | None = None,
) -> Path:
    """Train as `train` does, for a table of results: nobody is asked for the text of the card, which claims little."""
    cases = read_cases(data, recipe)
    progress = progress if isinstance(progress, Progress) else Progress(progress)
    return _train(for_a_table(recipe, cases), cases, output, resume, device, progress)


def _train(
    recipe: Recipe,
    cases: list[Case],
    output: str | Path,
    resume: bool,
    device: str,
    progress: Progress,
) -> Path:
    if not resume:
        recipe.check_effect()
    check_networks(recipe)
    engine = choose_engine(recipe, device)
    folder = RunFolder(output)
    if resume:
        folder.check_resumable(recipe, cases)
        if not engine.rank:  # other machines may have copies of their own
            check_files(folder.path, cases)
        folder.with_kept_text(recipe)  # refuses a damaged text now, not after the last epoch
    else:
        folder.check_free()
    check_replaceable(folder.package(recipe))
    run = _Run(recipe, cases, folder, engine, resume)
    engine.wait()
    if engine.rank:
        # Only the first process writes to the folder.
        engine.wait()
        run.trainer(None, Progress()).run(Progress())
        engine.wait()
        return folder.package(recipe)
    folder.make()
    lock = RunLock(folder.path)
    folder.remove_leftovers()
    try:
        return run.train(progress)
    except (Cancelled, KeyboardInterrupt, Terminated):
        append_event(folder.path, "cancelled")
        raise
    except Exception as failure:
        error = as_user_error(failure)
        if error is None:
            message = f"The training failed: {type(failure).__name__}: {failure}."
            append_event(folder.path, "error", kind="failure", message=message, hint=TRACEBACK_HINT)
            raise
        append_event(folder.path, "error", kind=error.kind, message=error.message, hint=error.hint)
        raise error from failure
    finally:
        folder.delete_stop_request()
        lock.release()


def read_cases(data: str | Path, recipe: Recipe) -> list[Case]:
    """Return the cases of a manifest that a training with the recipe uses.

    Raises:
        MedSynthError: the manifest cannot be used, or a required split has no case.
    """
    return training_cases(data, recipe.needs)


@dataclass(frozen=True)
class _Run:
    """A training that is about to run.

    Attributes:
        recipe: recipe of the training.
        cases: cases of all splits.
        folder: run folder.
        engine: engine of this process.
        resume: whether it continues from the folder's checkpoint.
    """

    recipe: Recipe
    cases: list[Case]
    folder: RunFolder
    engine: Engine
    resume: bool

    def trainer(self, journal: Journal | None, progress: Progress) -> Trainer:
        """Return the trainer with the prepared cases, at the checkpoint if the training continues."""
        recipe, arrays = self.recipe, self.folder.arrays
        paired = recipe.needs.paired
        train = load_cases(split_of(self.cases, "train"), recipe, progress.part(0, 0.9), arrays, paired=paired)
        check_contrast(train, recipe)
        unseen = check_seen(train, recipe)
        val = load_cases(split_of(self.cases, "val"), recipe, progress.part(0.9, 1), arrays)
        trainer = Trainer(recipe, train, val, self.folder, journal, self.engine)
        if self.resume:
            trainer.resume()
        elif unseen and journal:
            progress.log(unseen)
            journal.event("log", message=unseen)
        return trainer

    def train(self, progress: Progress) -> Path:
        """Train, publish and return the package; in the first process."""
        recipe, folder, engine = self.recipe, self.folder, self.engine
        folder.delete_stop_request()
        if self.resume:
            folder.record(self.cases)
            folder.take_text(recipe)
        else:
            folder.start(recipe, self.cases, engine.device, engine.precision)
        folder.make_arrays()
        journal = Journal(folder.path, folder.epochs_done() if self.resume else 0)
        try:
            trainer = self.trainer(journal, progress.part(0, 0.02))
            # The other processes then find the cases prepared.
            engine.wait()
            notes = [] if self.resume else [*data_notes(self.cases, recipe.needs), *engine.notes()]
            journal.event("started", **self._facts(len(trainer.batches)), notes=notes)
            for note in notes:
                progress.log(note)
            trainer.run(progress.part(0.02, 0.97))
        finally:
            journal.close()
        shown = folder.with_kept_text(recipe)
        if shown.about != recipe.about:
            shown = of_own_training(shown, self.cases, progress)
        package = publish(shown, self.cases, folder, engine.device, progress.part(0.97, 1)).package
        engine.wait()
        folder.delete_arrays()
        append_event(folder.path, "done", package=str(package))
        return package

    def _facts(self, steps: int) -> dict[str, Any]:
        """Return what the event ``started`` reports, with the number of steps in an epoch."""
        return {
            "name": self.recipe.name,
            "device": str(self.engine.device),
            "epochs": self.recipe.epochs,
            "steps": steps,
            "pid": os.getpid(),
            "processes": self.engine.world,
        }
