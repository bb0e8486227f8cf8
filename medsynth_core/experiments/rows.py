"""Finished rows of an experiment's tables, kept so that it can continue without the trained networks.

A comparison of systems takes many hours, and its networks are too large to keep for good. Each method's row is
therefore complete as soon as its training ends: scores, cost, log and the slice that the figure shows.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from medsynth_core.errors import MedSynthError
from medsynth_core.experiments.runs import made_otherwise, split_names, trained, training_log
from medsynth_core.io.atomic import atomic_write
from medsynth_core.io.json_file import write_json
from medsynth_core.models.package import Model
from medsynth_core.progress import Progress
from medsynth_core.recipes.recipe import Recipe
from medsynth_core.training.train import read_cases
from medsynth_core.volume import Volume

FOLDER, FACTS = "rows", "facts"
KEPT = ("scores", "cost", "log", "environment", "slices")


@dataclass(frozen=True)
class Making:
    """How the model of a row is made, and what its scores depend on besides its recipe and cases.

    Attributes:
        train: as `trained`, if more must be there before the training than the cases.
        facts: JSON-serialisable; rows with other facts are not taken.
    """

    train: Callable[[Recipe, Path, Path, Progress], Model] = trained
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Row:
    """What an experiment shows of a method.

    Attributes:
        scores: condition (a dose reduction factor, or "") → case → metric → value.
        cost: row of ``methods.csv``.
        log: rows of the training's ``metrics.csv``.
        environment: content of the training's ``environment.json``.
        slices: case → metric → value of each slice; only for CT→MR.
        picture: the part of a result that the figure shows; None if the figure shows none.
    """

    scores: dict[str, dict[str, dict[str, float]]]
    cost: dict[str, Any]
    log: list[dict[str, Any]] = field(default_factory=list)
    environment: dict[str, Any] = field(default_factory=dict)
    slices: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    picture: Volume | None = None


def finished_row(
    recipe: Recipe,
    manifest: Path,
    output: Path,
    score: Callable[[Model], Row],
    progress: Progress,
    making: Making = Making(),
) -> Row:
    """Return the row of a recipe: as it was kept, or of the model that is trained in ``output/NAME`` if it is not.

    Args:
        recipe: recipe of the method.
        manifest: cases of the experiment.
        output: folder of the experiment; rows are kept in ``rows``.
        score: scores a trained model on the test split, once.
        progress: reports.
        making: how the model is made, and what its scores depend on.

    Raises:
        MedSynthError: the row or the model that is there was made by another recipe, with other cases or other facts.
    """
    split = split_names(read_cases(manifest, recipe))
    kept = output / FOLDER / f"{recipe.name}.json"
    if not kept.is_file():
        row = score(making.train(recipe, manifest, output, progress))
        run = output / recipe.name
        environment = json.loads((run / "environment.json").read_text(encoding="utf-8"))
        facts = {"recipe": recipe.model_dump(mode="json"), "split": split, FACTS: dict(making.facts)}
        _write(kept, replace(row, log=training_log(run), environment=environment), facts)
    return _read(kept, recipe, split, making.facts)


def _write(path: Path, row: Row, facts: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if row.picture is not None:
        with atomic_write(path.with_suffix(".npz")) as temporary, temporary.open("wb") as file:
            # Half precision, because it is only looked at.
            voxels = row.picture.voxels.astype(np.float16)
            np.savez_compressed(file, voxels=voxels, ijk_to_ras=row.picture.ijk_to_ras)
    shown = row.picture and {"modality": row.picture.modality, "unit": row.picture.unit}
    content = {name: getattr(row, name) for name in KEPT}
    write_json(path, {**facts, **content, "picture": shown})


def _read(path: Path, recipe: Recipe, split: dict[str, list[str]], facts: Mapping[str, Any]) -> Row:
    content = json.loads(path.read_text(encoding="utf-8"))
    # As they are after they were written.
    wanted = json.loads(json.dumps(dict(facts)))
    if (
        content["split"] != split
        or content.get(FACTS, {}) != wanted
        or not Recipe.model_validate(content["recipe"]).trains_as(recipe)
    ):
        raise MedSynthError(made_otherwise(path, path))
    picture = None
    if content["picture"]:
        with np.load(path.with_suffix(".npz")) as stored:
            picture = Volume(stored["voxels"].astype(np.float32), stored["ijk_to_ras"], **content["picture"])
    return Row(**{name: content[name] for name in KEPT}, picture=picture)
