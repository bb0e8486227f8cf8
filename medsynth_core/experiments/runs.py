"""What the experiments share around their trainings: the runs themselves, what they cost, and the environment."""

from __future__ import annotations

import csv
import json
import shlex
from pathlib import Path
from typing import Any

from medsynth_core.datasets.manifest import SPLITS
from medsynth_core.errors import MedSynthError
from medsynth_core.io.atomic import atomic_write
from medsynth_core.models.package import Model
from medsynth_core.networks.registry import count_parameters, describe
from medsynth_core.progress import Progress
from medsynth_core.resources import resource_folder
from medsynth_core.training.recipe import Recipe, read_recipe
from medsynth_core.training.train import read_cases, train


def trained(recipe: Recipe, manifest: Path, output: Path, progress: Progress) -> Model:
    """Return the model of a recipe, trained in a folder of its name in ``output`` unless it is there.

    Raises:
        MedSynthError: as `train`; another process trains there, say. Or what is there was trained by another recipe
            or with other cases.
    """
    folder = output / recipe.name
    package = folder / recipe.name
    if not package.is_dir():
        train(recipe, manifest, folder, resume=(folder / "checkpoint.pt").exists(), progress=progress)
    model = Model.open(package)
    cases = read_cases(manifest, recipe)
    split = {name: [case.name for case in cases if case.split == name] for name in SPLITS}
    found = (Recipe.model_validate(model.card.training.recipe), model.contract, model.card.training.split)
    if found != (recipe, recipe.contract, split):
        raise MedSynthError(
            f"The model in {package} was trained by another recipe or with other cases than this experiment asks for; "
            f"remove {folder}, or take another output folder."
        )
    return model


def all_trained(wanted: dict[str, Recipe], manifest: Path, output: Path, progress: Progress) -> dict[str, Model]:
    """Return the `trained` model of each recipe, by name."""
    share = 1 / len(wanted)
    return {
        name: trained(recipe, manifest, output, progress.part(index * share, (index + 1) * share))
        for index, (name, recipe) in enumerate(wanted.items())
    }


def bundled(name: str, manifest: Path, output: Path, progress: Progress) -> Model:
    """Return a model that ships, made again by its own recipe in ``output`` unless it is there.

    Raises:
        MedSynthError: as `trained`.
    """
    return trained(read_recipe(resource_folder() / "Recipes" / f"{name}.yaml"), manifest, output, progress)


def training_log(folder: Path) -> list[dict[str, Any]]:
    """Return the epochs of a run as they were logged; none where nothing was trained."""
    path = folder / "metrics.csv"
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def cost(model: Model, run: Path, seconds: float, *, same_budget: bool) -> dict[str, Any]:
    """Return a line of ``methods.csv``: what a model costs, and the epoch that validation chose.

    ``gflop_256`` is for one 256² image or, of a 3-D network, 16 · 256² voxels.

    Args:
        model: what is described.
        run: folder of its training, which need not be there.
        seconds: that it takes for a case.
        same_budget: whether it learnt from as much as the others.
    """
    recipe = Recipe.model_validate(model.card.training.recipe)
    log = training_log(run)
    return {
        "method": model.name,
        "parameters": count_parameters(model.network()),
        "gflop_256": describe(recipe.network.name, **recipe.network.options).gflop,
        "epochs": recipe.epochs,
        "chosen_epoch": model.card.training.best_epoch,
        "training_minutes": round(sum(float(row["seconds"]) for row in log) / 60, 1) if log else "",
        "seconds_per_case": round(seconds, 2),
        "same_budget": same_budget,
    }


def write_environment(experiment: str, budget: str, run: Path, data: Path, output: Path) -> None:
    """Write the experiment's command and budget, with the versions and hardware of one of its runs."""
    content = {
        "command": shlex.join(["medsynth", "reproduce", experiment, "--data", str(data), "--output", "DIR"]),
        "budget": budget,
        **json.loads((run / "environment.json").read_text(encoding="utf-8")),
    }
    with atomic_write(output / "environment.json") as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
