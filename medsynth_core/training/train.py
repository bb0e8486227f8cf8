"""Train a model from a recipe and a manifest."""

from __future__ import annotations

import os
from pathlib import Path

from medsynth_core.datasets.manifest import Case, read_manifest, split_of
from medsynth_core.errors import Cancelled, MedSynthError
from medsynth_core.progress import Progress, ProgressCallback
from medsynth_core.training.arrays import load_pairs
from medsynth_core.training.engine import Engine, choose_engine
from medsynth_core.training.journal import Journal, append_event
from medsynth_core.training.lock import RunLock
from medsynth_core.training.loop import Trainer
from medsynth_core.training.publishing import publish
from medsynth_core.training.recipe import Recipe, needed_roles, read_recipe
from medsynth_core.training.run_folder import RunFolder


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

    The best epoch by the validation split is kept; the test split is looked at once, at the end, to write the
    model's card. What happens is told in the folder's ``events.jsonl``. Started by ``accelerate launch`` or
    ``torchrun``, several processes train together; all return when the package is there.

    Args:
        recipe: a `Recipe`, its YAML file, or the name of a preset.
        data: the manifest, a CSV with the columns ``case``, ``split`` and the recipe's two roles (files).
        output: folder for checkpoints, log, best weights and, at the end, the package.
        resume: go on from the checkpoint in ``output``.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1`` or ``mps``.
        progress: called as ``progress(fraction, message)``.

    Raises:
        MedSynthError: recipe, data or output are not usable, or the training diverged.
        Cancelled: the progress callback asked to stop.
    """
    progress = progress if isinstance(progress, Progress) else Progress(progress)
    recipe = recipe if isinstance(recipe, Recipe) else read_recipe(recipe)
    cases = read_cases(data, recipe)
    engine = choose_engine(recipe, device)
    folder = RunFolder(output)
    if resume:
        folder.check_resumable(recipe, cases)
    else:
        folder.check_free()
    engine.wait()
    if engine.rank:
        # The first process keeps the folder and makes the package.
        engine.wait()
        _trainer(recipe, cases, folder, None, engine, resume, Progress()).run(Progress())
        engine.wait()
        return folder.package(recipe)
    folder.make()
    lock = RunLock(folder.path)
    try:
        return _train(recipe, cases, folder, engine, resume, progress)
    except Cancelled:
        append_event(folder.path, "cancelled")
        raise
    except MedSynthError as error:
        append_event(folder.path, "error", kind=error.kind, message=error.message, hint=error.hint)
        raise
    finally:
        folder.forget_stop()
        lock.release()


def read_cases(data: str | Path, recipe: Recipe) -> list[Case]:
    """Return the cases of a manifest that a recipe can be trained with.

    Raises:
        MedSynthError: the manifest is not usable, or a split that is needed has no case.
    """
    roles = needed_roles(recipe)
    cases = read_manifest(data, roles, check_files=recipe.system != "cyclegan")
    for split in ("train", "val"):
        split_of(cases, split)
    for case in cases:
        lacking = [role for role in roles if role not in case.files or not case.files[role].is_file()]
        if lacking and (case.split != "train" or len(lacking) == len(roles)):
            raise MedSynthError(
                f"The case '{case.name}' of the manifest {data} has no file for '{lacking[0]}'; only training cases of "
                "a CycleGAN may lack one of the two."
            )
    return cases


def _train(
    recipe: Recipe, cases: list[Case], folder: RunFolder, engine: Engine, resume: bool, progress: Progress
) -> Path:
    folder.forget_stop()
    if not resume:
        folder.start(recipe, cases, engine.device)
    journal = Journal(folder.path, folder.epochs_done() if resume else 0)
    try:
        trainer = _trainer(recipe, cases, folder, journal, engine, resume, progress.part(0, 0.02))
        # The others find the cases prepared.
        engine.wait()
        journal.event(
            "started",
            name=recipe.name,
            device=str(engine.device),
            epochs=recipe.epochs,
            steps=len(trainer.batches),
            pid=os.getpid(),
            processes=engine.world,
        )
        trainer.run(progress.part(0.02, 0.97))
    finally:
        journal.close()
    package = publish(recipe, cases, folder, engine.device, progress.part(0.97, 1)).package
    engine.wait()
    folder.forget_arrays()
    append_event(folder.path, "done", package=str(package))
    return package


def _trainer(
    recipe: Recipe,
    cases: list[Case],
    folder: RunFolder,
    journal: Journal | None,
    engine: Engine,
    resume: bool,
    progress: Progress,
) -> Trainer:
    paired = recipe.system != "cyclegan"
    train = load_pairs(split_of(cases, "train"), recipe, progress.part(0, 0.9), folder.arrays, paired=paired)
    val = load_pairs(split_of(cases, "val"), recipe, progress.part(0.9, 1), folder.arrays)
    trainer = Trainer(recipe, train, val, folder, journal, engine)
    if resume:
        trainer.resume()
    return trainer
