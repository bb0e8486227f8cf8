"""Trainings of the experiments: runs, their cost, and the environment."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

from medsynth_core.datasets.manifest import SPLITS, Case
from medsynth_core.errors import MedSynthError
from medsynth_core.io.json_file import write_json
from medsynth_core.io.table import read_rows
from medsynth_core.models.package import Model
from medsynth_core.networks.registry import count_parameters, describe
from medsynth_core.progress import Progress
from medsynth_core.recipes.recipe import Recipe
from medsynth_core.training.event_log import EVENTS
from medsynth_core.training.event_reading import events_in
from medsynth_core.training.train import read_cases, train_recipe


def trained(recipe: Recipe, manifest: Path, output: Path, progress: Progress) -> Model:
    """Return the model of a recipe, trained in the folder ``output/NAME`` unless it is already there.

    Raises:
        MedSynthError: as `train`, for example because another process is training there; or the model that is there
            was trained by another recipe or with other cases.
    """
    folder = output / recipe.name
    package = folder / recipe.name
    if not package.is_dir():
        train_recipe(recipe, manifest, folder, resume=(folder / "checkpoint.pt").exists(), progress=progress)
    model = Model.open(package)
    split = split_names(read_cases(manifest, recipe))
    made_by = Recipe.model_validate(model.card.training.recipe)
    if (model.contract, model.card.training.split) != (recipe.contract, split) or not made_by.trains_as(recipe):
        raise MedSynthError(made_otherwise(package, folder))
    return model


def split_names(cases: list[Case]) -> dict[str, list[str]]:
    """Return the names of the cases of each split."""
    return {name: [case.name for case in cases if case.split == name] for name in SPLITS}


def made_otherwise(found: Path, remove: Path) -> str:
    """Return why a model or row that is already there cannot be taken."""
    return (
        f"{found} was made by another recipe or with other cases than this experiment asks for; remove {remove}, or "
        "choose another output folder."
    )


def training_log(folder: Path) -> list[dict[str, Any]]:
    """Return the rows of a run's ``metrics.csv``; [] if there is none."""
    path = folder / "metrics.csv"
    if not path.exists():
        return []
    return [dict(row) for row in read_rows(path)]


def cost(model: Model, run: Path, seconds: float) -> dict[str, Any]:
    """Return a line of ``methods.csv``: size and times of a model, and the epoch that validation chose.

    ``gflop_256`` is for one 256² image or, for a 3-D network, 16 · 256² voxels.

    Args:
        model: model to describe.
        run: folder of its training, which may be missing.
        seconds: per case.
    """
    recipe = Recipe.model_validate(model.card.training.recipe)
    log = training_log(run)
    return {
        "method": model.name,
        "weights_sha256": model.card.weights.sha256,
        "parameters": count_parameters(model.network()),
        "gflop_256": describe(recipe.network.name, **recipe.network.options).gflop,
        "epochs": recipe.epochs,
        "chosen_epoch": model.card.training.best_epoch,
        "steps": _steps(run, len(log)),
        "batch_size": recipe.batch_size,
        "training_minutes": round(sum(float(row["seconds"]) for row in log) / 60, 1) if log else "",
        "seconds_per_case": round(seconds, 2),
    }


def _steps(run: Path, epochs: int) -> int | str:
    """Return the steps of a training over its epochs; "" if it is not known."""
    path = run / EVENTS
    events = events_in(path.read_bytes()) if path.exists() else []
    found = [event["steps"] for event in events if event["event"] == "started"]
    return int(found[-1]) * epochs if found else ""


def write_environment(experiment: str, budget: str, environment: dict[str, Any], data: Path, output: Path) -> None:
    """Write the experiment's command and budget, with the versions and hardware of one of its trainings."""
    content = {
        "command": shlex.join(["medsynth", "reproduce", experiment, "--data", str(data), "--output", "DIR"]),
        "budget": budget,
        **environment,
    }
    write_json(output / "environment.json", content)
