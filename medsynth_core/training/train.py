"""Train a model from a recipe and a manifest."""

from __future__ import annotations

from pathlib import Path

from medsynth_core.inference.device import choose_device
from medsynth_core.progress import Progress, ProgressCallback
from medsynth_core.training.arrays import load_pairs
from medsynth_core.training.loop import Trainer
from medsynth_core.training.manifest import read_manifest, split_of
from medsynth_core.training.publishing import publish
from medsynth_core.training.recipe import Recipe, read_recipe
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
    model's card.

    Args:
        recipe: a `Recipe` or its YAML file.
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
    cases = read_manifest(data, (recipe.input_role, recipe.target_role))
    chosen = choose_device(device)
    folder = RunFolder(output)
    if resume:
        folder.check_resumable(recipe, cases)
    else:
        folder.check_free()
    split = {name: split_of(cases, name) for name in ("train", "val")}
    used = load_pairs(split["train"] + split["val"], recipe, progress.part(0, 0.02))
    count = len(split["train"])
    if not resume:
        folder.start(recipe, cases, chosen)
    trainer = Trainer(recipe, used[:count], used[count:], folder, chosen)
    if resume:
        trainer.resume()
    trainer.run(progress.part(0.02, 0.97))
    return publish(recipe, cases, used[count:], folder, chosen, progress.part(0.97, 1))
